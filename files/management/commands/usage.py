"""`manage.py usage`: who has how much in the store."""

from __future__ import annotations

import json
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import Error

from files.services.usage import UserUsage, usage_by_user
from remotedrive.sizes import written_size

_LINE = "{files:>10} {versions:>10} {size:>12} {quota:>12}  {subject}"


def _number(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) == 0:
        raise ArgumentTypeError("a whole number from 1 is needed")
    return int(text)


@dataclass
class _Total:
    users: int = 0
    files: int = 0
    versions: int = 0
    size: int = 0

    def add(self, user: UserUsage) -> None:
        self.users += 1
        self.files += user.files
        self.versions += user.versions
        self.size += user.size


class Command(BaseCommand):
    help = (
        "Print the files, versions, bytes and quota of each user, the most bytes first, and the "
        "totals of all users. Files in the trash count; versions and bytes count until they are "
        "collected, as for a quota. Nothing is changed. Exit status: 2 if the database failed."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="print JSON; sizes are bytes")
        parser.add_argument(
            "--limit", type=_number, metavar="N", help="print only the N users with the most bytes"
        )

    def handle(self, *args: Any, json: bool, limit: int | None, **options: Any) -> None:
        write: Callable[[str], object] = lambda line: self.stdout.write(line)  # noqa: E731
        total = _Total()
        try:
            (_write_json if json else _write_text)(write, _shown(total, limit), total)
        except Error as error:
            reason = str(error).partition("\n")[0]
            raise CommandError(f"the database failed: {reason}; run it again", returncode=2) from (
                error
            )


def _shown(total: _Total, limit: int | None) -> Iterator[UserUsage]:
    """Yield the users to print, and count all of them."""
    for user in usage_by_user():
        total.add(user)
        if limit is None or total.users <= limit:
            yield user


def _write_text(write: Callable[[str], object], users: Iterator[UserUsage], total: _Total) -> None:
    head = {name: name for name in ("files", "versions", "quota", "subject")}
    write(_LINE.format(size="bytes", **head))
    for user in users:
        quota = "none" if user.quota is None else written_size(user.quota)
        # Whatever a name has in it, it is one line.
        subject = user.subject if user.subject.isprintable() else ascii(user.subject)
        counts = {"files": user.files, "versions": user.versions}
        write(_LINE.format(size=written_size(user.size), quota=quota, subject=subject, **counts))
    counts = {"files": total.files, "versions": total.versions}
    subject = f"{total.users} users"
    write(_LINE.format(size=written_size(total.size), quota="", subject=subject, **counts))


def _write_json(write: Callable[[str], object], users: Iterator[UserUsage], total: _Total) -> None:
    """Write one JSON object, a line for each user, so that none is kept."""
    write('{"users": [')
    comma = ""
    for user in users:
        shown = {
            "subject": user.subject,
            "files": user.files,
            "versions": user.versions,
            "bytes": user.size,
            "quota_bytes": user.quota,
        }
        write(comma + json.dumps(shown))
        comma = ","
    shown = {"users": total.users, "files": total.files, "versions": total.versions}
    write(f'], "total": {json.dumps(shown | {"bytes": total.size})}}}')
