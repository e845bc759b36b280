"""One run of the collector: what it has deleted, and how it deletes.

Every deletion goes through `Run`, which names it before it is done: a dry run stops there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TypeVar

from django.conf import settings
from django.db.models import DateTimeField, F, Model, Q, QuerySet
from django.db.models.functions import Coalesce

from files.keys import day_of
from files.models import FileVersion, SweptDay
from files.store import deletion
from files.store.client import object_store
from files.store.deletion import DELETED_AT_ONCE, StoredVersion

ItemT = TypeVar("ItemT")
RowT = TypeVar("RowT", bound=Model)
Pin = tuple[str, str]
"""Key and version id of an object version."""

COUNTED = (
    "changes_trimmed",
    "folders_purged",
    "files_purged",
    "versions_purged",
    "uploads_collected",
    "versions_collected",
    "objects_deleted",
    "bytes_deleted",
    "objects_failed",
    "multipart_uploads_aborted",
    "files_removed",
    "folders_removed",
    "uploads_forgotten",
    "days_swept",
    "days_unknown",
)
"""What a run counts."""

URL_LIFE = timedelta(days=7)
"""The longest that S3 lets a presigned URL be valid ("Using query parameters", X-Amz-Expires)."""
SWEPT_AGAIN_FOR = timedelta(days=7)
"""For so long a day is swept again, for what a PUT left that had begun in time."""

BATCH = 100
"""Rows that one transaction writes."""

EXPIRY = Coalesce(F("urls_expire_at"), F("commit_by"), output_field=DateTimeField())
"""When the last URL signed for an upload expires; old rows know only until when it can be
committed, which is later."""


@dataclass
class Run:
    """A run at the time `now`, which `name`s what it deletes, a line each.

    `dry_run`: nothing is changed. `limit`: the most object versions it may delete. `progress` is
    called with the number of those just deleted.
    """

    now: datetime
    dry_run: bool = False
    limit: int | None = None
    name: Callable[[str], object] = lambda line: None
    progress: Callable[[int], object] = lambda number: None
    counts: Counter[str] = field(default_factory=Counter)
    named_keys: set[str] = field(default_factory=set)
    """Keys of several versions, of which a dry run has named all there is to delete."""

    @property
    def expired_before(self) -> datetime:
        """What expired then has expired by any clock."""
        return self.now - timedelta(seconds=settings.CLOCK_SKEW)

    @property
    def collected_before(self) -> datetime:
        """What was purged before then may be deleted."""
        return self.now - timedelta(seconds=settings.GC_DELAY)

    @property
    def swept_before(self) -> datetime:
        """What began before then, no URL that is still valid can write."""
        return self.expired_before - URL_LIFE - timedelta(seconds=settings.UPLOAD_GRACE)

    @property
    def settled_before(self) -> datetime:
        """What could last be written before then has been swept for the last time."""
        return self.swept_before - SWEPT_AGAIN_FOR

    @property
    def at_limit(self) -> bool:
        return self.limit is not None and self.counts["objects_deleted"] >= self.limit

    def delete(self, found: Iterable[StoredVersion]) -> set[str]:
        """Delete these; return the keys of those that are still there, by the limit or an error."""
        kept: set[str] = set()
        for batch in batches(found, DELETED_AT_ONCE):
            left = len(batch) if self.limit is None else self.limit - self.counts["objects_deleted"]
            kept |= {each.key for each in batch[left:]}
            if batch[:left]:
                kept |= self._delete(batch[:left])
        return kept

    def abort_multipart(self, key: str, upload_id: str) -> None:
        """Abort the multipart upload, if the store has it."""
        if object_store().list_parts(key, upload_id=upload_id) is None:
            return
        self.name(f"{key} multipart upload {upload_id}")
        if not self.dry_run:
            object_store().abort_multipart(key, upload_id=upload_id)
        self.counts["multipart_uploads_aborted"] += 1

    def _delete(self, batch: Sequence[StoredVersion]) -> set[str]:
        for each in batch:
            self.name(f"{each.key} {each.version_id}")
        failed = {} if self.dry_run else deletion.delete(batch)
        for each, code in failed.items():
            self.name(f"{each.key} {each.version_id} could not be deleted: {code}")
        done = [each for each in batch if each not in failed]
        self.counts["objects_deleted"] += len(done)
        self.counts["bytes_deleted"] += sum(each.size for each in done)
        self.counts["objects_failed"] += len(failed)
        self.progress(len(done))
        return {each.key for each in failed}


def remember_days(keys: Iterable[str]) -> None:
    """Remember that there were rows for the days of these keys, which are about to be deleted."""
    days = {day for key in keys if (day := day_of(key))}
    never = datetime.min.replace(year=1970, tzinfo=UTC)
    SweptDay.objects.bulk_create(
        (SweptDay(day=day, swept_at=never) for day in days), ignore_conflicts=True
    )


def batches(items: Iterable[ItemT], size: int) -> Iterator[list[ItemT]]:
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch


def under_keys(keys: Iterable[str], *, pinned: set[Pin]) -> Iterator[StoredVersion]:
    """Yield every object version under exactly these keys that is not `pinned`."""
    for page in deletion.versions_of(keys=keys):
        yield from (each for each in page if (each.key, each.version_id) not in pinned)


def in_order(rows: QuerySet[RowT], column: str) -> Iterator[list[RowT]]:
    """Yield `rows` by `column` and id, in batches that are read one after the other."""
    batch = list(rows.order_by(column, "pk")[:BATCH])
    while batch:
        yield batch
        at, pk = getattr(batch[-1], column), batch[-1].pk
        beyond = Q(**{f"{column}__gt": at}) | Q(pk__gt=pk)
        # The first condition says nothing new, but lets the index find where to begin.
        batch = list(rows.filter(beyond, **{f"{column}__gte": at}).order_by(column, "pk")[:BATCH])


def pins(run: Run, keys: Iterable[str]) -> set[Pin]:
    """Return what is pinned under these keys by versions that are live, or purged only lately.

    The latter are live in a dump that was made before the purge.
    """
    recent = Q(purged_at=None) | Q(purged_at__gte=run.collected_before)
    recent &= Q(file__purged_at=None) | Q(file__purged_at__gte=run.collected_before)
    rows = FileVersion.objects.filter(recent, key__in=keys, collected_at=None)
    return set(rows.values_list("key", "store_version_id"))
