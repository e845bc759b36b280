"""The connections of a worker: `uvicorn --http remotedrive.serving.protocol:Protocol`.

A worker stops without failing anyone's request. On SIGTERM uvicorn closes its listener, at which
the other workers go on accepting, and at the same moment every idle connection: a client whose next
request is already under way gets a reset for an answer. Here idle connections stay a while longer,
and every answer from the signal on says `Connection: close`, so that a client in the midst of its
work leaves by itself.

Nothing here knows of the application, or of uvicorn more than the methods of its protocol.
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
    """Return whether this process was told to stop: each answer is to close its connection."""
    return _signalled.is_set()


def note_signals() -> None:
    """Note SIGTERM and SIGINT from now on, before the handlers that are there now get them.

    To be called when uvicorn has set its own handlers, which it takes back by itself. In another
    thread than the main one there are none, and nothing is done.
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
    """uvicorn's protocol, with connections that end gently and do not hold an answer back."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin a connection; a worker is handed a listener of which asyncio cannot see that it is
        TCP, and would hold each answer's body back until the client confirms its head (Nagle).
        """
        connection = transport.get_extra_info("socket")
        if connection.family in (socket.AF_INET, socket.AF_INET6):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        super().connection_made(transport)

    def shutdown(self) -> None:
        """Begin the end of a connection; uvicorn calls it when the listener is closed."""
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
