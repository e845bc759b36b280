"""A single connection of a worker: what the client cannot see from outside, or only by luck."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn
from uvicorn.loops.auto import auto_loop_factory
from uvicorn.server import ServerState

from remotedrive.serving import protocol

REQUEST = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"

pytestmark = [
    pytest.mark.once,
    # The second one is uvloop's where it is installed.
    pytest.mark.parametrize("make_loop", [asyncio.new_event_loop, auto_loop_factory()]),
]

MakeLoop = Callable[[], asyncio.AbstractEventLoop]


async def empty(scope: Any, receive: Any, send: Any) -> None:
    """Answer 204."""
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


@asynccontextmanager
async def connected() -> AsyncIterator[tuple[protocol.Protocol, socket.socket]]:
    """A connection, both of its ends; its listener is as workers get theirs: protocol 0."""
    config = uvicorn.Config(empty, lifespan="off", log_config=None)
    state = ServerState()
    made: list[protocol.Protocol] = []

    def make() -> protocol.Protocol:
        made.append(protocol.Protocol(config, state, {}))
        return made[0]

    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, 0) as listener:
        listener.bind(("127.0.0.1", 0))
        server = await asyncio.get_running_loop().create_server(make, sock=listener)
        with socket.create_connection(listener.getsockname(), timeout=10) as client:
            while not state.connections:
                await asyncio.sleep(0.01)
            yield made[0], client
        server.close()


def test_the_body_of_an_answer_does_not_wait_for_its_head_to_be_confirmed(
    make_loop: MakeLoop,
) -> None:
    async def nodelay() -> int:
        async with connected() as (protocol, _):
            connection = protocol.transport.get_extra_info("socket")
            value: int = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            return value

    with asyncio.Runner(loop_factory=make_loop) as runner:
        assert runner.run(nodelay()) == 1


def test_a_request_that_comes_at_the_moment_of_closing_is_answered(
    monkeypatch: pytest.MonkeyPatch, make_loop: MakeLoop
) -> None:
    monkeypatch.setattr(protocol, "IDLE_SECONDS", 0)

    async def received() -> bytes:
        async with connected() as (protocol, client):
            # Runs in the same turn of the loop as the end of the time, and just before it: uvloop
            # takes a delay of 0 as none.
            protocol.loop.call_soon(client.sendall, REQUEST)
            protocol.shutdown()
            return await asyncio.to_thread(_until_closed, client)

    with asyncio.Runner(loop_factory=make_loop) as runner:
        assert runner.run(received()).startswith(b"HTTP/1.1 204")


def _until_closed(client: socket.socket) -> bytes:
    return b"".join(iter(lambda: client.recv(65536), b""))
