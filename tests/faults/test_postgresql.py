"""A PostgreSQL that is down, silent, or gone at the COMMIT: 503 in time, and the retry gives one
version, not two. Needs a `DATABASE_URL` of postgresql:// in the environment.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import pytest

from tests.faults.service import Upload, in_time, retried
from tests.support.audit import audit
from tests.support.client import Answer, assert_problem
from tests.support.server import RemoteClient, Server
from tests.support.tcp_proxy import TcpProxy

DATABASE = urlsplit(os.environ.get("DATABASE_URL", ""))
DATA = b"the declared bytes"
COMMIT = b"Q\x00\x00\x00\x0bCOMMIT\x00"
"""A simple query (PostgreSQL, "Message Formats"): its type, its length, its text."""

pytestmark = pytest.mark.skipif(
    DATABASE.scheme not in ("postgres", "postgresql") or not DATABASE.hostname,
    reason="DATABASE_URL names no PostgreSQL that is reached by TCP",
)


@pytest.fixture(scope="module")
def shared_proxy() -> Iterator[TcpProxy]:
    with TcpProxy((str(DATABASE.hostname), DATABASE.port or 5432)) as proxy:
        yield proxy


def requests(owner: RemoteClient, upload: Upload, file_id: str) -> dict[str, Callable[[], Answer]]:
    """Return requests of every kind, by name."""
    return {
        "list": lambda: owner.get("/files"),
        "download": lambda: owner.get(f"/files/{file_id}/download"),
        "readyz": lambda: owner.get("/readyz"),
        "init-upload": lambda: owner.init(DATA),
        "commit": upload.commit,
    }


@pytest.fixture(scope="module")
def server(
    store: object, shared_proxy: TcpProxy, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("service"))
    real = urlsplit(server.environment["DATABASE_URL"])
    people, at, _ = real.netloc.rpartition("@")
    server.environment["DATABASE_URL"] = (
        f"postgresql://{people}{at}127.0.0.1:{shared_proxy.port}{real.path}"
        "?sslmode=disable&gssencmode=disable"
    )
    try:
        server.start()
        yield server
        audit(server.environment | {"DATABASE_URL": real.geturl()})
        assert "Traceback" not in server.log()
    finally:
        server.close()


@pytest.fixture
def proxy(shared_proxy: TcpProxy) -> Iterator[TcpProxy]:
    yield shared_proxy
    shared_proxy.pass_on()


@pytest.fixture
def owner(server: Server, request: pytest.FixtureRequest) -> RemoteClient:
    owner = server.client(request.node.name)
    assert owner.get("/files").status == 200
    return owner


def lose_the_question(proxy: TcpProxy, statement: bytes) -> None:
    """Drop the connection when `statement` is sent, before the server sees it."""
    proxy.answer(b"", times=1, only=statement)


def lose_the_answer(proxy: TcpProxy, statement: bytes) -> None:
    """Drop the connection when the server has carried `statement` out."""
    proxy.cut(0, times=1, only=statement)


FAULTS: dict[str, Callable[[TcpProxy], None]] = {
    "is down": lambda proxy: proxy.refuse(),
    "never answers": lambda proxy: proxy.hold(),
    "drops every connection": lambda proxy: proxy.cut(0),
    "resets every connection": lambda proxy: proxy.cut(0, reset=True),
    "is no database": lambda proxy: proxy.answer(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
}


@pytest.mark.parametrize("connection", ["open", "new"])
@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(fault, marks=pytest.mark.slow) if "never" in fault else fault
        for fault in FAULTS
    ],
)
def test_a_database_that_does_not_answer_is_503_and_the_retry_succeeds(
    proxy: TcpProxy, owner: RemoteClient, fault: str, connection: str
) -> None:
    file_id = owner.upload(DATA)["fileId"]
    upload = Upload(owner, DATA)
    calls = requests(owner, upload, file_id)
    for name in calls if fault != "never answers" else ["list", "commit"]:
        assert owner.get("/files").status == 200
        if connection == "new":
            proxy.drop()
        FAULTS[fault](proxy)
        assert_problem(in_time(calls[name]), 503, "unavailable")
        assert owner.get("/healthz").status == 200
        proxy.pass_on()
        assert len(retried(calls["list"])["results"]) == 1
    # A commit that hung goes on when the database answers again, and may be the first.
    upload.committed(*((200, 201) if fault == "never answers" else (201,)))


@pytest.mark.parametrize("lose", [lose_the_question, lose_the_answer])
@pytest.mark.parametrize("target", ["a new file", "a new version"])
def test_a_connection_lost_at_the_commit_makes_one_version(
    proxy: TcpProxy,
    owner: RemoteClient,
    lose: Callable[[TcpProxy, bytes], None],
    target: str,
) -> None:
    members = {"file_id": owner.upload(b"1")["fileId"]} if target == "a new version" else {}
    number = 2 if members else 1
    key = owner.put(DATA, **members)["key"]
    lose(proxy, COMMIT)
    assert_problem(in_time(lambda: owner.commit(key, DATA)), 503, "unavailable")
    done = retried(lambda: owner.commit(key, DATA))
    # Where only the answer was lost, the version was there already.
    assert done.status == (201 if lose is lose_the_question else 200)
    assert done["version"] == number
    assert retried(lambda: owner.commit(key, DATA)).json == done.json
    versions = owner.get(f"/files/{done['fileId']}/versions")["results"]
    assert [version["version"] for version in versions] == list(range(number, 0, -1))
    assert len(owner.get("/files")["results"]) == 1
    assert owner.read(done["fileId"]) == DATA


@pytest.mark.parametrize("lose", [lose_the_question, lose_the_answer])
def test_a_connection_lost_at_the_commit_of_init_upload_begins_one_upload(
    proxy: TcpProxy, owner: RemoteClient, lose: Callable[[TcpProxy, bytes], None]
) -> None:
    def begin() -> Answer:
        body = {"filename": "a", "size": len(DATA)}
        return owner.post("/files/init-upload", body, headers={"Idempotency-Key": "once"})

    lose(proxy, COMMIT)
    assert_problem(in_time(begin), 503, "unavailable")
    assert retried(begin).status == 201
    assert len(owner.get("/uploads")["results"]) == 1


def test_a_connection_lost_at_any_statement_of_a_commit_makes_one_version(
    proxy: TcpProxy, owner: RemoteClient
) -> None:
    codes = []
    for number in range(30):
        upload = Upload(owner, DATA)
        proxy.received = []
        proxy.cut(0, times=1, only=b"Q", skip=number)
        answer = in_time(upload.commit)
        statements = [message for message in proxy.received if message.startswith(b"Q")]
        proxy.received = None
        proxy.pass_on()
        upload.committed(200, 201)
        if number >= len(statements):
            break
        assert answer.status == 201 or assert_problem(answer, 503, "unavailable")
        codes.append(answer.status)
    # What is read before the transaction begins is read again, on a new connection.
    assert codes == sorted(codes)
    assert codes.count(201) >= 1
    assert codes.count(503) >= 4


@pytest.mark.slow
def test_a_database_that_holds_the_commit_of_everyone_lets_them_go_on_when_it_is_back(
    proxy: TcpProxy, owner: RemoteClient
) -> None:
    upload = Upload(owner, DATA)
    proxy.hold(only=COMMIT)
    assert_problem(in_time(upload.commit), 503, "unavailable")
    proxy.pass_on()
    upload.committed(200, 201)
