"""A store that hangs, stops, is killed, or has a full disk while people upload and commit."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.faults.service import Service, Upload, in_time, proxied
from tests.support.client import assert_problem, put
from tests.support.ports import free_port
from tests.support.server import RemoteClient
from tests.support.store import EmbeddedStore

DATA = b"the declared bytes" * 1000

pytestmark = [pytest.mark.usefixtures("store"), pytest.mark.slow]


@pytest.fixture
def embedded(tmp_path: Path) -> Iterator[EmbeddedStore]:
    """An embedded store of this test's own, whichever store the others use."""
    folder = tmp_path / "store"
    folder.mkdir()
    embedded = EmbeddedStore(data=folder, port=free_port())
    embedded.start()
    yield embedded
    embedded.stop(kill=True)


@pytest.fixture
def embedded_service(embedded: EmbeddedStore, tmp_path: Path) -> Iterator[Service]:
    folder = tmp_path / "service"
    folder.mkdir()
    endpoint = f"http://127.0.0.1:{embedded.port}"
    keys = {"MINIO_UPLOAD_ACCESS_KEY": "", "MINIO_UPLOAD_SECRET_KEY": ""}
    with proxied(folder, store=endpoint, **keys) as service:
        service.server.manage("bootstrap_store")
        yield service
        service.audit()


def test_while_the_store_hangs_and_50_commits_wait_uploads_are_begun(tmp_path: Path) -> None:
    with proxied(tmp_path, STORE_TIMEOUT="9", THREADS="16") as service:
        owner = service.person()
        with ThreadPoolExecutor(50) as threads:
            uploads = list(threads.map(lambda _: Upload(owner, DATA), range(50)))
            service.proxy.hold(only=b"HEAD ")
            commits = [threads.submit(upload.commit) for upload in uploads]
            for _ in range(5):
                assert in_time(lambda: owner.init(DATA)).status == 201
            assert any(not commit.done() for commit in commits), "the store no longer hangs"
            for commit in commits:
                assert_problem(commit.result(), 503, "store-unavailable")
        service.proxy.pass_on()
        for upload in uploads[::10]:
            upload.committed()
        service.audit()


@pytest.mark.once
def test_a_store_that_was_stopped_and_started_is_used_again(
    embedded: EmbeddedStore, embedded_service: Service
) -> None:
    owner = embedded_service.person()
    earlier = owner.upload(DATA)["fileId"]
    for kill in (False, True):
        upload = Upload(owner, DATA)
        parts = Upload(owner, DATA, multipart=True)
        embedded.stop(kill=kill)
        upload.refused()
        parts.refused()
        assert owner.init(DATA).status == 201
        embedded.start()
        upload.committed()
        parts.committed()
        assert owner.read(earlier) == DATA


def test_a_proxied_store_that_refuses_and_comes_back_is_used_again(tmp_path: Path) -> None:
    with proxied(tmp_path) as service:
        upload = Upload(service.person(), DATA)
        service.proxy.refuse()
        upload.refused()
        service.proxy.pass_on()
        upload.committed()
        service.audit()


@pytest.mark.once
def test_a_store_whose_disk_is_full_makes_no_version(
    embedded: EmbeddedStore, embedded_service: Service
) -> None:
    owner = embedded_service.person()
    for size in (0, 4096, len(DATA) - 1):
        _fill_up(embedded, owner, size)


def _fill_up(embedded: EmbeddedStore, owner: RemoteClient, size: int) -> None:
    """Upload where no file may grow beyond `size` bytes, which fails as on a full disk."""
    assert embedded.process is not None
    before = owner.get("/files").json
    begun = owner.init(DATA)
    try:
        limits = (size, resource.RLIM_INFINITY)
        resource.prlimit(embedded.process.pid, resource.RLIMIT_FSIZE, limits)
        assert put(begun["presigned_put_url"], DATA).status_code >= 500
        assert_problem(in_time(lambda: owner.commit(begun["key"], DATA)), 409, "object-missing")
        assert owner.get("/files").json == before
    finally:
        unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
        resource.prlimit(embedded.process.pid, resource.RLIMIT_FSIZE, unlimited)
    assert put(begun["presigned_put_url"], DATA).status_code == 200
    committed = owner.commit(begun["key"], DATA)
    assert committed.status == 201
    assert owner.read(committed["fileId"]) == DATA
