"""The embedded store as a process of its own, and requests to it signed by botocore.

Nothing of the service is used here: what is under test is what any S3 client would see.
"""

import contextlib
import http.client
import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import boto3
import httpx
from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials

from tests.support.process import Process

ACCESS_KEY = "test-key"
SECRET_KEY = "a secret with 100%(percent)s;#"
BUCKET = "drive"
# One client for all: making one takes longer than a request to the store.
HTTP = httpx.Client(timeout=30)


def command(data: Path, *options: str) -> list[str]:
    return [
        *(sys.executable, "-m", "embedded_store"),
        *("--data", str(data), "--port", "0", *options),
    ]


def environment() -> dict[str, str]:
    return {**os.environ, "MINIO_ACCESS_KEY": ACCESS_KEY, "MINIO_SECRET_KEY": SECRET_KEY}


class Store:
    """A running embedded store. ``wrapped``: from the command to what is run instead of it."""

    def __init__(self, data: Path, *options: str, wrapped: str = "") -> None:
        arguments = command(data, *options)
        if wrapped:  # a shell line in which "$@" stands for the command
            arguments = ["unshare", "-rm", "sh", "-ec", wrapped, "sh", *arguments]
        self.process = Process(
            arguments,
            environment=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        line = self.process.first_line("embedded store: http://127.0.0.1:")
        self.url = line.removeprefix("embedded store: ")
        self.port = int(self.url.rpartition(":")[2])
        self.s3: Any = boto3.client(
            "s3",
            endpoint_url=self.url,
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY,
            region_name="us-east-1",
            config=Config(signature_version="s3v4", retries={"total_max_attempts": 1}),
        )

    def make_bucket(self) -> None:
        self.s3.create_bucket(Bucket=BUCKET)
        self.s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})

    def presign(
        self,
        method: str,
        key: str,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        ttl: int = 300,
    ) -> str:
        """A URL that signs these headers and query parameters besides the host."""
        request = AWSRequest(
            method, f"{self.url}/{BUCKET}/{quote(key)}", headers=headers, params=query
        )
        credentials = Credentials(ACCESS_KEY, SECRET_KEY)
        S3SigV4QueryAuth(credentials, "s3", "us-east-1", expires=ttl).add_auth(request)
        return str(request.prepare().url)

    def put(
        self,
        key: str,
        body: bytes,
        signed: Mapping[str, str] | None = None,
        unsigned: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """A presigned PUT with ``Content-Length`` and ``signed`` in the signature."""
        url = self.presign("PUT", key, {"content-length": str(len(body)), **(signed or {})})
        headers = {**(signed or {}), **(unsigned or {})}
        return HTTP.put(url, content=body, headers=headers)

    def answer_to_head_of_put(
        self, key: str, length: int, headers: Mapping[str, str] | None = None
    ) -> tuple[int, bytes]:
        """Status and body of the answer to a PUT of so many bytes, of which none is sent."""
        url = urlsplit(self.presign("PUT", key, headers))
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.putrequest("PUT", f"{url.path}?{url.query}")
        for name, value in {**(headers or {}), "content-length": str(length)}.items():
            connection.putheader(name, value)
        connection.endheaders()
        with contextlib.closing(connection), connection.getresponse() as response:
            return response.status, response.read()

    def begin_put(
        self, url: str, body: bytes, *, held_back: int = 1, headers: str = ""
    ) -> socket.socket:
        """A PUT of which all but the last bytes are sent; ``headers``: lines that end in CR LF."""
        parts = urlsplit(url)
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=20)
        head = f"PUT {parts.path}?{parts.query} HTTP/1.1\r\nHost: {parts.netloc}\r\n{headers}"
        connection.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode())
        connection.sendall(body[: len(body) - held_back])
        return connection

    def get(self, key: str, version_id: str | None = None) -> httpx.Response:
        query = {"versionId": version_id} if version_id else None
        return HTTP.get(self.presign("GET", key, query=query))

    def versions(self, key: str) -> list[str]:
        """The ids of the versions of exactly this key, the newest first."""
        listed = self.s3.list_object_versions(Bucket=BUCKET, Prefix=key).get("Versions", [])
        return [version["VersionId"] for version in listed if version["Key"] == key]

    def stop(self) -> tuple[int, str, str]:
        """End it by SIGTERM: exit code, and what it still wrote to its two outputs."""
        self.process.terminate()
        output, errors = self.process.communicate(timeout=10)
        return self.process.returncode, output, errors

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate(timeout=10)
