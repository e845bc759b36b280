"""A client of Redis with one deadline for all that a block asks of it.

redis-py's own timeouts bound each wait on a socket, and not the search for the name at all.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from redis import Connection, ConnectionPool, Redis, SSLConnection
from redis.backoff import NoBackoff
from redis.retry import Retry

from remotedrive import resolver

_end: ContextVar[float] = ContextVar("_end")


@contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """All waits of a client's calls inside end within `seconds` of now."""
    token = _end.set(time.monotonic() + seconds)
    try:
        yield
    finally:
        _end.reset(token)


def seconds_left() -> float:
    """Return what is left of the innermost `deadline`; raises `TimeoutError` when nothing is."""
    left = _end.get() - time.monotonic()
    if left <= 0:
        raise TimeoutError("no time is left for this call")
    return left


def is_over() -> bool:
    """Say whether nothing is left of the innermost `deadline`."""
    return time.monotonic() >= _end.get()


def client(server: Mapping[str, Any]) -> Redis:
    """Return a client whose calls need a `deadline`, and are tried once.

    `server` has the arguments of `redis.Redis` that say where it is.
    """
    arguments = dict(server)
    kind = _TLSConnection if arguments.pop("ssl") else _PlainConnection
    pool = ConnectionPool(
        connection_class=kind,
        **arguments,
        # Each wait has its own, by the deadline.
        socket_timeout=None,
        retry=Retry(NoBackoff(), 0),
        # Version 3, and what the client tells of itself, would cost a new connection calls.
        protocol=2,
        driver_info=None,
    )
    return Redis(connection_pool=pool)


class _Socket:
    """What redis-py does with a socket, plain or TLS; each wait is bounded by the time left."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self.settimeout = sock.settimeout
        self.shutdown = sock.shutdown
        self.close = sock.close

    def recv(self, size: int) -> bytes:
        # 0 asks whether something is there, and does not wait.
        if self._socket.gettimeout() != 0:
            self._socket.settimeout(seconds_left())
        return self._socket.recv(size)

    def sendall(self, data: bytes) -> None:
        self._socket.settimeout(seconds_left())
        self._socket.sendall(data)


class _Connecting(Connection):
    def _connect(self) -> socket.socket:
        sock = resolver.connect(self.host, self.port, seconds_left)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in self.socket_keepalive_options.items():
            sock.setsockopt(socket.IPPROTO_TCP, option, value)
        return sock


class _PlainConnection(_Connecting):
    def _connect(self) -> Any:
        return _Socket(super()._connect())


class _TLSConnection(SSLConnection, _Connecting):
    def _connect(self) -> Any:
        # The timeout that the socket has bounds the handshake as a whole.
        return _Socket(super()._connect())  # type: ignore[no-untyped-call]
