"""`kill -9` of the service while clients commit and retry: nothing acknowledged is lost."""

from __future__ import annotations

import random
import threading
import time
from pathlib import Path

import pytest

from tests.support.audit import audit
from tests.support.client import sha256
from tests.support.retries import Uploader
from tests.support.server import Server, running

pytestmark = [pytest.mark.usefixtures("store"), pytest.mark.slow]

CLIENTS = 8


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
