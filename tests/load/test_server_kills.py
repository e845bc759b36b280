"""`kill -9` of PostgreSQL or MinIO under load: no commit is lost or doubled, in between there are
only 503s, and the service recovers without being started again.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.load.traffic import Traffic
from tests.support.audit import audit
from tests.support.own_servers import OwnMinIO, OwnPostgreSQL, OwnServer, available, own
from tests.support.server import running

pytestmark = [
    pytest.mark.slow,
    pytest.mark.usefixtures("store"),
    pytest.mark.skipif(not available, reason="this run is not on PostgreSQL and MinIO"),
]

AWAY = 10
"""Seconds from the kill to the start."""


@pytest.mark.parametrize(
    ("kind", "code"), [(OwnPostgreSQL, "unavailable"), (OwnMinIO, "store-unavailable")]
)
def test_a_server_killed_under_load_loses_no_acknowledged_commit(
    tmp_path: Path, kind: Callable[[Path], OwnServer], code: str
) -> None:
    with own(kind) as other, running(tmp_path, workers=2, **other.environment) as service:
        service.manage("bootstrap_store")
        assert service.process is not None
        processes = (service.process.pid, service.worker_pids())
        traffic = Traffic(service)
        anyone = service.client(None)
        with traffic.flowing():
            traffic.loop(2)
            before = traffic.seen()
            other.kill()
            time.sleep(AWAY)
            assert anyone.get("/healthz").status == 200
            assert anyone.get("/readyz").status == 503
            traffic.check()
            away = traffic.seen() - before
            other.start()
            traffic.loop(3)
            assert anyone.get("/readyz").status == 200
        # The store's own answers, while it starts, have no code.
        assert {what[2] for what in traffic.seen() if what[1] == 503} - {""} == {code}
        assert sum(away[name, 503, code] for name in ("commit", "init-upload", "list")) > 8
        assert (service.process.pid, service.worker_pids()) == processes
        traffic.hold()
        audit(service.environment)
        assert "Traceback" not in service.log()
