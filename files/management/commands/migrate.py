"""`manage.py migrate`, which can run while the service is up.

On PostgreSQL a migration has no time limit but waits for a lock only briefly, because every request
would queue behind it; then it is tried again. Parallel runs wait for each other. On SQLite this is
Django's own command.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.core.management.base import CommandError
from django.core.management.commands import migrate
from django.db import OperationalError, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations import Migration
from psycopg import errors

LOCK_SECONDS = 2
"""Seconds a statement waits for a lock, and so the longest that requests queue behind it."""
PAUSE_SECONDS = 2.0
"""Seconds between two attempts, in which the queued requests run."""
ATTEMPTS = 30
_ADVISORY_LOCK = 0x52454D4F54454452
"""The key of the lock held while migrating; arbitrary, but used for nothing else."""
_NO_LOCK = (errors.LockNotAvailable, errors.DeadlockDetected)


class Command(migrate.Command):
    _applying = "The preparation"
    _is_repeatable = True
    _connection: BaseDatabaseWrapper

    def handle(self, *args: Any, **options: Any) -> str | None:
        self._connection = connections[options["database"]]
        is_dry_run = options["plan"] or options["check_unapplied"]
        if self._connection.vendor != "postgresql" or is_dry_run:
            return super().handle(*args, **options)
        with self._alone():
            for attempt in range(1, ATTEMPTS + 1):
                try:
                    return super().handle(*args, **options)
                except OperationalError as error:
                    if not (self._is_repeatable and isinstance(error.__cause__, _NO_LOCK)):
                        raise
                    self._report_waiting(attempt)
                time.sleep(PAUSE_SECONDS)
        raise CommandError(
            f"{self._applying} got no lock in {ATTEMPTS} attempts. What was applied before it stays"
            " applied; end the transactions named above, and migrate again."
        )

    def migration_progress_callback(
        self, action: str, migration: Migration | None = None, fake: bool = False
    ) -> None:
        if action in ("apply_start", "unapply_start") and migration is not None:
            self._applying, self._is_repeatable = str(migration), migration.atomic
            if self._connection.vendor == "postgresql":
                # A migration that is not atomic cannot be repeated. It is meant for CREATE INDEX
                # CONCURRENTLY, which may wait: nothing queues behind it.
                self._execute(f"SET lock_timeout = '{LOCK_SECONDS if migration.atomic else 0}s'")
        super().migration_progress_callback(action, migration, fake)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold the advisory lock, and set a migration's time limits in place of a request's."""
        self._execute("SET statement_timeout = 0")
        self._execute("SET idle_in_transaction_session_timeout = 0")
        self._execute(f"SET lock_timeout = '{LOCK_SECONDS}s'")
        is_first = True
        # Polled, because CREATE INDEX CONCURRENTLY would wait for a statement that blocks here.
        while not self._execute(f"SELECT pg_try_advisory_lock({_ADVISORY_LOCK})")[0][0]:
            if is_first:
                self.stdout.write("Another migrate is running in this database; waiting for it.")
                self.stdout.flush()
            is_first = False
            time.sleep(0.5)
        # The lock and the limits end with the connection.
        try:
            yield
        finally:
            self._connection.close()

    def _report_waiting(self, attempt: int) -> None:
        oldest = self._execute(
            "SELECT pid, extract(epoch FROM clock_timestamp() - xact_start)::int, state"
            " FROM pg_stat_activity WHERE datname = current_database() AND xact_start IS NOT NULL"
            " AND pid <> pg_backend_pid() ORDER BY xact_start LIMIT 3"
        )
        seen = "; ".join(f"pid {pid}, {age} s, {state}" for pid, age, state in oldest)
        self.stdout.write(
            f"\n{self._applying} waits for a lock (attempt {attempt} of {ATTEMPTS})."
            f" The oldest open transactions: {seen or 'none by now'}."
        )
        self.stdout.flush()

    def _execute(self, statement: str) -> list[Any]:
        with self._connection.cursor() as cursor:
            cursor.execute(statement)
            return list(cursor.fetchall()) if cursor.description else []
