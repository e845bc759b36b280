"""One run of the collector at a time, in one database."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager

from django.db import OperationalError, connection

_ADVISORY_LOCK = 0x474152424147
"""The key of the lock held while collecting; arbitrary, but used for nothing else."""
_PAUSE_SECONDS = 0.5


@contextmanager
def alone(*, waiting: Callable[[], object]) -> Iterator[None]:
    """Run the block once no other run holds the lock; `waiting` is called when one does.

    The lock ends with the process, however it ends. Two runs at once would do no harm, but all the
    work twice.
    """
    with closing(_attempts()) as attempts:
        if not next(attempts):
            waiting()
            # Polled, because a request's time limits bound a statement that waits.
            while not next(attempts):
                time.sleep(_PAUSE_SECONDS)
        yield


def _attempts() -> Generator[bool, None, None]:
    return _on_postgresql() if connection.vendor == "postgresql" else _on_sqlite()


def _on_postgresql() -> Generator[bool, None, None]:
    """Try to take the advisory lock, on a connection of its own, held until this is closed."""
    with closing(connection.copy()) as own:
        while True:
            with own.cursor() as cursor:
                cursor.execute("SELECT pg_try_advisory_lock(%s)", [_ADVISORY_LOCK])
                held = bool(cursor.fetchone()[0])
            yield held


def _on_sqlite() -> Generator[bool, None, None]:
    """Try to lock a file beside the database: as SQLite locks its own, on every platform."""
    name = f"{connection.settings_dict['NAME']}-collector"
    try:
        lock_file = sqlite3.connect(name, timeout=0, isolation_level=None)
    except sqlite3.OperationalError as error:
        raise OperationalError(*error.args) from error
    with closing(lock_file) as own:
        while True:
            try:
                own.execute("BEGIN EXCLUSIVE")
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                    raise OperationalError(*error.args) from error
                yield False
            else:
                yield True
