"""Counts what is taken of a rate: in Redis for all processes, or in the memory of this one.

A window begins with the first request that takes something, and ends `rate.seconds` later. In it
exactly `rate.most` are granted; what is refused is not counted, so whoever waits for the end of the
window is served. Over the border of two windows up to twice as many may come in one such time.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol

from django.conf import settings
from pybreaker import STATE_CLOSED, STATE_OPEN, CircuitBreaker, CircuitBreakerListener
from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from remotedrive.rates import Rate
from remotedrive.waiting import others_run

logger = logging.getLogger(__name__)

TIMEOUT = 0.25
"""Seconds for a connection to the cache, and for each of its answers."""
FAILURES_TO_OPEN = 3
"""Consecutive failures after which the cache is not asked for some seconds."""
OPEN_SECONDS = 5
"""How long it is not asked; then one request asks."""
_KEYS_MAX = 100_000
_PREFIX = "remotedrive:rate:"

# DRF's own throttles read, compare and write in three steps; between two processes that is not
# exact. Redis runs a script as one step, and it alone can also leave out what is refused.
_TAKE = """
local used = tonumber(redis.call('GET', KEYS[1]) or 0)
local granted = math.max(0, math.min(tonumber(ARGV[1]), tonumber(ARGV[2]) - used))
if used == 0 then
    redis.call('SET', KEYS[1], granted, 'PX', ARGV[3])
elseif granted > 0 then
    redis.call('INCRBY', KEYS[1], granted)
end
return {granted, redis.call('PTTL', KEYS[1])}
"""


class CacheUnavailableError(Exception):
    """The cache did not answer, or is not asked for some seconds because it did not before."""


@dataclass(frozen=True)
class Grant:
    """How many of those wanted are granted, and the seconds until the window ends."""

    granted: int
    wait: float


class Counter(Protocol):
    """Counts what is taken of rates, by key."""

    def take(self, key: str, wanted: int, rate: Rate) -> Grant:
        """Take `wanted` (from 1) of what `rate` leaves to `key`, or as many as there are.

        Raises `CacheUnavailableError`.
        """


class MemoryCounter:
    """Counts in this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._windows: dict[str, _Window] = {}
        """In the order in which they began."""

    def take(self, key: str, wanted: int, rate: Rate) -> Grant:
        now = time.monotonic()
        with self._lock:
            window = self._windows.get(key)
            if window is None or window.ends_at <= now:
                self._windows.pop(key, None)
                window = self._windows[key] = _Window(now + rate.seconds)
                if len(self._windows) > _KEYS_MAX:
                    # The oldest is the nearest to its end.
                    del self._windows[next(iter(self._windows))]
            granted = max(0, min(wanted, rate.most - window.used))
            window.used += granted
            return Grant(granted, window.ends_at - now)


@dataclass
class _Window:
    ends_at: float
    used: int = 0


class RedisCounter:
    """Counts in Redis; `server` has the arguments of `redis.Redis` that say where it is."""

    def __init__(self, server: Mapping[str, Any]) -> None:
        client = Redis(
            **server,
            socket_connect_timeout=TIMEOUT,
            socket_timeout=TIMEOUT,
            # A second attempt would count twice what the first one did without an answer.
            retry=Retry(NoBackoff(), 0),
            # Version 3, and what the client tells of itself, would cost a new connection calls.
            protocol=2,
            driver_info=None,
        )
        self._take = client.register_script(_TAKE)
        self._breaker = CircuitBreaker(
            fail_max=FAILURES_TO_OPEN,
            reset_timeout=OPEN_SECONDS,
            throw_new_error_on_trip=False,
            listeners=[_StateLog()],
        )
        self._probe = threading.Lock()

    def take(self, key: str, wanted: int, rate: Rate) -> Grant:
        try:
            with self._admitted(), others_run():
                granted, milliseconds = self._take(
                    keys=[_PREFIX + key], args=[wanted, rate.most, rate.seconds * 1000]
                )
                return Grant(int(granted), int(milliseconds) / 1000)
        except Exception as error:
            # Any error: what answers in place of a Redis may be read as anything.
            raise CacheUnavailableError from error

    @contextmanager
    def _admitted(self) -> Iterator[None]:
        # pybreaker lets every caller through while it is half open; one is enough to find out.
        closed = self._breaker.current_state == STATE_CLOSED
        if not closed and not self._probe.acquire(blocking=False):
            raise CacheUnavailableError
        try:
            with self._breaker.calling():
                yield
        finally:
            if not closed:
                self._probe.release()


class _StateLog(CircuitBreakerListener):
    """Writes a line when the cache begins to fail, and one when it answers again.

    Of an error only the kind is written: its text may have what was sent.
    """

    def __init__(self) -> None:
        self._error = ""

    def failure(self, cb: CircuitBreaker, exc: BaseException) -> None:
        self._error = type(exc).__name__

    def state_change(self, cb: CircuitBreaker, old_state: Any, new_state: Any) -> None:
        if new_state.name == STATE_OPEN and old_state.name == STATE_CLOSED:
            logger.error(
                "The cache of CACHE_URL does not answer (%s): requests are let through uncounted",
                self._error,
            )
        elif new_state.name == STATE_CLOSED:
            logger.warning("The cache of CACHE_URL answers again")


@cache
def counter() -> Counter:
    """Return what counts in this process, as the settings say."""
    return MemoryCounter() if settings.CACHE is None else RedisCounter(settings.CACHE)
