"""The head of a request is bounded in size and time, and the connections of a worker in number."""

from __future__ import annotations

import json
import re
import resource
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from remotedrive.serving.protocol import HEAD_BYTES_MAX, HEAD_SECONDS
from tests.support.asgi_server import SECURITY_HEADERS, Server, read_answer, running
from tests.support.process import wait_for

KEPT = b"GET /echo HTTP/1.1\r\nHost: 127.0.0.1\r\n"
END = b"\r\n"

pytestmark = pytest.mark.once


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("server")) as running_server:
        yield running_server


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that takes 16 connections, and has 2 threads."""
    with running(tmp_path_factory.mktemp("small"), CONNECTIONS_MAX="16") as running_server:
        yield running_server


def is_closed(connection: socket.socket, seconds: float) -> bool:
    connection.settimeout(seconds)
    try:
        return connection.recv(65536) == b""
    except ConnectionResetError:
        return True
    except TimeoutError:
        return False


def refusal(connection: socket.socket) -> tuple[int, str]:
    """Return status and code of a problem after which the connection ends."""
    status, headers, body = read_answer(connection)
    assert headers["content-type"] == "application/problem+json"
    assert headers["connection"] == "close"
    assert headers.items() >= (SECURITY_HEADERS | {"referrer-policy": "no-referrer"}).items()
    problem = json.loads(body)
    assert problem["request_id"] == headers["x-request-id"]
    assert is_closed(connection, 5)
    return status, problem["code"]


def resident_kib_now(server: Server) -> int:
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    assert found
    return int(found[1])


@pytest.mark.parametrize(
    "headers",
    [
        b"X-Large: " + b"a" * (1 << 20) + END,
        b"".join(b"X-%d: a\r\n" % number for number in range(10_000)),
        b"X-Just-Over: " + b"a" * HEAD_BYTES_MAX + END,
    ],
    ids=["one of 1 MiB", "10,000 of them", "just over the limit"],
)
def test_a_head_that_is_too_large_is_answered_431(server: Server, headers: bytes) -> None:
    with server.connect() as connection:
        connection.sendall(KEPT + headers + END)
        assert refusal(connection) == (431, "headers-too-large")


def test_a_url_that_is_too_long_is_answered_431(server: Server) -> None:
    with server.connect() as connection:
        connection.sendall(b"GET /" + b"a" * (1 << 20) + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert refusal(connection) == (431, "headers-too-large")


@pytest.mark.parametrize("path", [b"/echo", b"/healthz"])
@pytest.mark.parametrize(
    "rest",
    [
        b"HTTP/1.1\r\n",
        b"HTTP/1.1\r\nHost: 127.0.0.1\r\nhost: 127.0.0.1\r\n",
        b"HTTP/1.0\r\nHost: 127.0.0.1\r\nHost: evil.example\r\n",
    ],
    ids=["none", "two", "two in HTTP/1.0"],
)
def test_a_request_without_one_host_is_answered_400(
    server: Server, path: bytes, rest: bytes
) -> None:
    with server.connect() as connection:
        connection.sendall(b"GET " + path + b" " + rest + END)
        assert refusal(connection) == (400, "malformed-request")


def test_http_1_0_needs_no_host(server: Server) -> None:
    with server.connect() as connection:
        connection.sendall(b"GET /echo HTTP/1.0\r\n\r\n")
        assert read_answer(connection)[0] == 200


def test_a_head_that_never_ends_takes_no_memory(server: Server) -> None:
    before = resident_kib_now(server)
    with server.connect() as connection:
        connection.sendall(KEPT + b"X-Endless: ")
        try:
            for _ in range(64):
                connection.sendall(b"a" * (1 << 20))
        except OSError:
            pass
        assert resident_kib_now(server) < before + 16 * 1024


def _is_cut_off(connection: socket.socket, endless: bytes) -> bool:
    """Send `endless` again and again, until the connection is closed or reset."""
    try:
        for _ in range(4096):
            connection.sendall(endless)
    except OSError:
        return True
    return False


CHUNKED = b"POST /echo HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("begin", "endless"),
    [
        (b"0\r\n", b"a:b\r\n" * 10_000),
        (b"0\r\nX-Endless: ", b"a" * (1 << 16)),
        (b"1;x=", b"a" * (1 << 16)),
    ],
    ids=["many trailers", "one endless trailer", "an endless chunk extension"],
)
def test_a_chunked_body_that_never_ends_takes_no_memory_and_is_closed(
    server: Server, begin: bytes, endless: bytes
) -> None:
    before = resident_kib_now(server)
    with server.connect() as connection:
        connection.sendall(CHUNKED + b"2\r\nab\r\n" + begin)
        assert _is_cut_off(connection, endless)
    assert resident_kib_now(server) < before + 16 * 1024


def test_trailers_are_dropped(server: Server) -> None:
    with server.connect() as connection:
        for _ in range(2):
            connection.sendall(CHUNKED + b"2\r\nab\r\n0\r\nX-Trailer: a\r\n\r\n")
            assert read_answer(connection)[0] == 200


def test_a_head_just_under_the_limit_is_read_however_it_comes(server: Server) -> None:
    head = KEPT + b"X-Large: " + b"a" * (HEAD_BYTES_MAX - 200) + END + END
    with server.connect() as connection:
        connection.sendall(head)
        assert read_answer(connection)[0] == 200
        for start in range(0, len(head), 997):
            connection.sendall(head[start : start + 997])
            time.sleep(0.001)
        assert read_answer(connection)[0] == 200
        # Requests behind one another have a limit each.
        connection.sendall(head * 3)
        answers = b""
        while answers.count(b"HTTP/1.1 200") < 3 or not answers.endswith(b"}"):
            received = connection.recv(65536)
            assert received, "closed before the third answer"
            answers += received


def test_a_large_body_does_not_count_as_a_head(server: Server) -> None:
    body = b"b" * 60_000
    post = b"POST /echo HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %d\r\n\r\n" % len(body)
    with server.connect() as connection:
        for _ in range(3):
            connection.sendall(post + body)
            assert read_answer(connection)[0] == 200


def test_the_request_before_a_head_that_is_too_large_is_answered(server: Server) -> None:
    with server.connect() as connection:
        connection.sendall(KEPT + END + KEPT + b"X-Large: " + b"a" * (1 << 20) + END + END)
        assert read_answer(connection)[0] == 200
        assert is_closed(connection, 10)


def test_what_is_not_complete_in_time_is_closed(server: Server) -> None:
    """A head without its end is answered 408; a connection on which nothing comes just ends."""
    with ExitStack() as stack:
        begun = stack.enter_context(server.connect())
        begun.sendall(KEPT + b"X-Slow: ")
        dripping = stack.enter_context(server.connect())
        dripping.sendall(KEPT)
        silent = stack.enter_context(server.connect())
        blank = stack.enter_context(server.connect())
        deadline = time.monotonic() + 2 * HEAD_SECONDS
        while time.monotonic() < deadline and not is_closed(silent, 0.5):
            try:
                dripping.sendall(b"X-Drip: a\r\n")
                blank.sendall(END)
            except OSError:
                break
        assert refusal(begun) == (408, "request-timeout")
        assert read_answer(dripping)[0] == 408
        assert is_closed(silent, 5)
        assert is_closed(blank, 5)


def test_idle_connections_make_room_for_new_ones(small: Server) -> None:
    with ExitStack() as stack:
        idle = [stack.enter_context(small.connect()) for _ in range(40)]
        for connection in idle[::2]:
            connection.sendall(KEPT)
        # Until the server has read what arrived, it does not know which of them are idle.
        wait_for(lambda: refused(small) is None)
        assert is_closed(idle[0], 5)
        assert not is_closed(idle[-1], 0.2)


def test_one_connection_too_many_is_answered_503_while_all_are_at_work(small: Server) -> None:
    with ExitStack() as stack:
        for number in range(2):
            stack.enter_context(small.hang(f"busy-{number}"))
        # Answered in 9.5 s at the latest; until then each holds its connection.
        waiting = [stack.enter_context(small.connect()) for _ in range(14)]
        post = b"POST /echo HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 2\r\n\r\n1"
        for connection in waiting:
            connection.sendall(post)
        wait_for(lambda: refused(small) == (503, "unavailable"))
        for connection in waiting:
            connection.sendall(b"2")
        for number in range(2):
            small.release(f"busy-{number}")
        wait_for(lambda: refused(small) is None)


def refused(server: Server) -> tuple[int, str] | None:
    with server.connect() as connection:
        connection.sendall(KEPT + END)
        try:
            status, _, body = read_answer(connection)
        except ConnectionResetError:
            return None
    return None if status == 200 else (status, json.loads(body)["code"])


@pytest.fixture
def default_limit(tmp_path: Path) -> Iterator[Server]:
    """A server that was started with the usual soft limit of 1,024 open files."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, hard))
    try:
        with running(tmp_path) as running_server:
            resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4096), hard))
            yield running_server
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_2000_half_open_connections_leave_memory_flat_and_others_served(
    default_limit: Server,
) -> None:
    server = default_limit
    with ExitStack() as stack:
        served = 0
        for number in range(2000):
            connection = stack.enter_context(server.connect())
            connection.sendall(KEPT + b"X-Half: " + b"a" * 4096)
            if number % 40 == 39:
                answer = httpx.get(f"http://127.0.0.1:{server.port}/echo", timeout=10)
                served += answer.status_code == 200
        assert served == 50
        assert resident_kib_now(server) < 150 * 1024
    assert "Too many open files" not in server.log()
