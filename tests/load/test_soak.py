"""A service under mixed load for `--soak-seconds`: memory, threads, descriptors and database
connections stay as they are after the first requests. And what an idle worker holds.
"""

from __future__ import annotations

import http.client
import itertools
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from urllib.parse import urlsplit

import psycopg
import pytest

from tests.load.processes import Holding, answering
from tests.load.traffic import CLIENTS, Traffic
from tests.support.server import RemoteClient, Server, running

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("store")]

WORKERS = 2
THREADS = 4
LOOKERS = 4
OTHER_THREADS = 3
"""uvicorn's: the event loop's, and one that tells the supervisor that the worker is well."""
WARM_UP = 100
"""How often each client does everything before the first sample: until what is kept is full."""
LEAK = 1024
"""Bytes a request that would be too many."""
NOISE = 256 * 1024
"""Bytes by which a process grows now and then without a leak."""
IDLE = 120 * 1000 * 1000
"""Bytes of memory that a worker may take at most, when there is nothing to do."""

POSTGRESQL = os.environ.get("DATABASE_URL", "").startswith("postgres")


class Lookers:
    """Clients who read, and do what is refused, as fast as they can."""

    def __init__(self, service: Server, count: int) -> None:
        self._service = service
        self.answered = 0
        self.failures: list[str] = []
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(count)]

    @contextmanager
    def looking(self) -> Iterator[None]:
        """Let them all ask until the block ends."""
        for thread in self._threads:
            thread.start()
        try:
            yield
        finally:
            self._stop.set()
            for thread in self._threads:
                thread.join(timeout=60)
        assert self.failures == []

    def _run(self) -> None:
        token = {"Authorization": f"Bearer {self._service.token('looker')}"}
        asked: list[tuple[str, str, bytes | None, dict[str, str], int]] = [
            ("GET", "/files", None, token, 200),
            ("GET", "/uploads", None, token, 200),
            ("GET", "/files/00000000-0000-0000-0000-000000000000", None, token, 404),
            ("GET", "/files?page_size=x", None, token, 400),
            ("POST", "/files/init-upload", b"{", token, 400),
            ("POST", "/files/commit", b"[" * 100_000, token, 413),
            ("GET", "/files", None, {"Authorization": "Bearer x.y.z"}, 401),
            ("GET", "/s/unknown", None, {}, 404),
            ("GET", "/admin/login/", None, {}, 200),
            ("GET", "/static/admin/css/base.css", None, {}, 200),
            ("GET", "/healthz", None, {}, 200),
            ("GET", "/readyz", None, {}, 200),
        ]
        for method, path, body, headers, expected in itertools.cycle(asked):
            if self._stop.is_set():
                return
            status = self._ask(method, path, body, headers)
            if status not in (expected, 503):
                self.failures.append(f"{method} {path}: {status}")
                return
            self.answered += 1

    def _ask(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", self._service.port, timeout=30)
        try:
            sent = headers | {"Content-Type": "application/json"}
            connection.request(method, path, body, sent)
            answer = connection.getresponse()
            answer.read()
            return answer.status
        finally:
            connection.close()


@pytest.mark.skipif(not POSTGRESQL, reason="needs PostgreSQL, whose connections are counted")
def test_under_load_nothing_grows(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    seconds: int = request.config.getoption("--soak-seconds")
    with running(tmp_path, workers=WORKERS, THREADS=str(THREADS)) as service:
        traffic, lookers = Traffic(service), Lookers(service, LOOKERS)
        with traffic.flowing(), lookers.looking():
            traffic.loop(WARM_UP)
            pids = answering(service)
            assert len(pids) == WORKERS
            samples: list[list[Holding]] = []
            connections: list[int] = []
            requests: list[int] = []
            for _ in range(max(seconds, 8)):
                time.sleep(1)
                traffic.check()
                samples.append([Holding.of(pid) for pid in pids])
                connections.append(_connections(service))
                requests.append(lookers.answered + traffic.seen().total())
        assert answering(service) == pids
        traffic.hold()
        assert "Traceback" not in service.log()
    half = len(samples) // 2
    made = (requests[-1] - requests[0]) // 2 // WORKERS
    print(f"{requests[0]} requests before, {requests[-1] - requests[0]} meanwhile")
    print(f"connections: {connections[0]} … {connections[-1]}, at most {max(connections)}")
    assert max(connections) <= WORKERS * THREADS
    for worker in zip(*samples, strict=True):
        for holding in (worker[0], worker[half], worker[-1]):
            print(holding)
        first, second = worker[:half], worker[half:]
        assert max(holding.threads for holding in worker) <= THREADS + OTHER_THREADS
        # Each client has one connection now, and perhaps none the next moment.
        grown = _growth(first, second, lambda holding: holding.descriptors)
        assert grown <= CLIENTS + LOOKERS
        # Between the middles of the halves half of the requests were made; a part of them was
        # for the store, or was answered before Django.
        assert _growth(first, second, lambda holding: holding.memory) < NOISE + made * LEAK / 4


@pytest.mark.parametrize("workers", [1, 2])
def test_a_worker_that_has_answered_everything_once_is_small(tmp_path: Path, workers: int) -> None:
    with running(tmp_path, workers=workers) as service:
        owner = service.client("owner")
        for _ in range(3 * workers):
            _everything(owner)
        for pid in answering(service):
            assert Holding.of(pid).peak < IDLE


def _everything(owner: RemoteClient) -> None:
    """Make requests of every kind."""
    file_id = owner.upload(b"some bytes")["fileId"]
    shared = owner.post("/shares", {"file_id": file_id, "permission": "read", "password": "secret"})
    parts = owner.init(b"", size=100_000_000, multipart=True)
    answers = [
        *(owner.get(path) for path in ("/files", f"/files/{file_id}", "/uploads", "/shares")),
        owner.get(f"/files/{file_id}/download"),
        owner.get(f"/s/{shared['token']}"),
        owner.get(f"/s/{shared['token']}/download", headers={"X-Share-Password": "secret"}),
        owner.patch(f"/files/{file_id}", {"name": "other"}),
        owner.delete(f"/files/{file_id}"),
        owner.post(f"/files/{file_id}/restore"),
        owner.delete(f"/uploads/{parts['upload_id']}"),
        *(owner.get(path) for path in ("/admin/login/", "/readyz", "/problems/not-found")),
    ]
    assert {answer.status for answer in answers} <= {200, 204}


def _growth(
    first: tuple[Holding, ...], second: tuple[Holding, ...], amount: Callable[[Holding], int]
) -> float:
    return median(map(amount, second)) - median(map(amount, first))


def _connections(service: Server) -> int:
    """Return how many connections the service has to its database."""
    database = urlsplit(service.environment["DATABASE_URL"]).path[1:]
    with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
        found = connection.execute(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = %s AND backend_type = 'client backend'",
            [database],
        ).fetchone()
    assert found is not None
    return int(found[0])
