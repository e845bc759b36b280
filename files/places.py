"""Bounds on how much of one kind of expensive work a process does at the same time."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Hashable, Iterator, Mapping
from contextlib import contextmanager
from itertools import takewhile

from files.exceptions import BusyError
from remotedrive.waiting import others_run

_TOO_MANY = "Too many requests of this kind came at once."


class Places:
    """At most `total` callers work at the same time, and of those with the same key so many as
    they say.

    As many as `waiting` wait for a place, at most `seconds`, and of those with the same key no more
    than may work; the others get `BusyError` at once. Each worker process has its own places.
    """

    def __init__(self, total: int, *, waiting: int, seconds: float = 1.0) -> None:
        self._free = total
        self._most_waiting = waiting
        self._seconds = seconds
        self._held: Counter[Hashable] = Counter()
        self._waiting: list[Mapping[Hashable, int]] = []
        self._alone: set[Hashable] = set()
        self._changed = threading.Condition()

    @contextmanager
    def hold(self, most: Mapping[Hashable, int], *, alone: Hashable = None) -> Iterator[None]:
        """Hold a place while the block runs; raises `BusyError` if none is free in time.

        `most` has the caller's keys, each with the number of places for all that have it. Of the
        callers with the same `alone` only one holds or waits; the others are refused.
        """
        with self._changed:
            if alone in self._alone:
                raise BusyError("This is being done already.", retry_after=1)
            if alone is not None:
                self._alone.add(alone)
            try:
                self._take(most)
            except BusyError:
                self._alone.discard(alone)
                raise
        try:
            yield
        finally:
            with self._changed:
                self._alone.discard(alone)
                self._free += 1
                self._held.subtract(list(most))
                self._held = +self._held
                self._changed.notify_all()

    def _take(self, most: Mapping[Hashable, int]) -> None:
        if not self._is_next(most):
            self._wait_for_turn(dict(most))
        self._free -= 1
        self._held.update(list(most))

    def _is_next(self, most: Mapping[Hashable, int]) -> bool:
        """Return whether there is room, and nobody who came earlier could take it."""
        earlier = takewhile(lambda each: each is not most, self._waiting)
        return self._has_room(most) and not any(map(self._has_room, earlier))

    def _has_room(self, most: Mapping[Hashable, int]) -> bool:
        return self._free > 0 and all(self._held[key] < number for key, number in most.items())

    def _wait_for_turn(self, most: Mapping[Hashable, int]) -> None:
        waiting = Counter(key for each in self._waiting for key in each)
        full = len(self._waiting) >= self._most_waiting
        if full or any(waiting[key] >= number for key, number in most.items()):
            raise BusyError(_TOO_MANY, retry_after=1)
        self._waiting.append(most)
        try:
            with others_run():
                came = self._changed.wait_for(lambda: self._is_next(most), self._seconds)
            if not came:
                raise BusyError(_TOO_MANY, retry_after=1)
        finally:
            self._waiting = [each for each in self._waiting if each is not most]
            self._changed.notify_all()
