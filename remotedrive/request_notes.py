"""What is noted of a request while it is answered, for its line in the log and its metrics."""

from __future__ import annotations

from contextvars import ContextVar

UNMATCHED = "unmatched"
"""The route of requests that no URL pattern has, or that are answered before one is looked for."""


class Notes:
    """Notes of one request. Its threads share them; times are in seconds."""

    __slots__ = ("database_seconds", "route", "store_waits", "user_id")

    def __init__(self) -> None:
        self.route = UNMATCHED
        self.user_id: str | None = None
        self.database_seconds = 0.0
        self.store_waits: list[float] = []
        """One for each call: those of a batch end in several threads at once."""


_current: ContextVar[Notes | None] = ContextVar("request_notes", default=None)


def begin() -> Notes:
    """Set and return the notes of a request that begins."""
    notes = Notes()
    _current.set(notes)
    return notes


def current() -> Notes:
    """Return the notes of this request; outside of one, notes that nobody reads."""
    return _current.get() or Notes()


def add_database(seconds: float) -> None:
    """Note that the request waited for the database; nothing happens outside of one."""
    notes = _current.get()
    if notes is not None:
        notes.database_seconds += seconds


def add_store(seconds: float) -> None:
    """Note that the request waited for the store; nothing happens outside of one."""
    notes = _current.get()
    if notes is not None:
        notes.store_waits.append(seconds)
