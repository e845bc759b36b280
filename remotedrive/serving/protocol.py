"""uvicorn's HTTP protocol, changed so that a worker stops without failing a request.

On SIGTERM uvicorn closes its listener and, at the same moment, every idle connection: a client
whose next request is already under way gets a reset. Here idle connections stay open for
IDLE_SECONDS more, and every response after the signal says `Connection: close`, so that busy
clients leave by themselves. The other workers go on accepting connections.
"""

from __future__ import annotations

import asyncio
import selectors
import signal
import socket
import threading
from types import FrameType

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

IDLE_SECONDS = 1.0
"""Seconds that an idle connection stays open after the signal, for a request to come."""
_AGAIN_SECONDS = 0.05

_signalled = threading.Event()


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


class Protocol(HttpToolsProtocol):
    """uvicorn's protocol, with a grace time for idle connections and with TCP_NODELAY."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Set TCP_NODELAY: asyncio does not recognise the inherited listener as TCP, and Nagle
        would delay the body until the client acknowledges the headers.
        """
        connection = transport.get_extra_info("socket")
        if connection.family in (socket.AF_INET, socket.AF_INET6):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        super().connection_made(transport)

    def shutdown(self) -> None:
        """Close the connection after the grace time; uvicorn calls this when it is stopping."""
        self.loop.call_later(IDLE_SECONDS, self._end)

    def _end(self) -> None:
        if self.transport.is_closing():
            return
        # A connection with a request in it that is not read yet would be reset.
        with selectors.DefaultSelector() as selector:
            selector.register(self.transport.get_extra_info("socket"), selectors.EVENT_READ)
            arrived = bool(selector.select(0))
        if arrived:
            self.loop.call_later(_AGAIN_SECONDS, self._end)
        else:
            super().shutdown()
