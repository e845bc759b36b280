"""Progress bar, output and exit status of the commands that copy or read all versions."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, Error
from django.db.models import QuerySet, Sum
from tqdm import tqdm

from files.exceptions import StoreUnavailableError
from files.models import FileVersion
from files.services.backups import CopyResult, Outcome

_NOT_NAMED = {Outcome.DONE, Outcome.PRESENT}
_GOOD = _NOT_NAMED | {Outcome.CORRUPT}
_PERHAPS_LATER = {Outcome.REFUSED}


def total_size(found: QuerySet[FileVersion]) -> int | None:
    """Return the total bytes of these versions, for a progress bar.

    None without a terminal to show it, or when the database takes too long.
    """
    if not sys.stderr.isatty():
        return None
    try:
        return found.aggregate(bytes=Sum("size"))["bytes"] or 0
    except DatabaseError:
        return None


def follow(
    command: BaseCommand,
    copies: Callable[[Callable[[int], object]], Iterator[CopyResult]],
    *,
    words: Mapping[Outcome, str],
) -> None:
    """Run `copies`, and print every version that was not copied, and the counts.

    `copies` gets the callback for its progress; `words` describes each outcome. Exit status: 1 when
    a version is missing or differs; otherwise 2 when the run did not finish or the store failed for
    some versions.
    """
    counts: Counter[Outcome] = Counter()
    stopped = ""
    total = total_size(FileVersion.objects.filter(collected_at=None))
    with tqdm(total=total, unit="B", unit_scale=True, disable=None) as bar:
        try:
            for copy in copies(bar.update):
                counts[copy.outcome] += 1
                if copy.outcome not in _NOT_NAMED:
                    bar.write(f"{copy.version} ({copy.version.key}) {words[copy.outcome]}")
        except StoreUnavailableError:
            stopped = "the store does not answer, or has no such bucket"
        except Error:
            stopped = "the database does not answer"
        except OSError as error:
            where = f"{error.filename}: " if error.filename else ""
            stopped = f"{where}{error.strerror or error}"
    found = "".join(f", {counts[outcome]} {what}" for outcome, what in words.items())
    command.stdout.write(f"{counts.total()} versions{found}")
    not_good = counts.keys() - _GOOD
    status = 1 if not_good - _PERHAPS_LATER else 2
    if stopped:
        raise CommandError(f"{stopped}; run it again to go on", returncode=status)
    if not_good:
        raise SystemExit(status)
