"""How long to wait before something is tried again, and when to give up."""

from __future__ import annotations

import random
import threading
import time
from dataclasses import dataclass, field

from remotedrive_client.errors import StoppedError

FIRST_WAIT = 0.25
"""Seconds; doubled by each failure in a row."""
LONGEST_WAIT = 20.0
PATIENCE = 300.0
"""Seconds after the first of a row of failures until the last attempt."""


@dataclass
class Stop:
    """Ends waits and transfers in all threads that share it."""

    _event: threading.Event = field(default_factory=threading.Event)

    def set(self) -> None:
        self._event.set()

    def check(self) -> None:
        """Raise `StoppedError` once it is set."""
        if self._event.is_set():
            raise StoppedError("Stopped.")

    def wait(self, seconds: float) -> None:
        """Wait so long. Raises `StoppedError` as soon as it is set."""
        self._event.wait(seconds)
        self.check()


class Retries:
    """A row of failures of one call; exponential waits with full jitter between attempts."""

    def __init__(self, stop: Stop, *, patience: float = PATIENCE) -> None:
        self._stop = stop
        self._patience = patience
        self._failures = 0
        self._since = 0.0

    def wait(self, error: Exception, retry_after: float | None = None) -> None:
        """Wait after a failure; raise `error` instead when patience is over.

        `retry_after`: seconds that the server asks for, which are never shortened.
        """
        now = time.monotonic()
        if not self._failures:
            self._since = now
        self._failures += 1
        limit = min(LONGEST_WAIT, FIRST_WAIT * 2 ** min(self._failures, 10))
        seconds = random.uniform(0, limit)  # noqa: S311 - jitter, not a secret
        if retry_after is not None:
            seconds = retry_after + random.uniform(0, FIRST_WAIT)  # noqa: S311
        if now + seconds - self._since > self._patience:
            raise error
        self._stop.wait(seconds)

    def succeeded(self) -> None:
        """Forget the failures so far: something went forward."""
        self._failures = 0
