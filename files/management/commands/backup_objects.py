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
        "Copy the bytes of every committed version to DIR/<key>, unless they are there, and hold "
        "them against their SHA-256. Dump the database before. Exit 0: all are there but those "
        "known to be corrupt; 1: more are gone from the store, or others; 2: none is, but store or "
        "database do not answer, or the store cannot read some, or DIR cannot be written. May be "
        "stopped at any time and started again."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("folder", type=Path, metavar="DIR", help="is made if it is missing")
        parser.add_argument(
            "--verify", action="store_true", help="read what is in DIR already, too"
        )

    def handle(self, *args: Any, folder: Path, verify: bool, **options: Any) -> None:
        follow(
            self,
            lambda progress: backups.back_up(folder=folder, verify=verify, progress=progress),
            words=_WORDS,
        )
