"""Whether this process can do its work: the database with all migrations, and the bucket."""

from __future__ import annotations

import threading
import time

from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor

from files.exceptions import StoreUnavailableError
from files.store.client import object_store

_STORE_ASKED_AT_MOST_EVERY = 1.0  # seconds
_FIRST_WAIT = 1.0  # seconds


class _Known:
    """What this process found out before."""

    migrated = False
    asking = threading.Lock()
    asked_at = float("-inf")
    store_problem: str | None = "was not asked yet"


def problems() -> dict[str, str]:
    """Return what is not ready, by name (`database`, `store`), with what is wrong with it."""
    found = {"database": _database_problem(), "store": _store_problem()}
    return {name: problem for name, problem in found.items() if problem is not None}


def _database_problem() -> str | None:
    try:
        if _Known.migrated:
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1")
            return None
        executor = MigrationExecutor(connection)
        pending = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except DatabaseError:
        return "does not answer"
    _Known.migrated = not pending
    return f"lacks {len(pending)} migrations: run manage.py migrate" if pending else None


def _store_problem() -> str | None:
    """Ask the store at most once a second, in one thread; meanwhile the last answer holds.

    There is none yet for the first ones who come at once: they wait for it, but not long.
    """
    if _Known.asking.acquire(timeout=_FIRST_WAIT if _Known.asked_at == float("-inf") else 0):
        try:
            if time.monotonic() - _Known.asked_at > _STORE_ASKED_AT_MOST_EVERY:
                _Known.store_problem = _ask_store()
                _Known.asked_at = time.monotonic()
        finally:
            _Known.asking.release()
    return _Known.store_problem


def _ask_store() -> str | None:
    try:
        state = object_store().bucket_state()
    except StoreUnavailableError:
        return "does not answer"
    if not state.exists:
        return "has no such bucket: run manage.py bootstrap_store"
    if not state.versioned:
        return "does not keep versions in the bucket: run manage.py bootstrap_store"
    return None
