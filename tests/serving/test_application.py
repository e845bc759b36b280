"""The ASGI application under a real uvicorn: bodies, answers, the queue, time, and the log."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from remotedrive.serving import application
from tests.support.asgi_server import SECURITY_HEADERS, Server, read_answer, running
from tests.support.process import ROOT, wait_for

LIMIT = 64 * 1024
PROBLEM = "application/problem+json"

pytestmark = pytest.mark.once


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("server"), BODY_SECONDS="1") as running_server:
        yield running_server


@pytest.fixture
def client(server: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.client.base_url, timeout=20) as http:
        yield http


def problem(answer: tuple[int, dict[str, str], bytes]) -> tuple[int, str]:
    status, headers, body = answer
    assert headers["content-type"] == PROBLEM
    found = re.search(rb'"code": "([a-z-]+)"', body)
    assert found
    assert headers["x-request-id"].encode() in body
    return status, found[1].decode()


# Bodies


def test_a_body_as_large_as_the_limit_arrives_whole(client: httpx.Client) -> None:
    echoed = client.post("/echo", content=b"x" * LIMIT).json()
    assert echoed["body"] == LIMIT


def test_a_chunked_body_gets_its_real_length(client: httpx.Client) -> None:
    echoed = client.post("/echo", content=iter([b"abc", b"defg"])).json()
    assert (echoed["body"], echoed["content_length"]) == (7, "7")
    assert echoed["transfer_encoding"] is None


def test_a_declared_body_over_the_limit_is_refused_before_any_of_it_is_sent(
    server: Server,
) -> None:
    with server.send(f"POST /echo HTTP/1.1\nContent-Length: {LIMIT + 1}") as connection:
        assert problem(read_answer(connection)) == (413, "body-too-large")


def test_expecting_100_continue_gets_the_413_in_its_place(server: Server) -> None:
    head = f"POST /echo HTTP/1.1\nExpect: 100-continue\nContent-Length: {LIMIT + 1}"
    with server.send(head) as connection:
        assert problem(read_answer(connection)) == (413, "body-too-large")


def test_a_chunked_body_over_the_limit_is_refused_though_it_does_not_end(server: Server) -> None:
    chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    with server.send("POST /echo HTTP/1.1\nTransfer-Encoding: chunked", chunk) as connection:
        connection.sendall(b"1\r\nx\r\n")
        assert problem(read_answer(connection)) == (413, "body-too-large")


@pytest.mark.parametrize("framing", ["Content-Length: 629145600", "Transfer-Encoding: chunked"])
def test_a_body_of_600_mib_leaves_memory_flat_and_its_sender_with_an_answer(
    server: Server, framing: str
) -> None:
    before = server.resident_kib()
    block = b"x" * (1 << 20)
    if "chunked" in framing:
        block = b"100000\r\n" + block + b"\r\n"
    with server.send(f"POST /echo HTTP/1.1\n{framing}") as connection:
        try:
            for _ in range(600):
                connection.sendall(block)
        except ConnectionError:
            pass  # The server stopped reading; its answer is there all the same.
        assert problem(read_answer(connection)) == (413, "body-too-large")
    assert server.resident_kib() - before < 8 * 1024


def test_a_sender_that_reads_only_after_its_last_byte_is_not_reset(server: Server) -> None:
    size = 20 << 20
    with server.send(f"POST /echo HTTP/1.1\nContent-Length: {size}") as connection:
        for _ in range(20):
            connection.sendall(b"x" * (1 << 20))
        assert problem(read_answer(connection)) == (413, "body-too-large")


def test_a_body_that_trickles_is_given_up(server: Server) -> None:
    with server.send("POST /echo HTTP/1.1\nContent-Length: 100", b"x") as connection:
        assert problem(read_answer(connection)) == (400, "malformed-request")


def test_a_body_that_the_server_could_not_read_is_refused_and_not_lost(server: Server) -> None:
    head = "POST /echo HTTP/1.1\nConnection: Upgrade\nUpgrade: h2c\nContent-Length: 5"
    with server.send(head, b"abcde") as connection:
        assert problem(read_answer(connection)) == (400, "malformed-request")


# Answers


def test_every_cookie_gets_its_own_header(client: httpx.Client) -> None:
    assert client.get("/cookies").headers.get_list("set-cookie") == [
        "one=1; Path=/",
        "two=2; HttpOnly; Path=/",
    ]


@pytest.mark.parametrize(
    ("method", "path", "size"),
    [
        ("GET", "/echo", 0),
        ("GET", "/healthz", 0),
        ("HEAD", "/healthz", 0),
        ("GET", "/%00", 0),
        ("GET", "/fail", 0),
        ("POST", "/echo", LIMIT + 1),
    ],
)
def test_every_answer_has_each_security_header_once(
    client: httpx.Client, method: str, path: str, size: int
) -> None:
    origin = {"Origin": "https://elsewhere.example"}
    headers = client.request(method, path, content=b"x" * size, headers=origin).headers
    policy = "no-referrer" if headers["content-type"] == PROBLEM else "same-origin"
    for name, value in (SECURITY_HEADERS | {"referrer-policy": policy}).items():
        assert headers.get_list(name) == [value]
    assert "strict-transport-security" not in headers
    assert not [name for name in headers if name.startswith("access-control-")]


def test_head_answers_as_get_without_the_body(server: Server, client: httpx.Client) -> None:
    (server.folder / "file.bin").write_bytes(b"f" * 300_000)
    for path, length in [("/cookies", "3"), ("/file", "300000"), ("/healthz", "16")]:
        with server.send(f"HEAD {path} HTTP/1.1\nConnection: close") as connection:
            answer = b"".join(iter(lambda: connection.recv(65536), b""))
        assert answer.endswith(b"\r\n\r\n")
        assert f"content-length: {length}\r\n".encode() in answer


def test_a_file_arrives_whole(server: Server, client: httpx.Client) -> None:
    content = os.urandom(300_000)
    (server.folder / "file.bin").write_bytes(content)
    answer = client.get("/file")
    assert answer.content == content
    assert answer.headers["content-length"] == "300000"


@pytest.mark.parametrize("path", ["/fail", "/bad-header", "/broken-stream", "/stream/9"])
def test_what_escapes_django_is_an_internal_error_and_is_logged(
    server: Server, client: httpx.Client, path: str
) -> None:
    answer = client.get(path)
    assert answer.status_code == 500
    assert answer.json()["code"] == "internal-error"
    assert f"[{answer.headers['x-request-id']}] The request failed" in server.log()


@pytest.mark.parametrize("path", ["/%00", "/hang/%00", "/%ff", "/%c3%28", "/%ed%a0%80", "//echo"])
def test_a_path_that_cannot_be_is_not_found(client: httpx.Client, path: str) -> None:
    answer = client.get(path)
    assert (answer.status_code, answer.json()["code"]) == (404, "not-found")


@pytest.mark.parametrize("target", [b"/\xff\xfe", b"/echo?\xff", b"?", b""])
def test_a_target_that_is_not_http_is_a_400(server: Server, target: bytes) -> None:
    with server.connect() as connection:
        connection.sendall(b"GET " + target + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert problem(read_answer(connection)) == (400, "malformed-request")


def test_a_long_query_is_no_error(client: httpx.Client) -> None:
    assert client.get("/echo?" + "a" * 30_000).status_code == 200


def test_forwarded_headers_and_an_absolute_target_change_nothing(server: Server) -> None:
    head = (
        "GET http://evil.example/echo HTTP/1.1\nX-Forwarded-Host: evil.example\n"
        "X-Forwarded-Proto: https\nX-Forwarded-For: 203.0.113.9"
    )
    with server.send(head) as connection:
        status, _, body = read_answer(connection)
    assert status == 200
    assert b'"scheme": "http", "host": "127.0.0.1", "client": "127.0.0.1"' in body


def test_two_requests_sent_at_once_on_one_connection_are_both_answered(server: Server) -> None:
    with server.send(
        "GET /cookies HTTP/1.1\nHost: 127.0.0.1\n\nGET /cookies HTTP/1.1"
    ) as connection:
        data = b""
        while data.count(b"HTTP/1.1 200") < 2:
            received = connection.recv(65536)
            assert received
            data += received


# The request's id, and the log


def test_a_well_formed_request_id_is_taken_over_into_answer_and_log(
    server: Server, client: httpx.Client
) -> None:
    answer = client.get("/log", headers={"X-Request-ID": "abc.DEF-12345"})
    assert answer.headers["x-request-id"] == "abc.DEF-12345"
    assert "tests [abc.DEF-12345] from the view" in server.log()
    wait_for(lambda: "access [abc.DEF-12345] GET /log 200" in server.log())


@pytest.mark.parametrize("offered", ["short", "x" * 65, "with blank", "ünicode-id"])
def test_a_malformed_request_id_is_replaced(client: httpx.Client, offered: str) -> None:
    answer = client.get("/log", headers={b"X-Request-ID": offered.encode("latin-1")})
    assert re.fullmatch(r"[0-9a-f]{16}", answer.headers["x-request-id"])


def test_the_access_log_has_no_query_no_share_token_and_no_line_break(
    server: Server, client: httpx.Client
) -> None:
    before = server.log().count("GET unmatched 404")
    client.get("/s/Tok3nTok3n/x?password=pa55word")
    client.get("/%73/Tok3nTok3n")
    client.get("/a%0AINFO%20forged", headers={"X-Request-ID": "last-of-them"})
    wait_for(lambda: "[last-of-them] GET" in server.log())
    log = server.log()
    assert log.count("GET unmatched 404") == before + 3
    assert "Tok3n" not in log
    assert "pa55word" not in log
    assert "\nINFO forged" not in log


def test_health_checks_are_not_logged(server: Server, client: httpx.Client) -> None:
    assert client.get("/healthz").json() == {"status": "ok"}
    client.get("/echo", headers={"X-Request-ID": "after-health"})
    wait_for(lambda: "[after-health] GET" in server.log())
    assert "/healthz" not in server.log()


def test_the_entry_keeps_uvicorns_own_access_log_off() -> None:
    code = (
        "import uvicorn; c = uvicorn.Config('remotedrive.asgi:application', access_log=False);"
        "c.load(); import logging; print(logging.getLogger('uvicorn.access').hasHandlers())"
    )
    result = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "tests.support.asgi_project"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout == "False\n"


# The queue


def test_health_is_answered_while_every_thread_hangs(server: Server, client: httpx.Client) -> None:
    with server.hang("a"), server.hang("b"):
        assert client.get("/healthz").status_code == 200
        server.release("a")
        server.release("b")


def test_a_full_queue_answers_503_and_the_waiting_requests_are_run(
    server: Server, client: httpx.Client
) -> None:
    with ExitStack() as stack:
        running_ones = [stack.enter_context(server.hang(name)) for name in ("a", "b")]
        waiting = [stack.enter_context(server.send("GET /echo HTTP/1.1")) for _ in range(4)]
        wait_for(lambda: client.get("/echo").status_code == 503)
        refused = client.get("/echo", headers={"X-Request-ID": "one-too-many"})
        assert refused.json()["code"] == "unavailable"
        assert int(refused.headers["retry-after"]) > 0
        assert refused.headers["x-request-id"] == "one-too-many"
        server.release("a")
        server.release("b")
        assert [read_answer(connection)[0] for connection in waiting + running_ones] == [200] * 6


def test_a_client_that_leaves_frees_its_place_and_its_request_is_not_run(
    server: Server, client: httpx.Client
) -> None:
    with server.hang("a") as first, server.hang("b") as second:
        leaving = [server.send(f"GET /hang/left{number} HTTP/1.1") for number in range(4)]
        wait_for(lambda: client.get("/echo").status_code == 503)
        load = "remotedrive_threads_busy 2.0", "remotedrive_requests_waiting 4.0"
        wait_for(lambda: all(each in client.get("/metrics").text for each in load))
        for connection in leaving:
            connection.close()
        wait_for(lambda: server.log().count(" 499 ") == 4)
        with server.send("GET /echo HTTP/1.1") as stays:
            server.release("a")
            server.release("b")
            assert read_answer(stays)[0] == 200
        assert read_answer(first)[0] == read_answer(second)[0] == 200
    assert not list(server.folder.glob("left*"))


def test_a_request_whose_client_left_while_it_ran_is_run_to_its_end(server: Server) -> None:
    server.hang("gone").close()
    server.release("gone")
    wait_for(lambda: "GET /hang/{name} 200" in server.log())


def test_requests_that_hang_leave_the_other_threads_to_others(tmp_path: Path) -> None:
    with running(tmp_path, THREADS="8") as server, ExitStack() as stack:
        names = [str(number) for number in range(7)]
        hanging = [stack.enter_context(server.hang(name)) for name in names]
        assert server.client.get("/echo").status_code == 200
        for name in names:
            server.release(name)
        assert [read_answer(connection)[0] for connection in hanging] == [200] * 7


# Time


def test_no_client_waits_longer_than_ten_seconds_by_default() -> None:
    assert application.ANSWER_SECONDS <= 9.5
    assert application.BODY_SECONDS <= 10
    assert application.MOST_WAITING >= 256


@pytest.fixture(scope="module")
def hasty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("hasty"), ANSWER_SECONDS="0.5", THREADS="1") as server:
        yield server


def test_a_request_that_is_not_answered_in_time_gets_a_503_waiting_or_running(
    hasty: Server,
) -> None:
    with hasty.hang("late") as late, hasty.send("GET /hang/waits HTTP/1.1") as waits:
        for connection in (late, waits):
            answer = read_answer(connection)
            assert problem(answer) == (503, "unavailable")
            assert "retry-after" in answer[1]
    hasty.release("late")
    assert hasty.client.get("/echo").status_code == 200
    assert not (hasty.folder / "waits").exists()


def test_a_statement_that_does_not_end_gives_its_thread_back(hasty: Server) -> None:
    before = hasty.client.get("/query").json()
    with hasty.send("GET /endless-query HTTP/1.1") as connection:
        assert problem(read_answer(connection)) == (503, "unavailable")
    wait_for(lambda: hasty.client.get("/query").status_code == 200)
    assert hasty.client.get("/query").json() == before


def test_threads_are_no_more_than_configured(server: Server, client: httpx.Client) -> None:
    with ThreadPoolExecutor(8) as clients:
        names = set(clients.map(lambda _: _thread(server), range(40)))
    assert names <= {"request-1", "request-2"}


def _thread(server: Server) -> str | None:
    answer = server.client.get("/echo")
    name: str | None = answer.json().get("thread") if answer.status_code == 200 else "request-1"
    return name
