"""Counts what is taken of a rate in Redis, which all processes share."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from pybreaker import (
    STATE_CLOSED,
    STATE_OPEN,
    CircuitBreaker,
    CircuitBreakerError,
)

from remotedrive import bounded_redis
from remotedrive.rate_limits import CacheUnavailableError, Grant
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


class RedisCounter:
    """Counts in Redis; `server` has the arguments of `redis.Redis` that say where it is."""

    def __init__(self, server: Mapping[str, Any]) -> None:
        self._take = bounded_redis.client(server).register_script(_TAKE)
        self._breaker = CircuitBreaker(
            fail_max=FAILURES_TO_OPEN,
            reset_timeout=OPEN_SECONDS,
            throw_new_error_on_trip=False,
        )
        self._answered = False
        """Whether it answered the last time."""
        self._alone = threading.Lock()
        """Held by the one request that asks a cache of which nobody knows whether it answers."""
        self._telling = threading.Lock()
        self._told_of_failure = False

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
        except CircuitBreakerError:
            raise
        except Exception as error:
            self._answered = False
            if self._breaker.current_state == STATE_CLOSED and bounded_redis.is_over():
                self._breaker.open()
            if self._breaker.current_state == STATE_OPEN:
                self._tell(error)
            raise
        self._answered = True
        if self._told_of_failure and self._breaker.current_state == STATE_CLOSED:
            self._tell(None)

    def _tell(self, error: Exception | None) -> None:
        """Write a line when the cache begins to fail, and one when it answers again (None).

        Of an error only the kind is written: its text may have what was sent.
        """
        with self._telling:
            if self._told_of_failure == (error is not None):
                return
            self._told_of_failure = error is not None
        if error is None:
            logger.warning("The cache of CACHE_URL answers again")
        else:
            logger.error(
                "The cache of CACHE_URL does not answer (%s): requests are let through uncounted",
                type(error).__name__,
            )
