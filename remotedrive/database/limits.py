"""Time limits of statements, which are those of a request."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from django.db import Error, connection, transaction

# Until the end of the transaction. LEAST leaves NULL out, and 0 is no limit.
_LIMIT = (
    "SELECT set_config('statement_timeout', LEAST(%s, NULLIF(setting::int, 0))::text, true)"
    " FROM pg_settings WHERE name = 'statement_timeout'"
)


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
def time_limit(seconds: float) -> Iterator[None]:
    """Let the statements of the block, which only read, take at most so long together, and each
    what the connection allows if that is less. SQLite has no such limit."""
    if connection.vendor != "postgresql":
        yield
        return
    end = time.monotonic() + seconds

    def limited(
        execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any
    ) -> Any:
        if sql != _LIMIT:
            # 0 would be no limit.
            left = max(1, int((end - time.monotonic()) * 1000))
            with connection.cursor() as cursor:
                cursor.execute(_LIMIT, [left])
        return execute(sql, params, many, context)

    with transaction.atomic(), connection.execute_wrapper(limited):
        yield
