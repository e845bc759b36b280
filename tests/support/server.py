"""The service as people run it: uvicorn in a process of its own, with a database of its own.

For what a client in the test's process cannot show: many requests at once, a kill, a restart. The
store is the test run's, and its bucket must be there (fixture `store`).
"""

from __future__ import annotations

import atexit
import json
import os
import shutil
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import httpx
import psycopg

from files.services.tokens import mint
from tests.support import log_secrets
from tests.support.client import Answer, Client, answered
from tests.support.ports import free_port
from tests.support.process import ROOT, Process


class RemoteClient(Client):
    """A person who calls a running service over HTTP; may be used by many threads at once.

    Each request has a connection of its own, unless `http` keeps them.
    """

    def __init__(
        self, server: Server, subject: str | None, http: httpx.Client | None = None
    ) -> None:
        self._http = http or server.http
        self._user = None
        self.token = None if subject is None else server.token(subject)

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        raw: bytes | None = None,
        content_type: str = "application/json",
        headers: Mapping[str, str] | None = None,
        address: str | None = None,
    ) -> Answer:
        """As `Client.call`; raises httpx.TransportError when no answer comes."""
        assert address is None, "a connection has the address that it has"
        sent = {"Content-Type": content_type} | dict(headers or {})
        if self.token is not None:
            sent.setdefault("Authorization", f"Bearer {self.token}")
        data = raw if raw is not None else b"" if body is None else json.dumps(body).encode()
        answer = self._http.request(method, path, content=data, headers=sent)
        shown = answered(method, path, body, answer.status_code, answer.headers, answer.content)
        log_secrets.remember_exchange(sent, body, shown.json, raw)
        return shown


class Server:
    """One service: a port, a data folder, a database that lives as long as this object.

    `environment` adds to, or overrides, what the test run's settings say. `folder` must be empty.
    """

    def __init__(self, folder: Path, *, workers: int = 1, **environment: str) -> None:
        self.workers = workers
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log_file = folder / "log"
        database = environment.get("DATABASE_URL")
        self._database = None if database else _Database(folder)
        self.environment = os.environ | {
            "DJANGO_SETTINGS_MODULE": "remotedrive.settings",
            "DATA_DIR": str(folder),
            **({} if self._database is None else {"DATABASE_URL": self._database.url}),
            "JWT_CREATE_USERS": "true",
            **environment,
        }
        self.http = httpx.Client(
            base_url=self.url,
            timeout=30,
            trust_env=False,
            verify=False,
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=0),
            event_hooks={"request": [_remember_form]},
        )
        self.process: Process | None = None
        if self._database is None:
            self.manage("migrate", "--verbosity=0")
        else:
            self._database.create(_migrated())

    def start(self, *arguments: str) -> None:
        """Start the process and wait until it answers; its log goes on in the same file.

        It is the service itself, unless `arguments` for Python say what else serves this port.
        """
        assert self.process is None
        served = ("-m", "remotedrive", f"--port={self.port}", f"--workers={self.workers}")
        self.process = Process(
            [sys.executable, *(arguments or served)],
            environment=self.environment,
            log=self.log_file,
        )
        try:
            self.process.wait_until(self._answers)
        except AssertionError as error:
            raise AssertionError(self.log()) from error

    def stop(self) -> int:
        """End the process by SIGTERM and return its exit status."""
        assert self.process is not None
        status = self.process.stop()
        self.process = None
        return status

    def kill(self) -> None:
        """End all processes by SIGKILL; `start()` starts it again on the same port and data."""
        assert self.process is not None
        self.process.kill_all()
        self.process = None

    def worker_pids(self) -> list[int]:
        """Return the processes that answer requests where there are several workers."""
        assert self.process is not None
        return [child for child in self.process.children() if _is_worker(child)]

    def close(self) -> None:
        """End the process if there is one, and drop the database; its log must have no secret."""
        if self.process is not None:
            self.process.end()
            self.process = None
        self.http.close()
        if self._database is not None:
            self._database.drop()
        if self.log_file.exists():
            log_secrets.assert_none(self.log(), self.environment)

    def log(self) -> str:
        """Return what all processes so far wrote to standard output and error."""
        return self.log_file.read_text(errors="replace")

    def token(self, subject: str) -> str:
        """Return a bearer token for `subject`, whose user is made by the first request."""
        return mint(subject=subject, ttl=3600)

    def client(self, subject: str | None) -> RemoteClient:
        """Return a client that speaks for `subject`, or for nobody."""
        return RemoteClient(self, subject)

    def manage(self, *arguments: str) -> str:
        """Run `manage.py` with this service's settings and return its standard output."""
        return _manage(self.environment, *arguments)

    def _answers(self) -> bool:
        try:
            return self.http.get("/healthz").status_code == 200
        except httpx.TransportError:
            return False


@contextmanager
def running(folder: Path, *, workers: int = 1, **environment: str) -> Iterator[Server]:
    """Run a service until the block ends."""
    server = Server(folder, workers=workers, **environment)
    try:
        server.start()
        yield server
    finally:
        server.close()


class _Database:
    """A database on the server that DATABASE_URL names, or a file in the folder."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "db.sqlite3"
        self._server = os.environ.get("DATABASE_URL", "")
        self._name = f"remotedrive_{uuid.uuid4().hex}"
        if self._server.startswith("postgres"):
            self.url = urlunsplit(urlsplit(self._server)._replace(path=f"/{self._name}"))
        else:
            self._server = ""
            self.url = f"sqlite:///{self._file}"

    def create(self, template: _Database | None = None) -> None:
        """Make it empty, or a copy of `template`, which nobody is connected to."""
        copied = "" if template is None else f' TEMPLATE "{template._name}"'
        self._execute(f'CREATE DATABASE "{self._name}"{copied}')
        if template is not None and not self._server:
            shutil.copy(template._file, self._file)

    def drop(self) -> None:
        self._execute(f'DROP DATABASE "{self._name}" WITH (FORCE)')

    def _execute(self, statement: str) -> None:
        if self._server:
            with psycopg.connect(self._server, autocommit=True) as connection:
                connection.execute(statement.encode())


def _remember_form(request: httpx.Request) -> None:
    if request.headers.get("Content-Type", "").startswith("application/x-www-form-urlencoded"):
        log_secrets.remember_form(request.read())


@cache
def _migrated() -> _Database:
    """Return a database with all tables and no rows, made once in each process of pytest."""
    folder = tempfile.mkdtemp(prefix="remotedrive-test-")
    atexit.register(shutil.rmtree, folder)
    database = _Database(Path(folder))
    database.create()
    atexit.register(database.drop)
    environment = {
        "DJANGO_SETTINGS_MODULE": "remotedrive.settings",
        "DATA_DIR": folder,
        "DATABASE_URL": database.url,
    }
    _manage(os.environ | environment, "migrate", "--verbosity=0")
    return database


def _manage(environment: Mapping[str, str], *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    log_secrets.assert_none(done.stderr, environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _is_worker(pid: int) -> bool:
    """Return whether this is a worker, and not the resource tracker that multiprocessing starts."""
    try:
        return b"--multiprocessing-fork" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return False
