"""Looks after all requests of a process by one timer, so that one that ends in time costs none.

A request has a deadline, and a client who may leave while it waits for a thread.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from remotedrive.serving.responses import Exchange
from remotedrive.serving.thread_pool import Job, ThreadPool

SWEEP_SECONDS = 0.05
"""Seconds between two looks while there are requests."""
LEND_SECONDS = 0.1
"""Seconds for which a job may keep others from running; most end in a tenth of that."""

logger = logging.getLogger(__name__)


class ClientGoneError(Exception):
    """The client left before its request was run."""


class Watch:
    """Ends, on the event loop, the requests whose time is over or whose client left the queue."""

    def __init__(self, pool: ThreadPool) -> None:
        self._pool = pool
        self._watched: dict[Job, tuple[Exchange, Callable[[], bool]]] = {}
        """All have the same time, so the one that ends first stands first."""
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, job: Job, exchange: Exchange, has_left: Callable[[], bool]) -> None:
        """Watch a job that was submitted; its exchange then ends by TimeoutError at its deadline,
        and by ClientGoneError once the client has left, if no thread has begun the job."""
        self._watched[job] = exchange, has_left
        if self._timer is None:
            self._timer = exchange.loop.call_later(SWEEP_SECONDS, self._sweep, exchange.loop)

    def end(self, job: Job) -> None:
        """Watch no longer: the job has ended or was withdrawn."""
        self._watched.pop(job, None)

    def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = loop.call_later(SWEEP_SECONDS, self._sweep, loop)
        self._pool.lend_places(LEND_SECONDS)
        now = loop.time()
        for job, (exchange, has_left) in list(self._watched.items()):
            if exchange.deadline <= now:
                self._expire(exchange, job)
            elif has_left() and self._pool.withdraw(job):
                self.end(job)
                exchange.give_up(ClientGoneError())
        if not self._watched:
            self._timer.cancel()
            self._timer = None

    def _expire(self, exchange: Exchange, job: Job) -> None:
        self.end(job)
        exchange.give_up(TimeoutError())
        if not self._pool.withdraw(job):
            self._break_database_wait(exchange.loop, job)

    def _break_database_wait(self, loop: asyncio.AbstractEventLoop, job: Job) -> None:
        """Shut the thread's database connections, once a second until the job ends."""
        if self._pool.break_database_wait(job):
            logger.warning("A request is over its time; its database connection was broken")
            loop.call_later(1.0, self._break_database_wait, loop, job)
