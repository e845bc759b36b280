"""A value that another service gives, fetched in a thread of its own, one fetch at a time.

Requests use the latest value and do not wait, unless there is none that will do. Then they wait for
a bounded time, and few of them: a service that hangs must not hold every thread of the server.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from remotedrive.waiting import others_run

logger = logging.getLogger(__name__)

T = TypeVar("T")

_SHORT_WAIT = 0.2
"""Seconds that those wait who find as many waiting as may."""


class Fetcher(Generic[T]):
    """The latest value that `fetch` returned; a failed fetch leaves the one before it.

    `fetch` bounds its own time. `what` names the value in the log. `waiters` is how many threads
    may wait at the same time for longer than a moment.
    """

    def __init__(self, fetch: Callable[[], T], *, what: str, waiters: int) -> None:
        self._fetch = fetch
        self._what = what
        self._waiters = waiters
        self._waiting = 0
        self._changed = threading.Condition()
        self.latest: T | None = None
        self.fetched_at = float("-inf")
        """When the latest value came, by the monotonic clock."""
        self.begun_at = float("-inf")
        """When a fetch last began, by the monotonic clock."""
        self.under_way = False

    def begin(self, *, at_most_every: float) -> bool:
        """Begin a fetch, unless one is under way or began less than `at_most_every` seconds ago.

        Returns whether one is under way now.
        """
        with self._changed:
            now = time.monotonic()
            if not self.under_way and now - self.begun_at >= at_most_every:
                self.begun_at = now
                try:
                    threading.Thread(target=self._run, name=self._what, daemon=True).start()
                except RuntimeError:
                    logger.warning("%s: not fetched: no thread can be started", self._what)
                else:
                    # The thread ends under the same lock, so not before this.
                    self.under_way = True
            return self.under_way

    def wait(self, *, until: float) -> bool:
        """Wait for the end of the fetch under way, if there is one, but not past `until`.

        `until` is a time of the monotonic clock. Returns whether none is under way any more.
        """
        with others_run(), self._changed:
            if self._waiting >= self._waiters:
                until = min(until, time.monotonic() + _SHORT_WAIT)
            self._waiting += 1
            try:
                while self.under_way and (left := until - time.monotonic()) > 0:
                    self._changed.wait(left)
            finally:
                self._waiting -= 1
            return not self.under_way

    def _run(self) -> None:
        found = None
        try:
            found = self._fetch()
        except Exception as error:
            # Any error: what another service sends may break a parser in any way. By class only:
            # messages carry whole responses and URLs.
            logger.warning("%s: not fetched: %s", self._what, type(error).__name__)
        with self._changed:
            if found is not None:
                self.latest, self.fetched_at = found, time.monotonic()
            self.under_way = False
            self._changed.notify_all()
