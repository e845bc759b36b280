"""The collector: the only code that deletes from the store. All its steps, in their order."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta

from files.services import collection, retention, sweep
from files.services.garbage import Run
from files.services.run_lock import alone
from remotedrive.database.limits import no_statement_timeout


def collect_garbage(
    *, run: Run, every_day: bool = False, waiting: Callable[[], object] = lambda: None
) -> None:
    """Purge by retention, collect what is due and sweep; `run` counts and names what is done.

    `every_day`: sweep also the days that were swept before, or of which no row is known. Another
    run is waited for, after `waiting` was called. Raises `StoreUnavailableError` when the store
    does not answer; what is done by then stays, and the next run goes on.
    """
    began: list[float] = []

    def begin_to_wait() -> None:
        began.append(time.monotonic())
        waiting()

    with alone(waiting=begin_to_wait), no_statement_timeout():
        for since in began:
            # What this run purges, it purges after the wait, and collects so much later.
            run.now += timedelta(seconds=time.monotonic() - since)
        # Before this run records changes of its own: so a dry run counts the same.
        retention.trim_changes(run=run)
        retention.purge_trash(run=run)
        retention.purge_old_versions(run=run)
        # Before rows are removed, by which a day is known.
        days = sweep.due_days(run=run, every_day=every_day)
        # Before files are removed: so a dry run counts the same.
        collection.forget_uploads(run=run)
        # So are folders, whose files an earlier run removed.
        collection.remove_folders(run=run)
        for step in (
            collection.collect_uploads,
            collection.collect_versions,
            collection.collect_files,
        ):
            if not run.at_limit:
                step(run=run)
        if not run.at_limit:
            sweep.sweep(run=run, days=days)
