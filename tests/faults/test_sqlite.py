"""A SQLite that is locked, or whose disk is full: 503, nothing half written, the retry succeeds."""

from __future__ import annotations

import os
import resource
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from itertools import count
from pathlib import Path

import pytest

from tests.faults.service import Service, Upload, in_time, proxied, seen
from tests.support.client import assert_problem
from tests.support.server import RemoteClient

DATA = b"the declared bytes"
WAL_FRAME = 24 + 4096
"""Bytes of a page and its header in the write-ahead log (SQLite, "WAL-mode File Format")."""

pytestmark = [
    pytest.mark.skipif(
        not os.environ.get("DATABASE_URL", "sqlite").startswith("sqlite"),
        reason="DATABASE_URL names another database",
    ),
    pytest.mark.slow,
]


@pytest.fixture(scope="module")
def service(store: object, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with proxied(tmp_path_factory.mktemp("service")) as service:
        yield service
        service.audit()


@pytest.fixture
def owner(service: Service) -> RemoteClient:
    return service.person()


def database(service: Service, suffix: str = "") -> Path:
    return Path(service.server.environment["DATA_DIR"]) / f"db.sqlite3{suffix}"


def limit_files(service: Service, size: int) -> None:
    """Let the running service write no file beyond `size` bytes, as on a disk that is full."""
    process = service.server.process
    assert process is not None
    limits = (size, resource.RLIM_INFINITY)
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, limits)


def test_a_database_that_somebody_else_has_locked_is_503_and_the_retry_succeeds(
    service: Service, owner: RemoteClient
) -> None:
    upload = Upload(owner, DATA)
    before = seen(owner)
    with closing(sqlite3.connect(database(service), isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert_problem(in_time(upload.commit), 503, "unavailable")
        assert_problem(in_time(lambda: owner.init(DATA)), 503, "unavailable")
        assert seen(owner) == before
        other.execute("ROLLBACK")
    upload.committed()


def test_a_commit_whose_writing_stops_at_any_page_is_503_and_leaves_nothing(
    service: Service, owner: RemoteClient
) -> None:
    failed = 0
    for frames in count():
        upload = Upload(owner, DATA)
        before = seen(owner)
        try:
            limit_files(service, database(service, "-wal").stat().st_size + frames * WAL_FRAME)
            answer = in_time(upload.commit)
            if answer.status != 201:
                assert_problem(answer, 503, "unavailable")
                assert seen(owner) == before
                failed += 1
        finally:
            limit_files(service, resource.RLIM_INFINITY)
        upload.committed(200, 201)
        if answer.status == 201:
            break
    assert failed >= 3


def test_a_database_that_can_write_nothing_is_read_and_says_503_to_the_rest(
    service: Service, owner: RemoteClient
) -> None:
    file_id = owner.upload(DATA)["fileId"]
    upload = Upload(owner, DATA)
    before = seen(owner)
    try:
        limit_files(service, 0)
        for refused in (
            upload.commit,
            lambda: owner.init(DATA),
            lambda: owner.patch(f"/files/{file_id}", {"name": "b"}),
            lambda: owner.delete(f"/files/{file_id}"),
            lambda: owner.delete(upload.path),
        ):
            assert_problem(in_time(refused), 503, "unavailable")
        assert owner.read(file_id) == DATA
        assert seen(owner) == before
    finally:
        limit_files(service, resource.RLIM_INFINITY)
    upload.committed()
