"""`kill -9` of the collector in the middle of its work: the next run goes on."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.client import put
from tests.support.process import ROOT, Process
from tests.support.server import Server, running
from tests.support.tcp_proxy import TcpProxy

pytest_plugins = ["tests.support.garbage_fixtures"]
pytestmark = [pytest.mark.slow]


def collect(server: Server, *, days: int, die_at: int | None = None) -> tuple[int, Any]:
    """Collect so many days later; return the exit status, and what was found then."""
    arguments = [str(days), *([] if die_at is None else [str(die_at)])]
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.garbage", *arguments],
        cwd=ROOT,
        env=server.environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return done.returncode, json.loads(done.stdout) if done.stdout else None


def test_a_run_that_is_killed_at_any_step_is_finished_by_the_next(
    tmp_path: Path, bucket: str, request: pytest.FixtureRequest
) -> None:
    rounds: int = request.config.getoption("--kill-rounds")
    # The upload key of the run may write to the run's bucket only.
    options = {"MINIO_UPLOAD_ACCESS_KEY": "", "MINIO_UPLOAD_SECRET_KEY": "", "MINIO_BUCKET": bucket}
    with running(tmp_path, workers=1, **options, DEFAULT_QUOTA="1GiB") as server:
        owner = server.client("owner")
        for _ in range(rounds):
            for number in range(4):
                begun = owner.put(b"pending")
                put(begun["presigned_put_url"], b"pending", begun["headers"])
                committed = owner.upload(b"%d" % number)
                if number % 2:
                    owner.delete(f"/files/{committed['fileId']}?permanent=true")
            owner.init(b"parts", multipart=True)
            killed = 0
            # 11 object versions and a multipart upload: each is named, each batch is deleted.
            for die_at in (random.randint(1, 11), random.randint(1, 5), 1):
                killed += collect(server, days=60, die_at=die_at)[0] != 0
            assert killed
            status, found = collect(server, days=60)
            assert (status, found["missing"], found["left"]) == (0, [], [])
            assert found["multipart"] == []
        me = owner.get("/me")
        assert (me["bytes_used"], me["bytes_reserved"]) == (2 * rounds, 0)


def test_with_every_it_runs_again_and_again_and_outlives_the_store_until_sigterm(
    tmp_path: Path, bucket: str, proxy: TcpProxy
) -> None:
    environment = Server(
        tmp_path, MINIO_BUCKET=bucket, MINIO_ENDPOINT=proxy.endpoint, STORE_TIMEOUT="1"
    ).environment
    log = tmp_path / "log"
    process = Process(
        [sys.executable, "manage.py", "collect_garbage", "--every=1"],
        environment=environment,
        log=log,
    )
    try:
        process.wait_until(lambda: log.read_text().count("objects_deleted") >= 2)
        proxy.refuse()
        process.wait_until(lambda: "the store does not answer" in log.read_text())
        proxy.pass_on()
        before = log.read_text().count("the store does not answer")
        process.wait_until(
            lambda: log.read_text().count("objects_deleted") >= before + 4, seconds=30
        )
    finally:
        assert process.stop(seconds=4) == 0
