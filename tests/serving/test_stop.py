"""What the ASGI application does when uvicorn is told to stop."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from tests.support.asgi_server import Server, read_answer, running
from tests.support.process import wait_for

pytestmark = pytest.mark.once


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with running(tmp_path, WAITING="256") as running_server:
        yield running_server


def stop(server: Server, number: int) -> None:
    server.process.send_signal(number)
    wait_for(lambda: "Shutting down" in server.log())


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_requests_that_hang_are_answered_503_and_the_process_ends_within_5_s(
    server: Server, number: int
) -> None:
    with ExitStack() as stack:
        connections = [stack.enter_context(server.hang(name)) for name in ("a", "b")]
        body_to_come = server.send("POST /echo HTTP/1.1\nContent-Length: 5", b"a")
        connections.append(stack.enter_context(body_to_come))
        for _ in range(20):
            connections.append(stack.enter_context(server.send("GET /echo HTTP/1.1")))
        # Connections are accepted in their order: by now the server has them all.
        server.client.get("/healthz")
        began = time.monotonic()
        stop(server, number)
        for connection in connections:
            status, headers, body = read_answer(connection)
            assert (status, b'"code": "unavailable"' in body) == (503, True)
            assert "retry-after" in headers
            assert "x-request-id" in headers
    server.process.wait(timeout=10)
    assert time.monotonic() - began < 5
    assert "Traceback" not in server.log()


def test_requests_that_end_in_time_are_answered_and_those_that_wait_are_run(
    server: Server,
) -> None:
    with server.hang("a") as first, server.hang("b") as second:
        waiting = server.send("GET /echo HTTP/1.1")
        stop(server, signal.SIGTERM)
        server.release("a")
        server.release("b")
        assert [read_answer(connection)[0] for connection in (first, second, waiting)] == [200] * 3
        waiting.close()
    server.process.wait(timeout=10)


def test_idle_connections_are_closed_and_new_ones_refused(server: Server) -> None:
    with (
        server.connect() as silent,
        server.send("GET /echo HTTP/1.1") as idle,
        server.hang("a") as busy,
    ):
        assert read_answer(idle)[0] == 200
        stop(server, signal.SIGTERM)
        wait_for(lambda: _is_refused(lambda: server.client.get("/echo")))
        assert idle.recv(1) == silent.recv(1) == b""
        server.release("a")
        assert read_answer(busy)[0] == 200
    server.process.wait(timeout=10)


@pytest.mark.parametrize(
    ("request_line", "expected"),
    [("GET /echo", 200), ("GET /healthz", 200), ("GET /no-such", 404), ("POST /%00", 404)],
)
def test_a_request_on_a_connection_that_was_idle_is_answered_and_the_connection_closed(
    server: Server, request_line: str, expected: int
) -> None:
    with server.send("GET /echo HTTP/1.1") as used, server.connect() as unused:
        assert "connection" not in read_answer(used)[1]
        stop(server, signal.SIGTERM)
        for connection in (used, unused):
            connection.sendall(f"{request_line} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
            status, headers, _ = read_answer(connection)
            assert (status, headers["connection"]) == (expected, "close")
            assert connection.recv(1) == b""
    server.process.wait(timeout=10)


def _is_refused(request: Callable[[], object]) -> bool:
    try:
        request()
    except httpx.TransportError:
        return True
    return False
