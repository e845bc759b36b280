"""Starts the service and its peers, each peer with a database of its own on the same PostgreSQL."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import jwt
import psycopg

from benchmarks import observation, rows
from remotedrive import metric_files
from scripts.lib import local_environment, servers
from scripts.lib.processes import DiedError, Processes, free_port, listens
from scripts.lib.setup import ROOT

USER = "benchmark"
TOKEN_SECONDS = 6 * 3600
START_SECONDS = 60
LFS = "/benchmark/drive.git/info/lfs/objects/batch"
"""The path of giftless that signs uploads and downloads."""

SERVICE, TWO_WORKERS = "this service", "this service, two workers"
OBSERVED = "this service, as one of several workers"
UNOBSERVED = "the same, without metrics and log"
FASTAPI = "FastAPI, psycopg, boto3: uvicorn"
GUNICORN = "Django, DRF, minio: gunicorn, 16 threads"
GRANIAN = "Django, DRF, minio: granian, 16 threads"
GIFTLESS = "giftless (Git LFS): gunicorn, 16 threads"
_GUNICORN = "-m gunicorn --worker-class=gthread --threads=16 --no-control-socket --bind=127.0.0.1:"
COMMANDS = {
    SERVICE: "-m remotedrive --workers=1 --port=PORT",
    TWO_WORKERS: "-m remotedrive --workers=2 --port=PORT",
    OBSERVED: "-m benchmarks.observation --port=PORT",
    # Without a line for each request, which the WSGI servers do not write either.
    FASTAPI: "-m uvicorn benchmarks.peers.fastapi_peer:app --port=PORT --no-access-log"
    " --loop=uvloop --http=httptools",
    GUNICORN: f"{_GUNICORN}PORT benchmarks.peers.drf.wsgi:application",
    GRANIAN: "-m granian benchmarks.peers.drf.wsgi:application --interface=wsgi"
    " --host=127.0.0.1 --port=PORT --workers=1 --blocking-threads=16",
    GIFTLESS: f"{_GUNICORN}PORT giftless.wsgi_entrypoint:app",
}
"""Arguments of Python for each contender; one process each that runs Python, but for the second."""


@dataclass(frozen=True)
class Contender:
    """A running server, the process that leads it, and a token that it accepts.

    `signal` is what the process is sent before it is measured.
    """

    name: str
    url: str
    pid: int
    token: str
    signal: int | None = None


def switched(observed: Contender) -> dict[str, Contender]:
    """Return the one process of `benchmarks.observation` as the two that it can be."""
    return {
        OBSERVED: replace(observed, signal=observation.ON),
        UNOBSERVED: replace(observed, name=UNOBSERVED, signal=observation.OFF),
    }


class Servers:
    """The database server, the store and all contenders of a run, with their data in `folder`."""

    def __init__(self, processes: Processes, folder: Path) -> None:
        self._processes = processes
        self._folder = folder
        self._log = folder / "log"
        inherited = {
            name: os.environ[name]
            for name in ("PATH", "HOME", "LANG", "TMPDIR")
            if name in os.environ
        }
        self._environment = inherited | {
            "SECRET_KEY": secrets.token_hex(32),
            "JWT_SECRET": secrets.token_hex(32),
            "JWT_CREATE_USERS": "true",
            # One user begins all uploads of a run.
            "PENDING_UPLOADS_MAX": "10000000",
            "MINIO_BUCKET": "remotedrive",
            "DJANGO_SETTINGS_MODULE": "remotedrive.settings",
            "DATA_DIR": str(folder),
            **servers.start(processes, folder),
        }
        self.databases: dict[str, str] = {}

    def start(self) -> dict[str, Contender]:
        """Start all contenders; return them by name when each accepts connections."""
        self._prepare_service()
        self.databases[SERVICE] = self._environment["DATABASE_URL"]
        for name in (FASTAPI, GUNICORN, GRANIAN):
            self.databases[name] = self._peer_database(f"peer{len(self.databases)}")
        started = {name: self._start(name) for name in COMMANDS}
        for each in started.values():
            self._wait_until_it_listens(each)
        return started | switched(started[OBSERVED])

    def log(self) -> str:
        """Return the end of what the contenders wrote."""
        if not self._log.exists():
            return ""
        return self._log.read_text(encoding="utf-8", errors="replace")[-4000:]

    def token(self, subject: str, **claims: object) -> str:
        """Return a bearer token that outlasts the run."""
        now = int(time.time())
        payload = {"sub": subject, "iat": now, "exp": now + TOKEN_SECONDS} | claims
        return jwt.encode(payload, self._environment["JWT_SECRET"], algorithm="HS256")

    def _prepare_service(self) -> None:
        """Migrate the service's database, make its user and the bucket."""
        password = {local_environment.PASSWORD: secrets.token_urlsafe(12)}
        preparation = self._processes.start(
            "preparation",
            [sys.executable, str(ROOT / "scripts" / "lib" / "prepare.py"), USER],
            environment=self._environment | password,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
        )
        assert preparation.stdin
        preparation.stdin.write(b"\n")
        preparation.stdin.close()
        if self._processes.wait_for_end(preparation, what="Preparing", seconds=120) != 0:
            raise DiedError("Failed to prepare the service's database and the bucket.")

    def _peer_database(self, name: str) -> str:
        """Make a database with the peers' tables and the user; return its URL."""
        server = self._environment["DATABASE_URL"]
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"'.encode())
        url = urlunsplit(urlsplit(server)._replace(path=f"/{name}"))
        schema = (ROOT / "benchmarks" / "peers" / "schema.sql").read_bytes()
        with psycopg.connect(url) as connection:
            connection.execute(schema)
            rows.add_peer_user(connection, USER)
        return url

    def _start(self, name: str) -> Contender:
        port, token = free_port(), self.token(USER)
        environment = self._environment
        if name in self.databases:
            environment = environment | {"DATABASE_URL": self.databases[name]}
        if name == OBSERVED:
            counts = self._folder / "counts"
            counts.mkdir()
            environment = environment | {metric_files.VARIABLE: str(counts)}
        if name == GIFTLESS:
            environment = environment | self._giftless_settings()
            token = self.token(USER, scopes=["obj:benchmark/drive/*:read,write"])
        with self._log.open("ab") as log:
            process = self._processes.start(
                name,
                [sys.executable, *COMMANDS[name].replace("PORT", str(port)).split()],
                environment=environment,
                stdout=log,
                stderr=log,
                server=True,
            )
        return Contender(name, f"http://127.0.0.1:{port}", process.pid, token)

    def _giftless_settings(self) -> dict[str, str]:
        """Return the environment in which giftless signs for the store."""
        config = self._folder / "aws"
        # Otherwise boto3 signs for other stores than Amazon's by Signature Version 2.
        config.write_text("[default]\ns3 =\n    signature_version = s3v4\n", encoding="utf-8")
        storage = {
            "storage_class": "giftless.storage.amazon_s3:AmazonS3Storage",
            "storage_options": {
                "bucket_name": self._environment["MINIO_BUCKET"],
                "endpoint": self._environment["MINIO_ENDPOINT"],
            },
        }
        transfer = {"factory": "giftless.transfer.basic_external:factory", "options": storage}
        secret = {"algorithm": "HS256", "private_key": self._environment["JWT_SECRET"]}
        settings = {
            "TRANSFER_ADAPTERS": {"basic": transfer},
            "AUTH_PROVIDERS": [{"factory": "giftless.auth.jwt:factory", "options": secret}],
            "LEGACY_ENDPOINTS": False,
        }
        return {
            "GIFTLESS_CONFIG_STR": json.dumps(settings),
            "AWS_CONFIG_FILE": str(config),
            "AWS_ACCESS_KEY_ID": self._environment["MINIO_ACCESS_KEY"],
            "AWS_SECRET_ACCESS_KEY": self._environment["MINIO_SECRET_KEY"],
            "AWS_DEFAULT_REGION": "us-east-1",
        }

    def _wait_until_it_listens(self, contender: Contender) -> None:
        port = urlsplit(contender.url).port or 0
        self._processes.wait_for(
            lambda: listens(port), what=f"Starting {contender.name}", seconds=START_SECONDS
        )
