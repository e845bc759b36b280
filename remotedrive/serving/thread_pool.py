"""A pool of threads that live as long as the process, each with its own database connections.

The threads are daemons: a thread that hangs does not keep the process from ending. The pool knows
nothing of requests. Its methods may be called from any thread.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextvars import copy_context
from queue import SimpleQueue
from typing import Any

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

logger = logging.getLogger(__name__)


class Job:
    """One call, with the context variables of its creator."""

    def __init__(self, call: Callable[[], None]) -> None:
        self.call = call
        self.context = copy_context()


class ThreadPool:
    """Runs jobs in at most `threads` threads, started when needed; `waiting` jobs may wait."""

    def __init__(self, threads: int, waiting: int) -> None:
        self._size = threads
        self._most_waiting = waiting
        self._lock = threading.Lock()
        self._waiting: deque[Job] = deque()
        self._running: dict[Job, Sequence[BaseDatabaseWrapper]] = {}
        self._started = 0
        # One ticket for each job that was ever submitted; a withdrawn job leaves a spare one.
        self._tickets: SimpleQueue[None] = SimpleQueue()

    def submit(self, job: Job) -> bool:
        """Queue `job`; returns False when the queue is full."""
        with self._lock:
            if len(self._waiting) >= self._most_waiting:
                return False
            self._waiting.append(job)
            idle = self._started - len(self._running)
            if idle < len(self._waiting) and self._started < self._size:
                self._started += 1
                name = f"request-{self._started}"
                threading.Thread(target=self._work, name=name, daemon=True).start()
        self._tickets.put(None)
        return True

    def withdraw(self, job: Job) -> bool:
        """Take `job` out of the queue; returns False when a thread has begun it."""
        with self._lock:
            try:
                self._waiting.remove(job)
            except ValueError:
                return False
        return True

    def break_database_wait(self, job: Job) -> bool:
        """Break the database connections of the thread that runs `job`; False when none does.

        A thread that waits for the database gets an error at once; Django's health check then
        opens a new connection.
        """
        with self._lock:
            databases = self._running.get(job)
            if databases is None:
                return False
            for database in databases:
                _break_connection(database)
        return True

    def _work(self) -> None:
        databases = connections.all()
        while True:
            self._tickets.get()
            with self._lock:
                if not self._waiting:
                    continue
                job = self._waiting.popleft()
                self._running[job] = databases
            try:
                job.context.run(job.call)
            except BaseException:
                logger.exception("A job of the thread pool failed")
            with self._lock:
                del self._running[job]
            del job


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
