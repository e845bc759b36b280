"""Audit: hold all rows and all object versions against each other, and change nothing.

It may run beside a serving service. What changes meanwhile looks wrong for a moment, so whatever
looks wrong is looked at once more before it is said.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Count, Exists, F, Max, OuterRef, Q, QuerySet

from files.models import File, FileVersion, Folder, Integrity, Upload, User
from files.services import quotas
from files.services.garbage import EXPIRY, batches, in_order
from files.store import deletion
from files.store.client import object_store
from files.store.deletion import StoredVersion
from remotedrive.database.limits import no_statement_timeout

_ROOT = "uploads/"
_BATCH = 500
PINNED, WAITING, IN_FLIGHT, UNKNOWN = "pinned", "waiting", "in_flight", "unknown"
KINDS = (PINNED, WAITING, IN_FLIGHT, UNKNOWN)
"""Of object versions: of a live version; to be collected; of an upload that has not ended; of no
row that is known."""
AGES = ("day", "week", "older")


@dataclass
class Audit:
    """An audit at the time `now`. `say` gets a line for everything that is missing or wrong.

    `progress` is called with the number of object versions just looked at.
    """

    now: datetime
    say: Callable[[str], object] = lambda line: None
    progress: Callable[[int], object] = lambda number: None
    wrong: Counter[str] = field(default_factory=Counter)
    objects: Counter[tuple[str, str]] = field(default_factory=Counter)
    sizes: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Object versions, and their bytes, by kind and age."""
    reported: set[UUID] = field(default_factory=set)
    """Versions that were reported; none is twice."""

    @property
    def settled(self) -> datetime:
        """What is dated earlier is seen by everyone, by any clock: no transaction lasts so long."""
        return self.now - timedelta(minutes=1, seconds=settings.CLOCK_SKEW)

    def report(self, kind: str, line: str) -> None:
        self.wrong[kind] += 1
        self.say(f"{kind}: {line}")

    def count(self, kind: str, stored: StoredVersion) -> None:
        age = self.now - (stored.modified_at or self.now)
        name = AGES[(age > timedelta(days=1)) + (age > timedelta(days=7))]
        self.objects[kind, name] += 1
        self.sizes[kind, name] += stored.size


def audit(*, run: Audit) -> None:
    """Look at everything; raises `StoreUnavailableError` when the store does not answer."""
    with no_statement_timeout():
        _audit(run)


def _audit(run: Audit) -> None:
    expected = _live().filter(created_at__lt=run.settled).count()
    found = 0
    for page in deletion.versions(prefix=_ROOT):
        found += _compare(run, page)
        run.progress(len(page))
    unseen = _live() if found < expected else _live().filter(created_at__gte=run.settled)
    for batch in in_order(unseen, "pk"):
        for version in batch:
            _require_stored(run, version)
    corrupt = FileVersion.objects.filter(integrity=Integrity.CORRUPT).filter(_LIVE)
    for version in corrupt.iterator(chunk_size=_BATCH):
        run.report("corrupt", f"{version} ({version.key})")
    _compare_rows(run)
    _compare_counters(run)


_LIVE = Q(purged_at=None, collected_at=None, file__purged_at=None)


def _live() -> QuerySet[FileVersion]:
    return FileVersion.objects.filter(_LIVE).exclude(integrity=Integrity.CORRUPT)


def _compare(run: Audit, page: Sequence[StoredVersion]) -> int:
    """Look at a page of object versions; return how many settled live rows pin them."""
    keys = {each.key for each in page}
    # Uploads first: one that ends after this is found among the versions then.
    uploads = dict(_uploads(run, keys))
    rows: dict[tuple[str, str], list[FileVersion]] = {}
    uncollected = FileVersion.objects.filter(key__in=keys, collected_at=None)
    for version in uncollected.select_related("file"):
        rows.setdefault((version.key, version.store_version_id), []).append(version)
    found = 0
    for stored in page:
        of_pin = rows.get((stored.key, stored.version_id), [])
        live = [each for each in of_pin if each.purged_at is None and each.file.purged_at is None]
        for version in live:
            found += version.created_at < run.settled and version.integrity != Integrity.CORRUPT
            if (stored.size, stored.etag) != (version.size, version.etag):
                _require_stored(run, version)
        if live:
            kind = PINNED
        elif of_pin:
            kind = WAITING
        else:
            kind = uploads.get(stored.key, UNKNOWN)
        run.count(kind, stored)
    return found


def _uploads(run: Audit, keys: set[str]) -> Iterator[tuple[str, str]]:
    """Yield of each key that an upload is known of, what becomes of objects that nothing pins."""
    rows = Upload.objects.filter(key__in=keys).annotate(expiry=EXPIRY)
    for key, state, commit_by in rows.values_list("key", "state", "commit_by"):
        is_pending = state == Upload.State.PENDING and commit_by > run.now
        yield key, IN_FLIGHT if is_pending else WAITING


def _require_stored(run: Audit, version: FileVersion) -> None:
    """Ask the store for what a version pins; report what is missing or differs, if it still is."""
    if version.pk in run.reported:
        return
    stored = object_store().head(version.key, version_id=version.store_version_id)
    row = _live().filter(pk=version.pk).first()
    if row is None or row.store_version_id != version.store_version_id:
        return
    if stored is None:
        run.report("missing", f"{row} ({row.key})")
        run.reported.add(row.pk)
    elif (stored.size, stored.etag) != (row.size, row.etag):
        run.report("differs", f"{row} ({row.key}): another size or ETag in the store")
        run.reported.add(row.pk)


def _compare_rows(run: Audit) -> None:
    """Report rows that contradict each other."""
    newest = FileVersion.objects.filter(
        file=OuterRef("pk"),
        version=OuterRef("version_current"),
        key=OuterRef("key_current"),
        size=OuterRef("size"),
        content_type=OuterRef("content_type"),
        checksum=OuterRef("checksum"),
        integrity=OuterRef("integrity"),
    )
    numbered = File.objects.annotate(number=Count("versions"), last=Max("versions__version"))
    committed = Upload.objects.filter(state=Upload.State.COMMITTED)
    placed = File.objects.present().filter(folder__isnull=False)
    inside = Folder.objects.present().filter(parent__isnull=False)
    _report_twice(
        run,
        {
            "file-and-folder": placed.exclude(folder__deleted_at=None, folder__user=F("user")),
            "folder-and-parent": inside.exclude(parent__deleted_at=None, parent__user=F("user")),
            "file-and-newest-version": File.objects.exclude(Exists(newest)),
            "version-numbers": numbered.exclude(
                number=F("version_current"), last=F("version_current")
            ),
            "upload-and-version": committed.exclude(
                file_version__key=F("key"), file_version__size=F("size")
            ),
        },
    )


def _report_twice(run: Audit, found: dict[str, QuerySet[Any]]) -> None:
    for kind, rows in found.items():
        for batch in batches(rows.values_list("pk", flat=True).iterator(), _BATCH):
            for pk in rows.filter(pk__in=batch).values_list("pk", flat=True):
                run.report(kind, str(pk))


def _compare_counters(run: Audit) -> None:
    """Report users whose counters for the quota are not the sums of their rows."""
    counted = User.objects.filter(bytes_used__isnull=False)
    for pk in counted.values_list("pk", flat=True).iterator(chunk_size=_BATCH):
        with transaction.atomic():
            # Whoever changes the counters has this lock when the rows become visible.
            user = User.objects.select_for_update(no_key=True).get(pk=pk)
            sums = quotas.sums(user_id=user.pk)
        if user.bytes_used is not None and (user.bytes_used, user.bytes_reserved) != sums:
            kept = f"{user.bytes_used} used, {user.bytes_reserved} reserved"
            run.report("quota", f"{user.subject}: {kept}, but {sums[0]} and {sums[1]} in rows")
