"""`manage.py backup_objects DIR`: copy the bytes of all versions from the store to a folder."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand

from files.management.progress import follow
from files.services import backups
from files.services.backups import Outcome

_WORDS = {
    Outcome.DONE: "copied",
    Outcome.PRESENT: "there before",
    Outcome.MISSING: "gone from the store",
    Outcome.DIFFERENT: "with other bytes in the store",
    Outcome.REFUSED: "not readable by the store",
    Outcome.CORRUPT: "known to be corrupt",
}


class Command(BaseCommand):
    help = (
        "Copy the bytes of every committed version to DIR/<key>, unless a copy is there, and check "
        "their SHA-256. Dump the database first. The command can be stopped at any time and "
        "started again. Exit status: 0 all copied (known-corrupt ones excepted); 1 some are "
        "missing or differ; 2 not finished: store, database or DIR failed."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("folder", type=Path, metavar="DIR", help="created if missing")
        parser.add_argument(
            "--verify", action="store_true", help="also check the SHA-256 of copies already in DIR"
        )

    def handle(self, *args: Any, folder: Path, verify: bool, **options: Any) -> None:
        follow(
            self,
            lambda progress: backups.back_up(folder=folder, verify=verify, progress=progress),
            words=_WORDS,
        )
