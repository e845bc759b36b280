"""A Redis of a test's own, to be killed and started again on the same port."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from redis import Redis, RedisError

from tests.support.ports import free_port
from tests.support.process import Process

PASSWORD = "4f1d0c9b8a7e6f5d"
needs_redis = pytest.mark.skipif(
    shutil.which("redis-server") is None, reason="needs redis-server, of Debian's package"
)


class RedisServer:
    """Keeps nothing on disk; `client` talks to it past the service."""

    def __init__(self) -> None:
        self.port = free_port()
        self.url = f"redis://:{PASSWORD}@127.0.0.1:{self.port}/3"
        self.client = Redis(port=self.port, db=3, password=PASSWORD)
        self.process: Process | None = None

    def start(self) -> None:
        options = {
            "--port": str(self.port),
            "--bind": "127.0.0.1",
            "--requirepass": PASSWORD,
            "--save": "",
            "--appendonly": "no",
        }
        command = ["redis-server", *(part for pair in options.items() for part in pair)]
        self.process = Process(command, stdout=subprocess.DEVNULL)
        self.process.wait_until(self._answers)

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill_all()
        self.process = None

    def keys(self) -> list[str]:
        return [key.decode() for key in self.client.scan_iter()]

    def _answers(self) -> bool:
        try:
            return bool(self.client.ping())
        except RedisError:
            return False


@contextmanager
def redis_server() -> Iterator[RedisServer]:
    server = RedisServer()
    try:
        server.start()
        yield server
    finally:
        server.client.close()
        if server.process is not None:
            server.kill()
