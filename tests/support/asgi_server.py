"""Starts uvicorn with `tests.support.asgi_project` as a process, and talks to it in raw bytes."""

from __future__ import annotations

import os
import re
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.support import log_secrets
from tests.support.ports import free_port
from tests.support.process import Process, wait_for

SECURITY_HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
}
"""What every answer by http carries; of a problem the Referrer-Policy is stricter."""


class Server:
    """One running process; `folder` holds its log, and the files that its views wait for."""

    def __init__(self, process: Process, port: int, folder: Path) -> None:
        self.process = process
        self.port = port
        self.folder = folder
        # Without a pool, so that each request is a connection.
        self.client = httpx.Client(
            base_url=f"http://127.0.0.1:{port}",
            timeout=20,
            limits=httpx.Limits(max_keepalive_connections=0),
        )

    def log(self) -> str:
        return (self.folder / "log").read_text()

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=20)

    def send(self, head: str, body: bytes = b"") -> socket.socket:
        """Open a connection and send a request of `head`, its request line and headers."""
        connection = self.connect()
        lines = head.replace("\n", "\r\n")
        connection.sendall(f"{lines}\r\nHost: 127.0.0.1\r\n\r\n".encode("latin-1") + body)
        return connection

    def hang(self, name: str) -> socket.socket:
        """Send a request that holds a thread, until `release(name)`; return when it does."""
        connection = self.send(f"GET /hang/{name} HTTP/1.1")
        wait_for(lambda: (self.folder / name).exists())
        return connection

    def release(self, name: str) -> None:
        (self.folder / name).unlink()
        wait_for(lambda: (self.folder / f"{name}.done").exists())

    def resident_kib(self) -> int:
        """Return the most memory that the process ever held."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(r"VmHWM:\s+(\d+) kB", status)
        assert found
        return int(found[1])


def read_answer(connection: socket.socket) -> tuple[int, dict[str, str], bytes]:
    """Read until the server closes, or the body that Content-Length announces is there."""
    data = b""
    while b"\r\n\r\n" not in data:
        received = connection.recv(65536)
        assert received, f"closed after {data!r}"
        data += received
    head, _, body = data.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    headers = {
        name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:])
    }
    length = int(headers.get("content-length", 0))
    while len(body) < length and (received := connection.recv(65536)):
        body += received
    return int(lines[0].split()[1]), headers, body


@contextmanager
def running(folder: Path, **environment: str) -> Iterator[Server]:
    """Run a server with these variables in its environment, until the block ends."""
    port = free_port()
    process = Process(
        [sys.executable, "-m", "tests.support.asgi_project", str(port)],
        environment={**os.environ, "GATE": str(folder), **environment},
        log=folder / "log",
    )
    server = Server(process, port, folder)
    try:
        try:
            process.wait_until(lambda: _answers(server))
        except AssertionError as error:
            raise AssertionError(server.log()) from error
        yield server
    finally:
        server.client.close()
        process.end()
        log_secrets.assert_none(server.log())


def _answers(server: Server) -> bool:
    try:
        return server.client.get("/healthz").status_code == 200
    except httpx.TransportError:
        return False
