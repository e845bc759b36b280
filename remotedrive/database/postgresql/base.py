"""Django's backend for PostgreSQL, with persistent connections that need no `SELECT 1`.

Django's own health check asks the server before the first statement of each request, which costs
a round trip. Here a connection is known to be good from its socket, where the end of a connection
shows as soon as the server, or whoever is in between, closed it. Only a connection that was idle
for some seconds is asked, since it may be gone without a sign. What ends in the instant after that
is met by the statement itself, which is run once more where that repeats nothing.

All of this is for the threads of the server, which set `reconnects`. Elsewhere a connection may
have locks and settings of the session, as a migration's does, and what meets its end fails.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from django.db import DatabaseError, OperationalError
from django.db.backends.postgresql import base
from django.db.backends.utils import CursorWrapper
from psycopg import OperationalError as ConnectionLostError
from psycopg.abc import Buffer
from psycopg.pq import ConnStatus
from psycopg.types.datetime import TimestamptzLoader

from remotedrive import request_notes
from remotedrive.waiting import others_run

IDLE_SECONDS = 5.0
"""Seconds without a statement after which the server is asked whether it is still there."""
SOON_SECONDS = 1.0
"""Seconds within which a dead connection shows. What fails later has waited, for the server or the
network, and the time of its request is nearly over."""


class _TimeLoader(TimestamptzLoader):
    """Loads a time by the standard library's parser, which is in C.

    Django's takes ten times as long, and a third of the time of a page of files.
    """

    timezone = UTC

    def load(self, data: Buffer) -> datetime:
        try:
            return datetime.fromisoformat(str(data, "ascii"))
        except ValueError:
            # A time that Python has none for: the error is psycopg's.
            return super().load(data)


@contextmanager
def _waiting() -> Iterator[None]:
    """Let another request run while the block waits for the server, and note how long."""
    began = time.perf_counter()
    try:
        with others_run():
            yield
    finally:
        request_notes.add_database(time.perf_counter() - began)


class DatabaseWrapper(base.DatabaseWrapper):
    reconnects = False
    """Whether a connection that died outside of a transaction is replaced without an error."""
    _used_at = 0.0

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        with _waiting():
            connection = super().get_new_connection(conn_params)
        connection.adapters.register_loader("timestamptz", _TimeLoader)
        self._used_at = time.monotonic()
        return connection

    def close_if_health_check_failed(self) -> None:
        """Close the connection if it is dead; called before each statement and each BEGIN.

        Within a transaction nothing is looked at: it would be lost with its connection.
        """
        if not self.reconnects or self.connection is None or not self.connection.autocommit:
            return
        now = time.monotonic()
        idle = now - self._used_at
        self._used_at = now
        if self.is_closed() or (idle > IDLE_SECONDS and not self.is_usable()):
            self.close()

    def _commit(self) -> None:
        with _waiting():
            super()._commit()  # type: ignore[misc]

    def make_cursor(self, cursor: Any) -> CursorWrapper:
        return _Cursor(cursor, self)

    def reconnect(self) -> None:
        """Replace a connection that is dead, outside of a transaction."""
        self.close()
        self.ensure_connection()

    def is_closed(self) -> bool:
        """Return whether the other side has closed the connection; asks only the socket."""
        if self.connection is None:
            return True
        connection = self.connection.pgconn
        try:
            # The first may read a last message, as of a server that stops, the second the end.
            connection.consume_input()
            connection.consume_input()
        except ConnectionLostError:
            return True
        return bool(connection.status == ConnStatus.BAD)


class _Cursor(CursorWrapper):
    """Runs a query again, once, whose connection turns out to be dead.

    Only where that repeats nothing: outside of a transaction, and what only reads. What writes may
    have been carried out.
    """

    db: DatabaseWrapper

    def _execute(self, sql: Any, params: Any, *context: Any) -> Any:
        reads = self.db.autocommit and str(sql).startswith("SELECT")
        is_repeatable = reads and self.db.reconnects
        began = time.monotonic()
        try:
            return super()._execute(sql, params, *context)  # type: ignore[misc]
        except DatabaseError as error:
            if not self.db.is_closed():
                raise
            if not is_repeatable or time.monotonic() - began > SOON_SECONDS:
                if isinstance(error, OperationalError):
                    raise
                # An answer that is none of PostgreSQL's ends the connection, too.
                raise OperationalError(*error.args) from error
        self.db.reconnect()
        self.cursor = self.db.create_cursor()
        return super()._execute(sql, params, *context)  # type: ignore[misc]
