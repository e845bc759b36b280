"""`kill -9` of the service while clients commit and retry: nothing acknowledged is lost."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from tests.support.audit import audit
from tests.support.client import Answer, put, sha256
from tests.support.server import RemoteClient, Server, running

pytestmark = [pytest.mark.usefixtures("store"), pytest.mark.slow]

CLIENTS = 8


def persistently(call: Callable[[], Answer]) -> Answer:
    """Repeat `call` until the service answers it: no answer and 503 ask for that."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            answer = call()
        except httpx.TransportError:
            time.sleep(0.1)
            continue
        if answer.status != 503:
            return answer
        time.sleep(0.1)
    raise AssertionError("no answer within 60 s")


@dataclass
class Uploader:
    """Uploads one thing after another, onto a file of its own, and notes what was acknowledged."""

    client: RemoteClient
    acknowledged: dict[tuple[str, int], str] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)

    def run(self, stop: threading.Event) -> None:
        file_id = None
        while not stop.is_set():
            data = random.randbytes(random.randint(0, 20_000))
            committed = self._upload(data, file_id)
            if committed is None:
                return
            file_id = committed["fileId"]
            place = (committed["fileId"], int(committed["version"]))
            if place in self.acknowledged:
                self.failures.append(f"{place} was given out twice")
            self.acknowledged[place] = sha256(data)

    def _upload(self, data: bytes, file_id: str | None) -> Answer | None:
        members = {} if file_id is None else {"file_id": file_id}
        body = {"filename": "k", "size": len(data), "content_type": "a/b"} | members
        headers = {"Idempotency-Key": str(uuid4())}
        begun = persistently(lambda: self.client.post("/files/init-upload", body, headers=headers))
        if begun.status != 201:
            self.failures.append(f"init-upload: {begun.json}")
            return None
        sent = put(begun["presigned_put_url"], data, begun["headers"])
        if sent.status_code != 200:
            self.failures.append(f"PUT: {sent.status_code}")
            return None
        committed = persistently(lambda: self.client.commit(begun["key"], data))
        if committed.status not in (200, 201):
            self.failures.append(f"commit: {committed.json}")
            return None
        return committed


def test_no_acknowledged_commit_is_lost_when_the_service_is_killed(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    rounds: int = request.config.getoption("--kill-rounds")
    with running(tmp_path) as server:
        uploaders = [Uploader(server.client(f"client-{number}")) for number in range(CLIENTS)]
        for _ in range(rounds):
            _round(server, uploaders)
            audit(server.environment)
        assert sum(len(uploader.acknowledged) for uploader in uploaders) >= rounds * CLIENTS
        for uploader in uploaders:
            _hold(uploader)


def _round(server: Server, uploaders: list[Uploader]) -> None:
    stop = threading.Event()
    threads = [threading.Thread(target=uploader.run, args=[stop]) for uploader in uploaders]
    for thread in threads:
        thread.start()
    time.sleep(random.uniform(0.2, 1.5))
    server.kill()
    server.start()
    time.sleep(0.5)
    stop.set()
    for thread in threads:
        thread.join(timeout=90)
        assert not thread.is_alive()
    assert [failure for uploader in uploaders for failure in uploader.failures] == []


def _hold(uploader: Uploader) -> None:
    """Hold what the service shows against what it has acknowledged."""
    for (file_id, version), checksum in uploader.acknowledged.items():
        shown = uploader.client.get(f"/files/{file_id}/versions/{version}")
        assert (shown.status, shown["checksum"]) == (200, checksum)
    for (file_id, version), checksum in list(uploader.acknowledged.items())[-3:]:
        assert sha256(uploader.client.read(file_id, version)) == checksum
