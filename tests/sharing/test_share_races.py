"""What comes at the same moment as a commit through a share, on the service as it is run."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
from django.conf import settings

from tests.support.audit import audit
from tests.support.client import Answer, assert_problem, put
from tests.support.object_store import address
from tests.support.retries import persistently
from tests.support.server import Server, running
from tests.support.shares import Shared, share
from tests.support.tcp_proxy import TcpProxy

pytestmark = pytest.mark.usefixtures("store")


@pytest.fixture(scope="module")
def proxy(store: object) -> Iterator[TcpProxy]:
    with TcpProxy(address()) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def server(proxy: TcpProxy, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder: Path = tmp_path_factory.mktemp("service")
    public = settings.MINIO_PUBLIC_ENDPOINT
    endpoints = {"MINIO_ENDPOINT": proxy.endpoint, "MINIO_PUBLIC_ENDPOINT": public}
    with running(folder, workers=1, **endpoints) as server:
        yield server
        audit(server.environment)
        assert "deadlock" not in server.log()


def commit_in_flight(
    shared: Shared, proxy: TcpProxy, threads: ThreadPoolExecutor
) -> Future[Answer]:
    """Begin a commit through the share; return once the service has asked the store about it."""
    begun = shared.init(b"late")
    assert put(begun["presigned_put_url"], b"late").status_code == 200
    requests = proxy.requests
    proxy.delay(2, times=1, only=b"HEAD")
    committing = threads.submit(shared.commit, begun["key"], b"late")
    waiting = threading.Event()
    for _ in range(100):
        if proxy.requests > requests:
            return committing
        waiting.wait(0.05)
    raise AssertionError("the service did not ask the store")


@pytest.mark.parametrize("end", ["revoked", "trashed"])
def test_what_ends_a_share_stops_a_commit_that_is_under_way(
    server: Server, proxy: TcpProxy, end: str
) -> None:
    owner = server.client("owner")
    shared = share(owner, server.client(None), permission="write")
    with ThreadPoolExecutor(1) as threads:
        committing = commit_in_flight(shared, proxy, threads)
        if end == "revoked":
            assert owner.delete(f"/shares/{shared.id}").status == 204
        else:
            assert owner.delete(f"/files/{shared.file_id}").status == 204
        answer = committing.result(timeout=30)
    if end == "revoked":
        assert_problem(answer, 410, "share-revoked")
    else:
        assert_problem(answer, 404, "not-found")
        owner.post(f"/files/{shared.file_id}/restore")
    assert owner.get(f"/files/{shared.file_id}")["version"] == 1


def test_commits_and_new_uploads_of_one_share_do_not_wait_for_each_other(server: Server) -> None:
    owner = server.client("owner")
    shared = share(owner, server.client(None), permission="write")
    begun = [shared.init(b"%d" % number, size=1) for number in range(8)]
    for number, upload in enumerate(begun):
        assert put(upload["presigned_put_url"], b"%d" % number).status_code == 200

    def commit(number: int) -> int:
        # Of one share only some are read at once, and others asked to come again.
        return persistently(lambda: shared.commit(begun[number]["key"], b"%d" % number)).status

    def init(_: int) -> int:
        return shared.init(b"x").status

    with ThreadPoolExecutor(16) as threads:
        commits = [threads.submit(commit, number) for number in range(8)]
        inits = [threads.submit(init, number) for number in range(40)]
        assert {call.result(timeout=60) for call in commits + inits} == {201}
    assert owner.get(f"/files/{shared.file_id}")["version"] == 9
