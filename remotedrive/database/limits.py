"""Time limits of statements, which are those of a request."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from django.db import Error, connection


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
