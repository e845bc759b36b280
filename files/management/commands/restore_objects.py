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
        "Upload the objects that the store lacks, or that were found corrupt, from DIR, a folder "
        "written by backup_objects, and pin the new object versions in the database. Restore the "
        "database and run bootstrap_store first; the service must be stopped. The command can be "
        "stopped at any time and started again. Exit status: 0 all are in the store; 1 some are "
        "missing or differ; 2 not finished: store or database failed."
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
                "the bucket does not exist or is not versioned: run bootstrap_store first"
            ) from None
