"""A store that misbehaves at every step of every call of it, as clients of the service see it:
503 in time, nothing changed, and the retry succeeds with one version.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest
from django.conf import settings

from files.store.breaker import FAILURES_TO_OPEN
from tests.faults.service import Service, Upload, in_time, proxied, retried, seen
from tests.support.client import Answer, assert_problem, put, sha256
from tests.support.object_store import make_store
from tests.support.server import RemoteClient
from tests.support.tcp_proxy import TcpProxy, response

DATA = b"the declared bytes, " * 40
BUCKET = settings.MINIO_BUCKET


@pytest.fixture(scope="module")
def shared(store: object, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with proxied(tmp_path_factory.mktemp("service")) as service:
        yield service
        service.audit()


@pytest.fixture
def service(shared: Service) -> Iterator[Service]:
    yield shared
    shared.proxy.pass_on()


@pytest.fixture
def owner(service: Service) -> RemoteClient:
    return service.person()


@dataclass(frozen=True)
class Step:
    """A request to the service, how the store call begins that is to fail, and the right answer."""

    act: Callable[[], Answer]
    fails: bytes
    right: Callable[[], object]


def commit_step(upload: Upload, fails: str) -> Step:
    return Step(upload.commit, fails.format(f"/{BUCKET}/{upload.key}").encode(), upload.committed)


def upload_step(upload: Upload, method: str, path: str) -> Step:
    def act() -> Answer:
        return upload.owner.call(method, upload.path + path, None if method == "GET" else {})

    def right() -> None:
        assert retried(act).status == 200
        parts = retried(lambda: upload.owner.get(upload.path))["received_parts"]
        assert parts == [{"part_number": 1, "size": len(DATA)}]

    return Step(act, f"GET /{BUCKET}/{upload.key}?max-parts".encode(), right)


def begin_multipart(owner: RemoteClient) -> Step:
    def act() -> Answer:
        return owner.init(DATA, multipart=True)

    def right() -> None:
        assert retried(act).status == 201
        assert len(owner.get("/uploads")["results"]) == 1

    return Step(act, f"POST /{BUCKET}/uploads/".encode(), right)


def readiness(owner: RemoteClient) -> Step:
    def act() -> Answer:
        time.sleep(1.1)  # What was found out in the last second is not asked again.
        return owner.get("/readyz")

    def right() -> None:
        assert retried(act).status == 200

    return Step(act, f"GET /{BUCKET}?versioning".encode(), right)


STEPS: dict[str, Callable[[RemoteClient], Step]] = {
    "commit, HEAD": lambda owner: commit_step(
        Upload(owner, DATA, checksum=sha256(DATA)), "HEAD {}"
    ),
    "commit, read": lambda owner: commit_step(Upload(owner, DATA), "GET {}?versionId"),
    "commit of parts, list": lambda owner: commit_step(
        Upload(owner, DATA, multipart=True), "GET {}?max-parts"
    ),
    "commit of parts, complete": lambda owner: commit_step(
        Upload(owner, DATA, multipart=True), "POST {}?uploadId"
    ),
    "commit of parts, HEAD": lambda owner: commit_step(
        Upload(owner, DATA, multipart=True), "HEAD {}"
    ),
    "commit of parts, read": lambda owner: commit_step(
        Upload(owner, DATA, multipart=True), "GET {}?versionId"
    ),
    "begin parts": begin_multipart,
    "show parts": lambda owner: upload_step(Upload(owner, DATA, multipart=True), "GET", ""),
    "sign parts": lambda owner: upload_step(Upload(owner, DATA, multipart=True), "POST", "/urls"),
    "readyz": readiness,
}
COMMITS = [name for name in STEPS if name.startswith("commit")]
FAULTS: dict[str, Callable[[TcpProxy, bytes], None]] = {
    "refuses": lambda proxy, _: proxy.refuse(),
    "never answers": lambda proxy, only: proxy.hold(only=only),
    "closes": lambda proxy, only: proxy.cut(0, only=only),
    "resets": lambda proxy, only: proxy.cut(0, reset=True, only=only),
    "cuts the status line": lambda proxy, only: proxy.cut(12, only=only),
    "cuts the headers": lambda proxy, only: proxy.cut(150, only=only),
    "answers late": lambda proxy, only: proxy.delay(60, only=only),
    "drips": lambda proxy, only: proxy.drip(0.3, only=only),
    "answers 500": lambda proxy, only: proxy.answer(response("500 Error"), only=only),
    "answers 503": lambda proxy, only: proxy.answer(response("503 Slow Down"), only=only),
    "answers 403": lambda proxy, only: proxy.answer(response("403 Forbidden"), only=only),
    "is no HTTP server": lambda proxy, only: proxy.answer(b"220 mail ESMTP\r\n", only=only),
    "sends a web page": lambda proxy, only: proxy.answer(response("200 OK", b"<p/>"), only=only),
}


def pairs() -> list[object]:
    """Each step with each fault; in the quick run each step, and each fault, at least once."""
    names = list(STEPS)
    return [
        pytest.param(step, fault, marks=[] if at % len(names) == row else [pytest.mark.slow])
        for row, step in enumerate(names)
        for at, fault in enumerate(FAULTS)
    ]


@pytest.mark.parametrize(("step_name", "fault"), pairs())
def test_a_fault_of_the_store_is_503_changes_nothing_and_the_retry_succeeds(
    service: Service, owner: RemoteClient, step_name: str, fault: str
) -> None:
    step = STEPS[step_name](owner)
    before = seen(owner)
    if (len(step_name) + len(fault)) % 2:
        service.proxy.drop()  # The next call is made on a connection of its own.
    FAULTS[fault](service.proxy, step.fails)
    assert_problem(in_time(step.act), 503, "store-unavailable")
    assert seen(owner) == before
    service.proxy.pass_on()
    step.right()


@pytest.mark.parametrize(
    "fault",
    [
        fault if fault == "resets" else pytest.param(fault, marks=pytest.mark.slow)
        for fault in FAULTS
    ],
)
def test_an_abort_holds_whatever_the_store_does(
    service: Service, owner: RemoteClient, fault: str
) -> None:
    upload = Upload(owner, DATA, multipart=True)
    FAULTS[fault](service.proxy, b"DELETE ")
    assert in_time(lambda: owner.delete(upload.path)).status == 204
    assert_problem(in_time(upload.commit), 410, "upload-aborted")
    service.proxy.pass_on()
    url = upload.begun["parts"][0]["presigned_put_url"]

    def told() -> bool:
        assert owner.delete(upload.path).status == 204
        return put(url, DATA).status_code == 404

    # Again, once the store is well and asked again, and its parts are gone.
    end = time.monotonic() + 30
    while not told():
        assert time.monotonic() < end
        time.sleep(0.5)
    assert seen(owner)[0]["results"] == []
    assert retried(lambda: owner.init(DATA, multipart=True)).status == 201


def head_answer_size(service: Service, key: str) -> int:
    """Return the bytes of the store's answer to HEAD, all of which are headers."""
    assert make_store(endpoint=service.proxy.endpoint).head(key) is not None
    assert service.proxy.answer_start.endswith(b"\r\n\r\n")
    assert len(service.proxy.answer_start) == service.proxy.answer_size
    return service.proxy.answer_size


@pytest.mark.parametrize("connection", ["pooled", "fresh"])
@pytest.mark.parametrize("every", [79, pytest.param(7, marks=pytest.mark.slow)])
def test_a_commit_whose_answer_to_head_was_cut_once_pins_the_right_version(
    service: Service, owner: RemoteClient, connection: str, every: int
) -> None:
    size = head_answer_size(service, Upload(owner, DATA).key)
    # The last bytes are those of a header's value, of which a part would look like a whole one.
    cuts = sorted({*range(0, size, every), *range(size - 4, size)})

    def upload(number: int) -> Upload:
        return Upload(owner, str(number).zfill(len(DATA)).encode())

    with ThreadPoolExecutor(4) as threads:
        uploads = list(threads.map(upload, cuts))
    for after, each in zip(cuts, uploads, strict=True):
        if connection == "fresh":
            service.proxy.drop()
        requests = service.proxy.requests
        service.proxy.cut(after, times=1, only=b"HEAD ")
        committed = each.commit()
        assert committed.status == 201, f"{after}: {committed.json}"
        # HEAD, HEAD again, and the read of that version, which nobody attests.
        assert service.proxy.requests == requests + 3, after
        assert owner.read(committed["fileId"]) == each.data, after


@pytest.mark.parametrize(
    ("step_name", "every"),
    [
        ("commit, HEAD", 400),
        ("commit of parts, complete", 400),
        *(pytest.param(name, 75, marks=pytest.mark.slow) for name in COMMITS),
    ],
)
def test_an_answer_that_is_cut_again_and_again_is_503_or_the_right_commit(
    service: Service, step_name: str, every: int
) -> None:
    statuses = []
    for after in range(0, 1200, every):
        step = STEPS[step_name](service.person())
        if after % 2:
            service.proxy.drop()
        service.proxy.cut(after, only=step.fails)
        answer = in_time(step.act)
        statuses.append(answer.status)
        if answer.status != 201:
            assert_problem(answer, 503, "store-unavailable")
            service.proxy.pass_on()
            step.right()
    assert statuses[0] == 503


@pytest.mark.slow
def test_a_store_that_kept_failing_is_asked_again_without_a_restart(
    service: Service, owner: RemoteClient
) -> None:
    upload = Upload(owner, DATA)
    service.proxy.cut(0)
    for _ in range(FAILURES_TO_OPEN):
        upload.refused()
    asked = service.proxy.requests
    upload.refused()
    assert service.proxy.requests == asked
    assert owner.init(DATA).status == 201
    service.proxy.pass_on()
    upload.committed()
