"""The ASGI application's threads and a PostgreSQL that stops answering.

Needs a `DATABASE_URL` of postgresql:// in the environment, as the full test run sets it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from tests.support.asgi_server import Server, read_answer, running
from tests.support.process import wait_for
from tests.support.tcp_proxy import TcpProxy

DATABASE = urlsplit(os.environ.get("DATABASE_URL", ""))

pytestmark = pytest.mark.skipif(
    DATABASE.scheme not in ("postgres", "postgresql") or not DATABASE.hostname,
    reason="DATABASE_URL names no PostgreSQL that is reached by TCP",
)


@pytest.fixture
def proxy() -> Iterator[TcpProxy]:
    with TcpProxy((str(DATABASE.hostname), DATABASE.port or 5432)) as running_proxy:
        yield running_proxy


@pytest.fixture
def server(proxy: TcpProxy, tmp_path: Path) -> Iterator[Server]:
    people, at, _ = DATABASE.netloc.rpartition("@")
    options = "sslmode=disable&gssencmode=disable&connect_timeout=2"
    url = f"postgresql://{people}{at}127.0.0.1:{proxy.port}{DATABASE.path}?{options}"
    with running(tmp_path, DATABASE=url, ANSWER_SECONDS="1", THREADS="2") as running_server:
        yield running_server


def test_threads_that_wait_for_a_silent_database_come_back_and_work_again(
    server: Server, proxy: TcpProxy
) -> None:
    assert server.client.get("/query").json()["answer"] == 42
    proxy.hold()
    silent = [server.send("GET /query HTTP/1.1") for _ in range(2)]
    for connection in silent:
        status, headers, _ = read_answer(connection)
        connection.close()
        assert status == 503
        assert "retry-after" in headers
    proxy.pass_on()

    def threads_that_answer() -> set[str]:
        with ThreadPoolExecutor(4) as clients:
            answers = [answer.json() for answer in clients.map(ask, range(8)) if answer.is_success]
        return {answer["thread"] for answer in answers}

    def ask(_: int) -> httpx.Response:
        return server.client.get("/query")

    wait_for(lambda: threads_that_answer() == {"request-1", "request-2"})


def test_a_database_that_drops_its_connections_is_asked_again_by_the_next_request(
    server: Server, proxy: TcpProxy
) -> None:
    assert server.client.get("/query").status_code == 200
    proxy.drop()
    assert server.client.get("/query").status_code == 200


def test_each_thread_keeps_one_connection(server: Server, proxy: TcpProxy) -> None:
    def ask(_: int) -> int:
        return server.client.get("/query").status_code

    with ThreadPoolExecutor(4) as clients:
        assert set(clients.map(ask, range(100))) == {200}
    assert proxy.connections <= 2
    wait_for(lambda: server.log().count("GET /query 200") == 100)
