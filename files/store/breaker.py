"""Bulkhead and circuit breaker around store calls.

A store that hangs must not hold every thread of the server, and one that keeps failing is not asked
for some seconds.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pybreaker import (
    STATE_CLOSED,
    CircuitBreaker,
    CircuitBreakerError,
    CircuitBreakerListener,
)

from files.exceptions import StoreUnavailableError
from remotedrive import metrics
from remotedrive.waiting import others_run

FAILURES_TO_OPEN = 5
"""Consecutive failures that open the breaker."""
OPEN_SECONDS = 5
"""Seconds it stays open; then one call probes."""
_STALLED = 1.0
"""Seconds in which no call ends, after which callers no longer wait for a slot."""


class _Shown(CircuitBreakerListener):
    """Shows in the metrics whether the breaker of this process is closed."""

    def state_change(self, breaker: Any, old: Any, new: Any) -> None:
        metrics.STORE_BREAKERS_OPEN.set(new.name != STATE_CLOSED)


class StoreBreaker:
    """Lets at most `slots` calls run at the same time, and none while the breaker is open."""

    def __init__(self, slots: int) -> None:
        self._free = slots
        self._moved = time.monotonic()
        """When a call last began or ended."""
        self._changed = threading.Condition()
        self._breaker = CircuitBreaker(
            fail_max=FAILURES_TO_OPEN,
            reset_timeout=OPEN_SECONDS,
            throw_new_error_on_trip=False,
            exclude=[lambda error: not isinstance(error, StoreUnavailableError)],
            listeners=[_Shown()],
        )
        self._probe = threading.Lock()

    @contextmanager
    def call(self, *, seconds_left: float) -> Iterator[None]:
        """Run the block as one call; StoreUnavailableError when it may not run, and it then did
        not.

        A caller that finds no slot waits while other calls end, for half of the time it has left.
        Where none has ended for a second it does not wait.
        """
        self._take_slot(seconds_left / 2)
        try:
            with self._admitted():
                yield
        finally:
            with self._changed:
                self._free += 1
                self._moved = time.monotonic()
                self._changed.notify()

    def _take_slot(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        with self._changed:
            while not self._free:
                wait = min(until, self._moved + _STALLED) - time.monotonic()
                if wait <= 0:
                    raise StoreUnavailableError("Too many calls wait for the object store.")
                with others_run():
                    self._changed.wait(wait)
            self._free -= 1
            self._moved = time.monotonic()

    @contextmanager
    def _admitted(self) -> Iterator[None]:
        # pybreaker lets every caller through while it is half open; one is enough to find out.
        closed = self._breaker.current_state == STATE_CLOSED
        if not closed and not self._probe.acquire(blocking=False):
            raise StoreUnavailableError("The object store is not asked for some seconds.")
        try:
            # Not `call()`, which holds the breaker's lock for as long as the call takes.
            with self._breaker.calling():
                yield
        except CircuitBreakerError:
            raise StoreUnavailableError("The object store is not asked for some seconds.") from None
        finally:
            if not closed:
                self._probe.release()
