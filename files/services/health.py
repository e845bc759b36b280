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


class _Readiness:
    """What this process found out about the database and the store, for the next request."""

    def __init__(self) -> None:
        self.migrated = False
        self.asked_at = float("-inf")
        self.store_problem: str | None = "was not asked yet"
        self._asking = threading.Lock()

    def check_database(self) -> str | None:
        """Return what is wrong with the database, None if it is ready."""
        try:
            if self.migrated:
                with connection.cursor() as cursor:
                    cursor.execute("SELECT 1")
                return None
            executor = MigrationExecutor(connection)
            pending = executor.migration_plan(executor.loader.graph.leaf_nodes())
        except DatabaseError:
            return "does not answer"
        self.migrated = not pending
        return f"lacks {len(pending)} migrations: run manage.py migrate" if pending else None

    def check_store(self) -> str | None:
        """Return what is wrong with the store, None if it is ready.

        One thread asks the store, at most once a second; the others return its last answer. Before
        the first answer they wait for it, at most a second.
        """
        if self._asking.acquire(timeout=_FIRST_WAIT if self.asked_at == float("-inf") else 0):
            try:
                if time.monotonic() - self.asked_at > _STORE_ASKED_AT_MOST_EVERY:
                    self.store_problem = _ask_store()
                    self.asked_at = time.monotonic()
            finally:
                self._asking.release()
        return self.store_problem


_readiness = _Readiness()


def unready() -> dict[str, str]:
    """Return what is not ready (`database`, `store`), each with what is wrong with it."""
    found = {"database": _readiness.check_database(), "store": _readiness.check_store()}
    return {name: problem for name, problem in found.items() if problem is not None}


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
