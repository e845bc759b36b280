"""`manage.py verify_checksums`: read versions back and check their SHA-256."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError
from django.db import Error
from django.utils.dateparse import parse_date, parse_datetime
from tqdm import tqdm

from files.exceptions import StoreUnavailableError
from files.management.progress import total_size
from files.models import Integrity
from files.services import verification


def _time(text: str) -> datetime:
    try:
        day = parse_date(text)
        time = parse_datetime(text) if day is None else datetime(day.year, day.month, day.day)
    except ValueError:
        time = None
    if time is None:
        raise ArgumentTypeError(f"{text!r} is not a date like 2026-01-31 or a time in ISO 8601")
    return time if time.tzinfo is not None else time.replace(tzinfo=UTC)


class Command(BaseCommand):
    help = (
        "Read the versions whose checksum is only declared, compute their SHA-256 and record the "
        "result. The command can be stopped at any time and started again, and several can run in "
        "parallel. Exit status: 0 all good; 1 some are corrupt, found now or before; 2 not "
        "finished: store or database failed."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--all", action="store_true", help="check every version, not only the declared ones"
        )
        parser.add_argument(
            "--since", type=_time, help="check only versions committed at or after this time"
        )
        parser.add_argument(
            "--after", type=UUID, metavar="ID", help="continue after the version with this id"
        )

    def handle(
        self,
        *args: Any,
        all: bool,
        since: datetime | None,
        after: UUID | None,
        **options: Any,
    ) -> None:
        due = verification.due(every=all, since=since, after=after)
        checked, found_corrupt, unreadable, away = 0, 0, 0, ""
        with tqdm(total=total_size(due), unit="B", unit_scale=True, disable=None) as bar:
            try:
                for result in verification.verify(due, progress=bar.update):
                    checked += 1
                    after = result.after or after
                    found_corrupt += result.integrity == Integrity.CORRUPT
                    unreadable += result.integrity is None
                    if (finding := _finding(result)) is not None:
                        bar.write(f"{result.version} ({result.version.key}) {finding}")
            except StoreUnavailableError:
                away = "the store does not answer"
            except Error:
                away = "the database does not answer"
        where = f"; continue with --after {after}" if after is not None else ""
        away = away and f"{away}; {checked} versions checked{where}"
        try:
            corrupt = verification.corrupt(since=since)
        except Error:
            corrupt = found_corrupt
            away = away or f"the database does not answer; {checked} versions checked"
        self.stdout.write(
            f"{checked} versions checked, {corrupt} corrupt"
            + (f", {unreadable} unreadable" if unreadable else "")
        )
        if away:
            raise CommandError(away, returncode=1 if corrupt else 2)
        if corrupt or unreadable:
            raise SystemExit(1 if corrupt else 2)


def _finding(result: verification.VerificationResult) -> str | None:
    if result.integrity is None:
        return "cannot be read by the store"
    if result.integrity != Integrity.CORRUPT:
        return None
    return "is corrupt: gone from the store" if result.missing else "is corrupt: other bytes"
