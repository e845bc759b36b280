"""uvicorn's HTTP protocol, with bounded heads, and a worker that stops without failing a request.

On SIGTERM uvicorn closes its listener and, at the same moment, every idle connection: a client
whose next request is already under way gets a reset. Here idle connections stay open for
IDLE_SECONDS more, and every response after the signal says `Connection: close`, so that busy
clients leave by themselves. The other workers go on accepting connections.

The head of a request is bounded in size and time, and the connections of a worker in number, so
that nobody who sends half a request takes memory or room from others.
"""

from __future__ import annotations

import asyncio
import logging
import selectors
import signal
import socket
import threading
from functools import cache
from itertools import islice
from types import FrameType
from typing import Any

from django.conf import settings
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from remotedrive import metrics
from remotedrive.http import problems, request_id, security_headers
from remotedrive.serving.responses import convert

HEAD_BYTES_MAX = 32 * 1024
"""Bytes of a request line and its headers."""
HEAD_SECONDS = 10.0
"""Seconds from the first byte of a head to its end, and from a connection to its first head."""
LINGER_SECONDS = 5.0
"""Seconds for which what a refused client still sends is dropped, so that it reads the response
(RFC 9112 §9.6), and in which a client must take the rest of a response before its connection ends.
"""
IDLE_SECONDS = 1.0
"""Seconds that an idle connection stays open after the signal, for a request to come."""
_AGAIN_SECONDS = 0.05
HAS_LEFT = "remotedrive.has_left"
"""The key of the scope at which a function says whether the client has closed the connection."""

logger = logging.getLogger(__name__)

_signalled = threading.Event()
_idle: dict[Protocol, None] = {}
"""The connections of this worker with no request in them, the one that is so longest first."""
_ending: dict[Protocol, None] = {}
"""Those that take no more requests and are about to close, the oldest first."""
_ENDING_MAX = 100
_OTHER_FILES = 300
"""Files that a worker may need beside its connections: databases, stores, logs."""
_ASKED = 10
"""Idle connections that are looked at for one to close in the place of a new one."""


def are_ending() -> bool:
    """Return whether this process was told to stop: each response must close its connection."""
    return _signalled.is_set()


def note_signals() -> None:
    """Note SIGTERM and SIGINT from now on, then pass them to the present handlers.

    Call it after uvicorn has installed its signal handlers (it restores the originals). Does
    nothing outside the main thread.
    """
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGINT):
            _note(number)


def _note(number: signal.Signals) -> None:
    former = signal.getsignal(number)
    if not callable(former):
        return

    def handler(number: int, frame: FrameType | None) -> None:
        _signalled.set()
        former(number, frame)

    signal.signal(number, handler)


@cache
def _connections_max() -> int:
    """Return how many connections there may be: CONNECTIONS_MAX, or as many as the system allows.

    The soft limit of open files is raised for them as far as the hard one lets it.
    """
    wanted: int = settings.CONNECTIONS_MAX
    try:
        import resource
    except ImportError:  # Windows
        return wanted
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = wanted + _ENDING_MAX + _OTHER_FILES
    if soft < needed and soft != resource.RLIM_INFINITY:
        soft = needed if hard == resource.RLIM_INFINITY else min(hard, needed)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        if soft < needed:
            logger.warning("At most %d files may be open, so connections are fewer too", soft)
            return max(1, soft - _ENDING_MAX - _OTHER_FILES)
    return wanted


class Protocol(HttpToolsProtocol):
    """uvicorn's protocol, with bounded heads, and connections that end gently."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._head_begun = False
        self._in_body = False
        self._head_bytes = 0
        """Of the head, or of the trailers after the body."""
        self._unfinished_bytes = 0
        """Bytes since the last header that is complete: the parser keeps them to itself."""
        self._head_timer: asyncio.TimerHandle | None = None
        self._is_refused = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin a connection; one too many takes the place of an idle one, or is answered 503.

        Sets TCP_NODELAY: asyncio does not recognise the inherited listener as TCP, and Nagle would
        delay the body.
        """
        connection = transport.get_extra_info("socket")
        if connection.family in (socket.AF_INET, socket.AF_INET6):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        super().connection_made(transport)
        if len(self.connections) - len(_ending) > _connections_max():
            idle = next((each for each in islice(_idle, _ASKED) if not each._has_unread()), None)
            if idle is None:
                self._refuse("unavailable", "Too many connections are open.")
                return
            idle._close()
        _idle[self] = None
        self._start_head_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        _idle.pop(self, None)
        _ending.pop(self, None)
        self._stop_head_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse `data`, in pieces, so that no head is read much further than its limit."""
        for start in range(0, len(data), HEAD_BYTES_MAX):
            if self._is_refused or self.transport.is_closing():
                return
            piece = data[start : start + HEAD_BYTES_MAX]
            self._unfinished_bytes += len(piece)
            super().data_received(piece)
            if self._head_begun or self._in_body:
                self._check_head(self._head_bytes + self._unfinished_bytes)
        if not self._is_refused and (self._head_begun or not self._is_answering()):
            self._start_head_timer()

    def send_400_response(self, msg: str) -> None:
        self._refuse("malformed-request", "This is not an HTTP/1.1 request.")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope[HAS_LEFT] = self.transport.is_closing  # type: ignore[literal-required]
        self._head_begun = True
        self._head_bytes = self._unfinished_bytes = 0

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        self._add_to_head(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        # After the body come trailers, which nobody reads.
        if not self._in_body:
            super().on_header(name, value)
        self._add_to_head(len(name) + len(value) + len(": \r\n"))

    def on_headers_complete(self) -> None:
        self._check_head(self._head_bytes)
        self._check_host()
        self._head_begun = False
        if not self._is_refused:
            self._in_body = True
            self._head_bytes = 0
            self._stop_head_timer()
            _idle.pop(self, None)
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._unfinished_bytes = 0
        if not self._is_refused:
            super().on_body(body)

    def on_message_complete(self) -> None:
        self._in_body = False
        self._unfinished_bytes = 0
        if not self._is_refused:
            super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.transport.is_closing():
            self._abort_later()
        elif not self._is_answering():
            _idle[self] = None

    def timeout_keep_alive_handler(self) -> None:
        self._close()

    def shutdown(self) -> None:
        """Close the connection after the grace time; uvicorn calls this when it is stopping."""
        self.loop.call_later(IDLE_SECONDS, self._end)

    def _end(self) -> None:
        if self.transport.is_closing():
            return
        # A connection with a request in it that is not read yet would be reset.
        if self._has_unread():
            self.loop.call_later(_AGAIN_SECONDS, self._end)
        else:
            super().shutdown()

    def _has_unread(self) -> bool:
        """Return whether bytes have arrived that the event loop has not read yet."""
        # Of a kind that needs no file descriptor of its own.
        kind = getattr(selectors, "PollSelector", selectors.SelectSelector)
        with kind() as selector:
            selector.register(self.transport.get_extra_info("socket"), selectors.EVENT_READ)
            return bool(selector.select(0))

    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _add_to_head(self, size: int) -> None:
        self._head_bytes += size
        self._unfinished_bytes = 0

    def _check_head(self, size: int) -> None:
        if size > HEAD_BYTES_MAX:
            self._refuse("headers-too-large")

    def _check_host(self) -> None:
        """Refuse two Host headers, and none after HTTP/1.0 (RFC 9112 §3.2)."""
        hosts = sum(name == b"host" for name, _ in self.headers)
        if hosts > 1 or (hosts == 0 and self.parser.get_http_version() != "1.0"):
            self._refuse("malformed-request", "Exactly one Host header is needed.")

    def _start_head_timer(self) -> None:
        if self._head_timer is None:
            self._head_timer = self.loop.call_later(HEAD_SECONDS, self._end_head)

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _end_head(self) -> None:
        self._head_timer = None
        if self._head_begun:
            self._refuse("request-timeout")
        elif not self._is_answering():
            self._close()

    def _refuse(self, code: str, detail: str | None = None) -> None:
        """Answer what comes now with a problem, and read no more requests of this connection."""
        if self._is_refused or self.transport.is_closing():
            return
        self._is_refused = True
        self._stop_head_timer()
        if self._is_answering():
            # The response that is under way is the last one; a request without an end gets none.
            if self.cycle.more_body:
                self._close()
            else:
                self.cycle.keep_alive = False
            return
        self._write_problem(code, detail)
        # Closed with unread bytes, the connection would be reset, and the client not read why.
        self.flow.resume_reading()
        self.transport.write_eof()
        self._abort_later()

    def _write_problem(self, code: str, detail: str | None = None) -> None:
        # Without CORS headers: the Origin of a head that is refused may not have been read.
        identifier = request_id.begin(None)
        response = convert("GET", problems.response(code, detail))
        metrics.CONNECTIONS_REFUSED.labels(code).inc()
        # The connection's own scheme: what a proxy says of the client's may not have been read.
        headers = security_headers.add_missing(response.headers, self.scheme or "http")
        headers += [(b"connection", b"close"), (b"x-request-id", identifier.encode())]
        lines = b"".join(b"%s: %s\r\n" % header for header in headers)
        self.transport.write(STATUS_LINE[response.status] + lines + b"\r\n" + response.body)

    def _close(self) -> None:
        """Close the connection, once what was written is taken, but soon."""
        if not self.transport.is_closing():
            self.transport.close()
            self._abort_later()

    def _abort_later(self) -> None:
        _idle.pop(self, None)
        _ending[self] = None
        if len(_ending) > _ENDING_MAX:
            next(iter(_ending)).transport.abort()
        self.loop.call_later(LINGER_SECONDS, self.transport.abort)
