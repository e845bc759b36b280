"""Time limits of statements, which are those of a request."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from django.db import Error, connection, transaction


@contextmanager
def no_statement_timeout() -> Iterator[None]:
    """Let each statement of the block take as long as it needs, as commands must over many rows."""
    if connection.vendor != "postgresql":
        yield
        return
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 0")
    try:
        yield
    finally:
        # In a transaction that failed, or without a connection, there is nothing to set back.
        with suppress(Error), connection.cursor() as cursor:
            cursor.execute("RESET statement_timeout")


@contextmanager
def statement_timeout(seconds: float) -> Iterator[None]:
    """Let each statement of the block, which only reads, take at most so long, or what the
    connection allows if that is less. SQLite has no such limit."""
    if connection.vendor != "postgresql":
        yield
        return
    with transaction.atomic():
        with connection.cursor() as cursor:
            # 0 is no limit; LEAST leaves NULL out.
            cursor.execute(
                "SELECT set_config('statement_timeout', LEAST(%s, NULLIF(setting::int, 0))::text,"
                " true) FROM pg_settings WHERE name = 'statement_timeout'",
                [int(seconds * 1000)],
            )
        yield
