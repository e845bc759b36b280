"""Counts what is taken of a rate: in Redis for all processes, or in the memory of this one.

A window begins with the first request that takes something, and ends `rate.seconds` later. In it
exactly `rate.most` are granted; what is refused is not counted, so whoever waits for the end of the
window is served. Over the border of two windows up to twice as many may come in one such time.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from dataclasses import dataclass
from typing import Protocol

from django.conf import settings

from remotedrive.made_once import made_once
from remotedrive.rates import Rate

_KEYS_MAX = 100_000


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


@made_once
def counter() -> Counter:
    """Return what counts in this process, as the settings say."""
    if settings.CACHE is None:
        return MemoryCounter()
    # Its client takes a tenth of a second to import.
    from remotedrive.redis_counter import RedisCounter

    return RedisCounter(settings.CACHE)
