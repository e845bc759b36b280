"""A urllib3 pool with one deadline for the whole call, not one timeout per read.

Knows nothing of buckets and objects. urllib3's own timeouts bound each wait, so that a peer that
sends a byte now and then holds its caller for ever; here each wait is bounded by what is left until
the deadline.
"""

from __future__ import annotations

import http.client
import io
import logging
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import TracebackType
from typing import Any, Self

import certifi
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager, Retry
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import ConnectionPool
from urllib3.exceptions import (
    ConnectTimeoutError,
    MaxRetryError,
    NewConnectionError,
    ReadTimeoutError,
)
from urllib3.response import BaseHTTPResponse

from remotedrive import resolver
from remotedrive.waiting import others_run

# It would add a line with path and query for each attempt; `client` logs how a call ended.
logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)

_ATTEMPTS = 3
_BACKOFF = 0.1
"""Seconds, doubled with each attempt; the second attempt follows the first at once."""

_seconds_left: ContextVar[Callable[[], float]] = ContextVar("seconds_left")


@contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """All waits inside end within `seconds` of now, or with an outer limit that is nearer."""
    end = time.monotonic() + seconds
    outer = _seconds_left.get(None)

    def left() -> float:
        own = end - time.monotonic()
        return own if outer is None else min(own, outer())

    token = _seconds_left.set(left)
    try:
        yield
    finally:
        _seconds_left.reset(token)


@contextmanager
def read_timeout(seconds: float) -> Iterator[None]:
    """Each wait inside ends within `seconds`, however many there are."""
    token = _seconds_left.set(lambda: seconds)
    try:
        yield
    finally:
        _seconds_left.reset(token)


def seconds_left() -> float:
    """Return how long the next wait may be; 0 when the time is over."""
    return max(0.0, _seconds_left.get()())


def _next_wait() -> float:
    """Return the timeout for one wait on a socket, where 0 would mean not to wait at all."""
    left = seconds_left()
    if not left:
        raise TimeoutError("no time is left for this call")
    return left


def reason(error: BaseException) -> str:
    """Name what went wrong by classes only: messages of urllib3 and the SDK carry whole
    responses and URLs."""
    if isinstance(error, MaxRetryError) and error.reason is not None:
        error = error.reason
    return type(error).__name__


class _Socket(io.RawIOBase):
    """The bytes that the peer sends, each read bounded by the time left."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._raw = sock.makefile("rb", buffering=0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._socket.settimeout(_next_wait())
        with others_run():
            return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _ResponseReader(io.BufferedReader):
    """http.client takes the end of the connection as the end of the headers; here it is an error,
    so that a response cut anywhere before the empty line is never taken for a whole one."""

    def readline(self, size: int | None = -1, /) -> bytes:
        line = super().readline(size)
        if not line.endswith(b"\n") and (size is None or size < 0 or len(line) < size):
            raise http.client.RemoteDisconnected("the response ends within its headers")
        return line


class _ResponseSource:
    """What http.client asks of a socket to read a response from."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock

    def makefile(self, _mode: str) -> _ResponseReader:
        return _ResponseReader(_Socket(self._socket))


class _Response(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(_ResponseSource(sock), *args, **kwargs)  # type: ignore[arg-type]


class _BoundedConnection(HTTPConnection):
    response_class = _Response

    def _new_conn(self) -> socket.socket:
        """Connect within the time left.

        The handshake of TLS that may follow is bounded by the timeout left on the socket.
        """
        try:
            return resolver.connect(self._dns_host, self.port or self.default_port, _next_wait)
        except TimeoutError as error:
            raise ConnectTimeoutError(self, "no connection in time") from error
        except OSError as error:
            raise NewConnectionError(self, "no connection") from error

    def send(self, data: Any) -> None:
        """Send `data`; over TLS `sendall` would give each record the whole timeout."""
        if self.sock is None:
            self.connect()
        rest = memoryview(data)
        while rest:
            self.sock.settimeout(_next_wait())
            rest = rest[self.sock.send(rest) :]


class _BoundedTLSConnection(_BoundedConnection, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _BoundedConnection


class _TLSPool(HTTPSConnectionPool):
    ConnectionCls = _BoundedTLSConnection


POOLS = {"http": _Pool, "https": _TLSPool}
"""The classes by which a `PoolManager` of any library keeps to the deadline."""


class _Retry(Retry):
    """A lost connection, 500, 502, 503 and 504 are tried again where the method is idempotent
    (RFC 9110 §9.2.2), a refused connection for every method; a timeout never is."""

    def increment(
        self,
        method: str | None = None,
        url: str | None = None,
        response: BaseHTTPResponse | None = None,
        error: Exception | None = None,
        _pool: ConnectionPool | None = None,
        _stacktrace: TracebackType | None = None,
    ) -> Self:
        timed_out = isinstance(error, ReadTimeoutError | ConnectTimeoutError) and not isinstance(
            error, NewConnectionError
        )
        if error is not None and timed_out:
            raise error
        return super().increment(method, url, response, error, _pool, _stacktrace)

    def get_backoff_time(self) -> float:
        return min(super().get_backoff_time(), seconds_left())


def pool(*, secure: bool, connections: int) -> PoolManager:
    """Return a pool for many threads; requests need a `deadline` or a `read_timeout`."""
    options: dict[str, Any] = {}
    if secure:
        options["ssl_context"] = ssl.create_default_context()
        options["ssl_context"].load_verify_locations(certifi.where())
    manager = PoolManager(
        num_pools=1,
        maxsize=connections,
        retries=_Retry(
            total=_ATTEMPTS - 1,
            redirect=False,
            status_forcelist=(500, 502, 503, 504),
            backoff_factor=_BACKOFF,
            raise_on_status=False,
            respect_retry_after_header=False,
        ),
        **options,
    )
    manager.pool_classes_by_scheme = POOLS
    return manager
