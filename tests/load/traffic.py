"""Clients who upload, commit, download and list, one thing after another, and repeat what the
service asks them to repeat; they note what was acknowledged, and what should not have been.
"""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx

from tests.support.client import Answer, assert_problem, fetch, put, sha256
from tests.support.server import RemoteClient, Server

CLIENTS = 8
ENOUGH = 20
"""Seconds after which an answer, which is due within 10, counts as one that does not come."""
PATIENCE = 90
"""Seconds for which a client repeats what is answered 503."""
PAUSE = 0.3
"""Seconds between repetitions. Less than `Retry-After` says, for more load while a server is down.
"""


@dataclass
class Worker:
    """One client, with a file of its own that gets version after version."""

    client: RemoteClient
    loops: int = 0
    """How often it has done everything."""
    acknowledged: dict[tuple[str, int], str] = field(default_factory=dict)
    """The checksum of each file and version that a commit was answered with."""
    seen: Counter[tuple[str, int, str]] = field(default_factory=Counter)
    """How often a request of this name was answered with this status and code."""
    failures: list[str] = field(default_factory=list)
    _file_id: str | None = None

    def run(self, stop: threading.Event) -> None:
        while not stop.is_set():
            try:
                self._loop()
            except Exception as error:  # Whatever it is, the thread that waits shall say so.
                self.failures.append(repr(error))
                return
            self.loops += 1

    def _loop(self) -> None:
        data = random.randbytes(random.randint(0, 20_000))
        committed = self._upload(data)
        place = (str(committed["fileId"]), int(committed["version"]))
        assert place not in self.acknowledged, f"{place} was given out twice"
        self.acknowledged[place] = committed["checksum"]
        self._file_id, version = place
        path = f"/files/{self._file_id}/versions/{version}/download"
        signed = self._ask("download", lambda: self.client.get(path), 200)
        assert self._bytes(signed["presigned_get_url"]) == data
        listed = self._ask("list", lambda: self.client.get("/files"), 200)
        assert [(file["id"], file["version"]) for file in listed["results"]] == [place]

    def _upload(self, data: bytes) -> Answer:
        """Upload and commit, and PUT again where what was not taken turns out to be missing."""
        body: dict[str, Any] = {"filename": "a", "size": len(data)}
        if self._file_id is not None:
            body["file_id"] = self._file_id
        if random.random() < 0.5:
            body["checksum"] = sha256(data)
        headers = {"Idempotency-Key": str(uuid4())}
        begun = self._ask(
            "init-upload",
            lambda: self.client.post("/files/init-upload", body, headers=headers),
            201,
        )
        while True:
            taken = self._put(begun, data)
            committed = self._commit(str(begun["key"]), data)
            if committed.status != 409:
                return committed
            assert not taken, "a PUT that was acknowledged is missing"
            assert_problem(committed, 409, "object-missing")

    def _put(self, begun: Answer, data: bytes) -> bool:
        """Return whether the store said that it took `data`."""
        try:
            sent = put(begun["presigned_put_url"], data, begun["headers"])
        except httpx.TransportError as error:
            self.seen["PUT", 0, type(error).__name__] += 1
            return False
        self.seen["PUT", sent.status_code, ""] += 1
        # 412: it was taken before, and the answer was lost.
        assert sent.status_code in (200, 412) or sent.status_code >= 500, sent.text
        return sent.status_code == 200

    def _commit(self, key: str, data: bytes) -> Answer:
        before = self.seen["commit", 503, "unavailable"]
        committed = self._ask("commit", lambda: self.client.commit(key, data), 200, 201, 409)
        if self.seen["commit", 503, "unavailable"] == before:
            assert committed.status != 200, "a first commit was answered as a repeated one"
        if committed.status != 409:
            assert committed["checksum"] == sha256(data)
            again = self._ask("commit", lambda: self.client.commit(key, data), 200)
            assert again.json == committed.json
        return committed

    def _bytes(self, url: str) -> bytes:
        """Read from the store, and wait for it where it is away."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            try:
                answer = fetch(url)
            except httpx.TransportError as error:
                self.seen["GET", 0, type(error).__name__] += 1
            else:
                self.seen["GET", answer.status_code, ""] += 1
                if answer.status_code < 500:
                    assert answer.status_code == 200, answer.text
                    return answer.content
            time.sleep(PAUSE)
        raise AssertionError("the store gives no answer")

    def _ask(self, name: str, call: Callable[[], Answer], *expected: int) -> Answer:
        """Return the first answer that is not 503; no answer at all is a failure."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            began = time.monotonic()
            answer = call()
            assert time.monotonic() - began < ENOUGH, f"{name} hangs"
            code = "" if answer.status < 400 else str(answer["code"])
            self.seen[name, answer.status, code] += 1
            if answer.status != 503:
                assert answer.status in expected, f"{name}: {answer.json}"
                return answer
            assert_problem(answer, 503, code)
            assert code in ("unavailable", "store-unavailable"), answer.json
            time.sleep(PAUSE)
        raise AssertionError(f"{name} is answered 503 without an end")


class Traffic:
    """All clients of a service, each in a thread."""

    def __init__(self, server: Server) -> None:
        self.workers = [
            Worker(server.client(f"client-{number}-{uuid4()}")) for number in range(CLIENTS)
        ]
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=worker.run, args=[self._stop], daemon=True)
            for worker in self.workers
        ]

    @contextmanager
    def flowing(self) -> Iterator[None]:
        """Let all clients work until the block ends, and finish what they are at."""
        for thread in self._threads:
            thread.start()
        try:
            yield
        finally:
            self._stop.set()
            for thread in self._threads:
                thread.join(timeout=PATIENCE)
        assert not any(thread.is_alive() for thread in self._threads)
        self.check()

    def loop(self, times: int) -> None:
        """Wait until each client has done everything so many times from now on."""
        goals = [(worker, worker.loops + times) for worker in self.workers]
        end = time.monotonic() + PATIENCE + times
        while any(worker.loops < goal for worker, goal in goals):
            self.check()
            assert time.monotonic() < end, self.seen()
            time.sleep(0.05)

    def check(self) -> None:
        """Fail with what the clients have noted that should not be."""
        failures = [failure for worker in self.workers for failure in worker.failures]
        assert failures == [], failures

    def seen(self) -> Counter[tuple[str, int, str]]:
        """Return how often each request was answered with each status and code."""
        return sum((worker.seen for worker in self.workers), Counter())

    def hold(self) -> None:
        """Hold what the service shows against what it has acknowledged: all, and nothing else."""
        for worker in self.workers:
            versions = {
                (str(file["id"]), int(version["version"])): version["checksum"]
                for file in _all(worker.client, "/files")
                for version in _all(worker.client, f"/files/{file['id']}/versions")
            }
            assert versions == worker.acknowledged
            assert _all(worker.client, "/uploads") == []


def _all(client: RemoteClient, path: str) -> list[dict[str, Any]]:
    """Return the results of all pages."""
    results: list[dict[str, Any]] = []
    page = client.get(f"{path}?page_size=200")
    while True:
        assert page.status == 200, page.json
        results += page["results"]
        if page["next"] is None:
            return results
        page = client.get(str(page["next"]))
