"""`manage.py collect_garbage`: delete from the store what nothing needs any more."""

from __future__ import annotations

import json
import signal
import sys
import time
from argparse import ArgumentParser, ArgumentTypeError
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import Error, connections
from django.utils import timezone
from tqdm import tqdm

from files.exceptions import StoreUnavailableError
from files.services.collector import collect_garbage
from files.services.garbage import COUNTED, Run
from remotedrive.sizes import written_size


def _positive(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text)):
        raise ArgumentTypeError(f"{text!r} is not a whole number from 1 on")
    return int(text)


class Command(BaseCommand):
    _once = True
    help = (
        "Purge what retention says, delete from the store what no file needs any more, and give "
        "its bytes back to the quota. Only this command deletes from the store. It can be stopped "
        "at any time and started again; a second run waits for its turn. Exit status: 0 all done; "
        "2 not finished: store or database failed, or the store refused to delete something."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--dry-run",
            action="store_true",
            help="name what would be deleted, a line each, and change nothing",
        )
        parser.add_argument(
            "--json", action="store_true", help="print the counts as JSON at a terminal, too"
        )
        parser.add_argument(
            "--every",
            type=_positive,
            metavar="SECONDS",
            help="run again and again, so far apart",
        )
        parser.add_argument(
            "--all",
            action="store_true",
            help="sweep also the days that were swept before, or of which the database has no row",
        )
        parser.add_argument(
            "--limit", type=_positive, metavar="N", help="delete at most N object versions"
        )

    def handle(
        self,
        *args: Any,
        dry_run: bool,
        json: bool,
        every: int | None,
        all: bool,
        limit: int | None,
        **options: Any,
    ) -> None:
        names_all = dry_run or options["verbosity"] > 1
        as_json = json or not self.stdout.isatty()
        self._once = every is None
        if every is None:
            self._run(dry_run, names_all, all, limit, as_json)
            return
        # The first process of a container ignores SIGTERM unless it says what to do.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        while True:
            try:
                self._run(dry_run, names_all, all, limit, as_json)
            except CommandError as error:
                self.stderr.write(str(error))
            # A connection that is idle for so long may be lost.
            connections.close_all()
            time.sleep(every)

    def _run(
        self, dry_run: bool, names_all: bool, every_day: bool, limit: int | None, as_json: bool
    ) -> None:
        stopped = ""
        # Beside a service, its log is where the bar would be.
        with tqdm(unit=" objects", disable=None if self._once else True) as bar:

            def name(line: str) -> None:
                if names_all:
                    with bar.external_write_mode():
                        self.stdout.write(line)

            run = Run(
                now=timezone.now(), dry_run=dry_run, limit=limit, name=name, progress=bar.update
            )
            try:
                collect_garbage(
                    run=run,
                    every_day=every_day,
                    waiting=lambda: self.stderr.write("Another run is under way; waiting for it."),
                )
            except StoreUnavailableError:
                stopped = "the store does not answer, or has no such bucket"
            except Error as error:
                stopped = f"the database failed: {str(error).partition(chr(10))[0]}"
        counts = {what: run.counts[what] for what in COUNTED}
        self.stdout.write(json.dumps(counts) if as_json else _sentence(counts, dry_run=dry_run))
        self.stdout.flush()
        if not stopped and counts["objects_failed"]:
            stopped = "the store refused to delete some object versions"
        if stopped:
            raise CommandError(f"{stopped}; run it again to go on", returncode=2)


def _sentence(counts: dict[str, int], *, dry_run: bool) -> str:
    done = ", ".join(
        f"{number} {what.replace('_', ' ')}"
        for what, number in counts.items()
        if number and what != "bytes_deleted"
    )
    size = f" ({written_size(counts['bytes_deleted'])})" if counts["bytes_deleted"] else ""
    return f"{'Would be: ' if dry_run else ''}{done or 'nothing to do'}{size}"
