"""Workers are replaced, ended and killed while people work: no request fails for it.

The only failures are 503 with Retry-After, whose repetition succeeds, and the requests that a
killed worker had in its hands.
"""

from __future__ import annotations

import http.client
import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from remotedrive.serving.protocol import IDLE_SECONDS
from tests.support.audit import audit
from tests.support.client import Answer, put, sha256
from tests.support.process import wait_for
from tests.support.server import RemoteClient, Server, running

pytestmark = [pytest.mark.usefixtures("store"), pytest.mark.slow]

CLIENTS = 8
RESTART_SECONDS = 60


@dataclass
class Person:
    """Uploads, downloads and lists in a closed loop; notes every answer that should not be."""

    client: RemoteClient
    committed: dict[str, str] = field(default_factory=dict)
    unavailable: int = 0
    unanswered: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def run(self, stop: threading.Event) -> None:
        try:
            while not stop.is_set():
                self._work()
        except Exception as error:
            self.failures.append(repr(error))

    def _work(self) -> None:
        data = random.randbytes(random.randint(1, 2000))
        begun = self._ask(201, "POST", "/files/init-upload", _intent(data))
        assert put(begun["presigned_put_url"], data, begun["headers"]).status_code == 200
        body = {"key": begun["key"], "checksum": sha256(data), "size": len(data)}
        made = self._ask(201, "POST", "/files/commit", body)
        assert made["fileId"] not in self.committed
        self.committed[made["fileId"]] = sha256(data)
        assert self._ask(200, "GET", f"/files/{made['fileId']}/download")["version"] == 1
        newest = self._ask(200, "GET", "/files?page_size=1")["results"]
        assert [file["id"] for file in newest] == [made["fileId"]]

    def _ask(self, expected: int, method: str, path: str, body: Any = None) -> Answer:
        """Return the answer, which is to have this status; repeat what a client should repeat."""
        repeated = False
        end = time.monotonic() + 30
        while time.monotonic() < end:
            try:
                answer = self.client.call(method, path, body)
            except httpx.TransportError as error:
                self.unanswered.append(f"{method} {path}: {error!r}")
                repeated = True
                time.sleep(0.1)
                continue
            if answer.status != 503:
                # A commit whose answer was lost is answered 200 when it is repeated.
                allowed = (expected, 200) if repeated else (expected,)
                assert answer.status in allowed, f"{method} {path}: {answer.status} {answer.json}"
                return answer
            self.unavailable += 1
            repeated = True
            time.sleep(int(answer.headers["Retry-After"]))
        raise AssertionError(f"{method} {path}: 503 for 30 s")


def _intent(data: bytes) -> dict[str, object]:
    return {"filename": "r.bin", "size": len(data), "content_type": "a/b"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, store: object) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("server"), workers=2, THREADS="4") as service:
        yield service
        audit(service.environment)


class KeptConnection(httpx.BaseTransport):
    """One connection for all requests, of a client that does not look whether it is still open.

    httpx's own pool does, and hides all but the shortest moments from a test. What was idle for
    long it does not use again: a worker that ends closes that.
    """

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        self._used = 0.0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if time.monotonic() - self._used > IDLE_SECONDS / 2:
            self._connection.close()
        target, headers = request.url.raw_path.decode(), dict(request.headers)
        try:
            self._connection.request(request.method, target, request.read(), headers)
            answer = self._connection.getresponse()
            whole = httpx.Response(
                answer.status, headers=answer.getheaders(), content=answer.read()
            )
            self._used = time.monotonic()
            return whole
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            raise httpx.ReadError(repr(error)) from error

    def close(self) -> None:
        self._connection.close()


@contextmanager
def people_at_work(server: Server, name: str) -> Iterator[list[Person]]:
    """Half of them keep their connection, half make one for each request; none repeats by itself.

    At the end all have gone on working, and what was acknowledged to them is there, once.
    """
    kept = [
        httpx.Client(base_url=server.url, transport=KeptConnection(server.port))
        for _ in range(CLIENTS // 2)
    ]
    ways = [*kept, *[server.http] * (CLIENTS - len(kept))]
    people = [
        Person(RemoteClient(server, f"{name}-{number}", way)) for number, way in enumerate(ways)
    ]
    stop = threading.Event()
    threads = [threading.Thread(target=person.run, args=[stop]) for person in people]
    try:
        for thread in threads:
            thread.start()
        _all_go_on(people)
        yield people
        _all_go_on(people)
    finally:
        stop.set()
        for thread in threads:
            thread.join(timeout=60)
        for client in kept:
            client.close()
    assert [failure for person in people for failure in person.failures] == []
    for number, person in enumerate(people):
        assert _listed(server.client(f"{name}-{number}")) == person.committed


def _all_go_on(people: list[Person]) -> None:
    before = [len(person.committed) for person in people]
    wait_for(
        lambda: all(
            len(person.committed) > count or person.failures
            for person, count in zip(people, before, strict=True)
        ),
        seconds=30,
    )


def _listed(client: RemoteClient) -> dict[str, str]:
    files: dict[str, str] = {}
    path = "/files?page_size=200"
    while path:
        page = client.get(path)
        files |= {file["id"]: file["checksum"] for file in page["results"]}
        path = page["next"]
    return files


def _replaced(server: Server, former: list[int]) -> Callable[[], bool]:
    """Return a test of whether there are two workers, none of which is one of `former`."""

    def test() -> bool:
        now = server.worker_pids()
        return len(now) == server.workers and not set(now) & set(former)

    return test


def _unanswered(people: list[Person]) -> list[str]:
    return [request for person in people for request in person.unanswered]


def test_no_request_fails_while_all_workers_are_replaced_twice(server: Server) -> None:
    assert server.process is not None
    with people_at_work(server, "restart") as people:
        for _ in range(2):
            former = server.worker_pids()
            server.process.send_signal(signal.SIGHUP)
            wait_for(_replaced(server, former), seconds=RESTART_SECONDS)
    assert _unanswered(people) == []


def test_no_request_fails_when_a_single_worker_is_told_to_end(server: Server) -> None:
    with people_at_work(server, "ended") as people:
        former = server.worker_pids()[0]
        os.kill(former, signal.SIGTERM)
        wait_for(_replaced(server, [former]), seconds=RESTART_SECONDS)
    assert _unanswered(people) == []


def test_when_a_worker_is_killed_only_its_own_requests_fail_and_another_takes_its_place(
    server: Server,
) -> None:
    with people_at_work(server, "killed") as people:
        former = server.worker_pids()[0]
        os.kill(former, signal.SIGKILL)
        wait_for(_replaced(server, [former]), seconds=RESTART_SECONDS)
    assert all(len(person.unanswered) <= 1 for person in people), _unanswered(people)
