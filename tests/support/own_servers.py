"""A PostgreSQL and a MinIO of a test's own, to be killed and started again on the same data.

Found as `scripts/test --full` finds its own; nothing is installed here.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import psycopg

from scripts.lib.processes import answers, free_port
from scripts.lib.servers import (
    find_postgresql,
    initdb_command,
    minio_command,
    minio_path,
    minio_settings,
    postgresql_command,
)
from tests import settings as test_settings
from tests.support.process import Process

available = (
    os.environ.get("DATABASE_URL", "").startswith("postgres")
    and test_settings.EMBEDDED_STORE_PORT is None
    and find_postgresql() is not None
    and minio_path().exists()
)
"""Whether this run is on PostgreSQL and another store, and both programs are there."""


class OwnServer(Protocol):
    """A server that can be killed, and started again on the same data and port."""

    environment: Mapping[str, str]
    """The settings of a service that is to use it."""
    process: Process | None

    def start(self) -> None: ...

    def kill(self) -> None: ...


class OwnPostgreSQL:
    """PostgreSQL with its default durability, and one database without tables."""

    def __init__(self, folder: Path) -> None:
        programs = find_postgresql()
        assert programs is not None
        self._user = "postgres" if os.geteuid() == 0 else None
        self.process: Process | None = None
        password = folder / "password"
        password.touch(mode=0o600)
        password.write_text(secrets.token_hex(16))
        if self._user is not None:
            # PostgreSQL refuses to run as root.
            shutil.chown(folder, self._user)
            shutil.chown(password, self._user)
        data, port = folder / "postgresql", free_port()
        self._run(initdb_command(programs, data, password)).wait()
        self._command = postgresql_command(programs, data, port)
        self._url = f"postgresql://remotedrive:{password.read_text()}@127.0.0.1:{port}"
        self.environment: Mapping[str, str] = {"DATABASE_URL": f"{self._url}/postgres"}

    def start(self) -> None:
        self.process = self._run(self._command)
        self.process.wait_until(self._answers)

    def kill(self) -> None:
        """End the server and all its processes by SIGKILL, as the kernel does without memory."""
        assert self.process is not None
        self.process.kill_all()

    def _run(self, command: list[str]) -> Process:
        return Process(
            command,
            cwd="/",
            stdout=subprocess.DEVNULL,
            user=self._user,
            group=self._user,
            extra_groups=None if self._user is None else [],
        )

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.environment["DATABASE_URL"], connect_timeout=5).close()
        except psycopg.OperationalError:
            return False
        return True


class OwnMinIO:
    """MinIO with nothing in it yet."""

    def __init__(self, folder: Path) -> None:
        self._port = free_port()
        access_key, secret_key = secrets.token_hex(8), secrets.token_hex(20)
        self._command = minio_command(minio_path(), folder, self._port)
        self._settings = minio_settings(access_key, secret_key)
        self.process: Process | None = None
        self.environment: Mapping[str, str] = {
            "MINIO_ENDPOINT": f"http://127.0.0.1:{self._port}",
            "MINIO_PUBLIC_ENDPOINT": "",
            "MINIO_ACCESS_KEY": access_key,
            "MINIO_SECRET_KEY": secret_key,
            "MINIO_UPLOAD_ACCESS_KEY": secrets.token_hex(7),
            "MINIO_UPLOAD_SECRET_KEY": secrets.token_hex(20),
        }

    def start(self) -> None:
        self.process = Process(
            self._command, environment=os.environ | self._settings, stdout=subprocess.DEVNULL
        )
        self.process.wait_until(lambda: answers(self._port, "/minio/health/ready"))

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill_all()


@contextmanager
def own(kind: Callable[[Path], OwnServer]) -> Iterator[OwnServer]:
    """Run a server of this kind until the block ends; then it and its data are gone."""
    # Not pytest's folder for temporary files, which other users may not enter.
    with tempfile.TemporaryDirectory(prefix="remotedrive-", ignore_cleanup_errors=True) as folder:
        server = kind(Path(folder))
        try:
            server.start()
            yield server
        finally:
            if server.process is not None:
                # To PostgreSQL it means to end without waiting for clients.
                server.process.stop(signal.SIGINT, seconds=30)
