"""`manage.py restore_objects DIR`: put the bytes of all versions back into an empty bucket."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from files.management.progress import follow
from files.services import backups
from files.services.backups import Outcome

_WORDS = {
    Outcome.DONE: "restored",
    Outcome.PRESENT: "there before",
    Outcome.MISSING: "missing in the folder",
    Outcome.DIFFERENT: "with other bytes in the folder",
    Outcome.UNREADABLE: "unreadable in the folder",
    Outcome.TAKEN: "in the store with another size, left as it is",
    Outcome.REFUSED: "not taken by the store",
}


class Command(BaseCommand):
    help = (
        "After the database was restored, and bootstrap_store has made the bucket: put what the "
        "store does not have, or has with other bytes in a version found corrupt, from DIR, as "
        "backup_objects left it, and let the rows name the new object versions. Only while the "
        "service is stopped. Exit 0: all are there; 1: some are missing in DIR, or others; 2: none "
        "is, but store or database do not answer, or the store does not take some. May be stopped "
        "at any time and started again."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("folder", type=Path, metavar="DIR")

    def handle(self, *args: Any, folder: Path, **options: Any) -> None:
        if not folder.is_dir():
            raise CommandError(f"{folder} is not a folder")
        try:
            follow(
                self,
                lambda progress: backups.restore(folder=folder, progress=progress),
                words=_WORDS,
            )
        except backups.NoVersionedBucketError:
            raise CommandError(
                "the store has no such bucket that keeps versions: run bootstrap_store first"
            ) from None
