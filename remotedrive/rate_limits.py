"""Counts what is taken of a rate: in Redis for all processes, or in the memory of this one.

A window begins with the first request that takes something, and ends `rate.seconds` later. In it
exactly `rate.most` are granted; what is refused is not counted, so whoever waits for the end of the
window is served. Over the border of two windows up to twice as many may come in one such time.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol

from django.conf import settings
from pybreaker import (
    STATE_CLOSED,
    STATE_OPEN,
    CircuitBreaker,
    CircuitBreakerError,
    CircuitBreakerListener,
)

from remotedrive import bounded_redis
from remotedrive.rates import Rate
from remotedrive.waiting import others_run

logger = logging.getLogger(__name__)

TIMEOUT = 0.5
"""Seconds for all that a request asks of the cache: its address, a connection, the answers."""
TURN_SECONDS = 0.25
"""How long a request waits for one that finds out whether the cache answers."""
FAILURES_TO_OPEN = 3
"""Consecutive failures after which the cache is not asked for some seconds; or one timeout."""
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
        self._windows: defaultdict[int, dict[str, _Window]] = defaultdict(dict)
        """By their length, and in the order in which they began: the first ends first."""

    def take(self, key: str, wanted: int, rate: Rate) -> Grant:
        now = time.monotonic()
        with self._lock:
            windows = self._windows[rate.seconds]
            window = windows.get(key)
            if window is None or window.ends_at <= now:
                _forget_ended(windows, now)
                window = windows[key] = _Window(now + rate.seconds)
            granted = max(0, min(wanted, rate.most - window.used))
            window.used += granted
            return Grant(granted, window.ends_at - now)


@dataclass
class _Window:
    ends_at: float
    used: int = 0


def _forget_ended(windows: dict[str, _Window], now: float) -> None:
    """Make room for one: forget those that have ended, and the first where there are too many."""
    while windows:
        first = next(iter(windows))
        if windows[first].ends_at > now and len(windows) < _KEYS_MAX:
            break
        del windows[first]


class RedisCounter:
    """Counts in Redis; `server` has the arguments of `redis.Redis` that say where it is."""

    def __init__(self, server: Mapping[str, Any]) -> None:
        self._take = bounded_redis.client(server).register_script(_TAKE)
        self._breaker = CircuitBreaker(
            fail_max=FAILURES_TO_OPEN,
            reset_timeout=OPEN_SECONDS,
            throw_new_error_on_trip=False,
            listeners=[_StateLog()],
        )
        self._answered = False
        """Whether it answered the last time."""
        self._alone = threading.Lock()
        """Held by the one request that asks a cache of which nobody knows whether it answers."""

    def take(self, key: str, wanted: int, rate: Rate) -> Grant:
        try:
            with bounded_redis.deadline(TIMEOUT), self._turn(), self._watched():
                granted, milliseconds = self._take(
                    keys=[_PREFIX + key], args=[wanted, rate.most, rate.seconds * 1000]
                )
                return Grant(int(granted), int(milliseconds) / 1000)
        except Exception as error:
            # Any error: what answers in place of a Redis may be read as anything.
            raise CacheUnavailableError from error

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Let one request at a time find out whether the cache answers; all, while it does."""
        alone = not self._answers()
        if alone and not self._alone.acquire(blocking=False):
            # While the breaker is open, or half open, nobody waits for the one that asks.
            if self._breaker.current_state != STATE_CLOSED:
                raise CacheUnavailableError
            with others_run():
                if not self._alone.acquire(timeout=TURN_SECONDS):
                    raise CacheUnavailableError
        try:
            if alone and self._answers():
                # The one before found out.
                self._alone.release()
                alone = False
            yield
        finally:
            if alone:
                self._alone.release()

    def _answers(self) -> bool:
        return self._answered and self._breaker.current_state == STATE_CLOSED

    @contextmanager
    def _watched(self) -> Iterator[None]:
        """Tell the breaker how the block ends; raises what it does while it is open."""
        try:
            with self._breaker.calling(), others_run():
                yield
            self._answered = True
        except CircuitBreakerError:
            raise
        except Exception:
            self._answered = False
            if self._breaker.current_state == STATE_CLOSED and bounded_redis.is_over():
                self._breaker.open()
            raise


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
