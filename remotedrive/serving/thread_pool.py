"""A pool of threads that live as long as the process, each with its own database connections.

Threads share one interpreter lock: the more of them want it, the longer each waits for its turn and
the more the turns cost. So few jobs run at the same moment, and another one begins only when one of
them ends or waits: for a database's answer, or for what it names with `others_run()`. A job that
waits without saying so keeps its place until `lend_places`.

The threads are daemons: a thread that hangs does not keep the process from ending. The pool knows
nothing of requests. Its methods may be called from any thread.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextvars import copy_context
from queue import SimpleQueue
from typing import Any

from django.db import OperationalError, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from remotedrive import request_notes
from remotedrive.database.postgresql.base import DatabaseWrapper
from remotedrive.waiting import has_place, others_run

RUNNING = 3
"""Jobs that run at the same moment; measured, 2 to 4 are alike."""

logger = logging.getLogger(__name__)


class Job:
    """One call, with the context variables of its creator."""

    def __init__(self, call: Callable[[], None]) -> None:
        self.call = call
        self.context = copy_context()


class _Thread:
    """What the pool knows of one of its threads; it is the thread's `remotedrive.waiting.Place`."""

    def __init__(self, pool: ThreadPool) -> None:
        self._pool = pool
        self.given: SimpleQueue[Job] = SimpleQueue()
        self.databases: Sequence[BaseDatabaseWrapper] = ()
        self.holds_place = False
        self.given_up = False
        """Whether nobody waits for its job any more: its next statement fails."""
        self.since = 0.0
        """When it began to run, or ran again after it had waited."""

    def execute(self, execute: Callable[..., Any], *arguments: Any) -> Any:
        """Run a statement of Django's; while the database works, another job may run."""
        if self.given_up:
            raise OperationalError("the time of this request is over")
        began = time.perf_counter()
        try:
            with others_run():
                return execute(*arguments)
        finally:
            request_notes.add_database(time.perf_counter() - began)

    def leave(self) -> None:
        with self._pool.lock:
            self._pool.free_place(self)
            self._pool.begin_next()

    def resume(self) -> None:
        """Take a place, one too many if need be: what was begun is ended before what was not."""
        with self._pool.lock:
            self._pool.take_place(self)


class ThreadPool:
    """Runs jobs in at most `threads` threads, started when needed; `most_waiting` jobs may wait.

    Of the threads `running` run at the same moment; the others wait for something else.
    """

    def __init__(self, threads: int, most_waiting: int, running: int = RUNNING) -> None:
        self.size = threads
        self._most_waiting = most_waiting
        self._places = min(running, threads)
        """Those that are free; below 0 where some threads ran again that had waited."""
        self.lock = threading.Lock()
        self._waiting: deque[Job] = deque()
        self._running: dict[Job, _Thread] = {}
        self._started = 0
        self._idle: list[_Thread] = []
        """The one that was busy last is taken first: its connections are the least stale."""

    def submit(self, job: Job) -> bool:
        """Queue `job`; returns False when the queue is full."""
        with self.lock:
            if len(self._waiting) >= self._most_waiting:
                return False
            self._waiting.append(job)
            self.begin_next()
        return True

    def withdraw(self, job: Job) -> bool:
        """Take `job` out of the queue; returns False when a thread has begun it."""
        with self.lock:
            try:
                self._waiting.remove(job)
            except ValueError:
                return False
        return True

    def lend_places(self, seconds: float) -> None:
        """Let other jobs run in the place of those that have run for `seconds` without a wait.

        They wait without saying so, or compute, which may not keep all others waiting.
        """
        with self.lock:
            if not self._waiting:
                return
            before = time.monotonic() - seconds
            for thread in list(self._running.values()):
                if thread.holds_place and thread.since < before:
                    self.free_place(thread)
                    self.begin_next()

    def load(self) -> tuple[int, int]:
        """Return how many jobs were begun and have not ended, and how many wait."""
        with self.lock:
            return len(self._running), len(self._waiting)

    def break_database_wait(self, job: Job) -> bool:
        """Break the database connections of the thread that runs `job`; False when none does.

        A thread that waits for the database gets an error at once, and so does every statement
        that the job comes to later.
        """
        with self.lock:
            thread = self._running.get(job)
            if thread is None:
                return False
            thread.given_up = True
            for database in thread.databases:
                _break_connection(database)
        return True

    # With the lock held

    def begin_next(self) -> None:
        """Give the job that has waited longest to a thread, if there is a place and a thread."""
        if not self._waiting or self._places <= 0:
            return
        if self._idle:
            thread = self._idle.pop()
        elif self._started < self.size:
            thread = _Thread(self)
            name = f"request-{self._started + 1}"
            new = threading.Thread(target=self._work, args=[thread], name=name, daemon=True)
            try:
                new.start()
            except RuntimeError as error:
                # The job waits for the next thread that is free, or until its time is over.
                logger.error("No thread could be started: %s", error)
                return
            self._started += 1
        else:
            return
        thread.given.put(self._take_job(thread))

    def take_place(self, thread: _Thread) -> None:
        self._places -= 1
        thread.holds_place = True
        thread.since = time.monotonic()

    def free_place(self, thread: _Thread) -> None:
        """Free the thread's place, unless it was lent already."""
        if thread.holds_place:
            self._places += 1
            thread.holds_place = False

    def _take_job(self, thread: _Thread) -> Job:
        job = self._waiting.popleft()
        self._running[job] = thread
        self.take_place(thread)
        return job

    # In its threads

    def _work(self, thread: _Thread) -> None:
        thread.databases = connections.all()
        for database in thread.databases:
            database.execute_wrappers.append(thread.execute)
            if isinstance(database, DatabaseWrapper):
                database.reconnects = True
        has_place(thread)
        while True:
            job: Job | None = thread.given.get()
            while job is not None:
                try:
                    job.context.run(job.call)
                except BaseException:
                    logger.exception("A job of the thread pool failed")
                job = self._end(thread, job)

    def _end(self, thread: _Thread, job: Job) -> Job | None:
        """End `job`; returns the next one for this thread, or None when it becomes idle."""
        with self.lock:
            del self._running[job]
            thread.given_up = False
            self.free_place(thread)
            if self._waiting and self._places > 0:
                return self._take_job(thread)
            self._idle.append(thread)
            return None


def _break_connection(database: BaseDatabaseWrapper) -> None:
    """Make another thread's wait on this connection fail; returns at once."""
    connection: Any = database.connection
    if connection is None:
        return
    try:
        if database.vendor == "sqlite":
            connection.interrupt()
        elif database.vendor == "postgresql":
            descriptor = connection.pgconn.socket
            with socket.socket(fileno=os.dup(descriptor)) as copy:
                # The number may have passed to another socket before it was copied.
                if connection.pgconn.socket == descriptor:
                    copy.shutdown(socket.SHUT_RDWR)
    except Exception as error:
        # The thread closed the connection, or the server did: there is nothing left to break.
        logger.info("A database connection was gone before it could be broken: %s", error)
