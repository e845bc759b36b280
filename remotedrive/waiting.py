"""Lets code that waits say so, so that the server runs another request meanwhile.

Few threads run Python at the same moment, because they only take turns and each turn costs; a
thread that waits for a store or a database is not one of them. Outside of the server's threads
nothing happens.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol


class Place(Protocol):
    """A thread's place among those that run."""

    def leave(self) -> None:
        """The thread begins to wait: another one may run."""

    def resume(self) -> None:
        """The thread runs again."""


class _OfThread(threading.local):
    place: Place | None = None


_of_thread = _OfThread()


def has_place(place: Place) -> None:
    """Say that this thread is one of a server's, which bounds how many of them run."""
    _of_thread.place = place


@contextmanager
def others_run() -> Iterator[None]:
    """Let another request run while the block waits for something that needs no Python.

    In a block inside such a block it does nothing.
    """
    place = _of_thread.place
    if place is None:
        yield
        return
    _of_thread.place = None
    try:
        place.leave()
        yield
    finally:
        place.resume()
        _of_thread.place = place
