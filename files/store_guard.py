"""Who may ask the store now: a bulkhead and a circuit breaker, for `object_store` only.

A store that hangs must not hold every thread of the server, and one that keeps failing is left
alone for some seconds. Nothing here talks to the store.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from pybreaker import STATE_CLOSED, CircuitBreaker, CircuitBreakerError

from files.exceptions import StoreUnavailable

FAILURES = 5
"""So many failed calls in a row, and the store is not asked …"""
REST = 5
"""… for so many seconds. Then one call at a time tries whether it answers."""
_LONGEST_WAIT = 1.0


class StoreGuard:
    """Lets at most `slots` calls run at the same time, and none while the breaker is open."""

    def __init__(self, slots: int) -> None:
        self._slots = threading.BoundedSemaphore(slots)
        self._stalled = False
        self._breaker = CircuitBreaker(
            fail_max=FAILURES,
            reset_timeout=REST,
            throw_new_error_on_trip=False,
            exclude=[lambda error: not isinstance(error, StoreUnavailable)],
        )
        self._probe = threading.Lock()

    @contextmanager
    def call(self, *, seconds_left: float) -> Iterator[None]:
        """Run the block as one call; StoreUnavailable when it may not run, and it then did not.

        A caller without a slot waits for one, at most a second and half of the time it has left,
        and not at all where another has waited in vain and no call has ended since.
        """
        longest_wait = 0 if self._stalled else min(_LONGEST_WAIT, seconds_left / 2)
        if not self._slots.acquire(timeout=longest_wait):
            self._stalled = True
            raise StoreUnavailable("Too many calls to the object store are waiting for it.")
        try:
            with self._admitted():
                yield
        finally:
            self._stalled = False
            self._slots.release()

    @contextmanager
    def _admitted(self) -> Iterator[None]:
        # pybreaker lets every caller through while it is half open; one is enough to find out.
        closed = self._breaker.current_state == STATE_CLOSED
        if not closed and not self._probe.acquire(blocking=False):
            raise StoreUnavailable("The object store is not asked for some seconds.")
        try:
            # Not `call()`, which holds the breaker's lock for as long as the call takes.
            with self._breaker.calling():
                yield
        except CircuitBreakerError:
            raise StoreUnavailable("The object store is not asked for some seconds.") from None
        finally:
            if not closed:
                self._probe.release()
