"""Reads committed versions back from the store and settles their `integrity`."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import QuerySet

from files.exceptions import ObjectUnreadableError, StoreUnavailableError
from files.models import FileVersion, Integrity
from files.services import versions
from files.store.client import object_store

_BATCH = 100


@dataclass(frozen=True)
class VerificationResult:
    """A checked version; a later run may begin `after` this id.

    `integrity` is the settled value. None: the store works but could not read this object, and
    nothing was settled. `missing`: the store has no such object version.
    """

    version: FileVersion
    integrity: Integrity | None
    missing: bool
    after: UUID | None


def due(
    *, every: bool = False, since: datetime | None = None, after: UUID | None = None
) -> QuerySet[FileVersion]:
    """Return the live versions to check, oldest first: the `declared` ones, or `every` one.

    `since` leaves out versions committed earlier, `after` those with this id or a smaller one.
    """
    found = (
        FileVersion.objects.live()
        if every
        else FileVersion.objects.live().filter(integrity=Integrity.DECLARED)
    )
    if since is not None:
        found = found.filter(created_at__gte=since)
    if after is not None:
        found = found.filter(id__gt=after)
    return found.order_by("id")


def corrupt(*, since: datetime | None = None) -> int:
    """Return how many live versions, committed from `since` on, are known to be corrupt."""
    found = FileVersion.objects.live().filter(integrity=Integrity.CORRUPT)
    return found.count() if since is None else found.filter(created_at__gte=since).count()


def verify(
    found: QuerySet[FileVersion], *, progress: Callable[[int], object] | None = None
) -> Iterator[VerificationResult]:
    """Check the versions of `due()` one by one; each is settled before it is yielded.

    Rows are fetched in batches, shuffled, and read again just before their bytes are: so parallel
    workers seldom check a version twice, and do no harm when they do. `progress` is called with the
    bytes read or skipped. Raises `StoreUnavailableError` when the store does not answer; what is
    settled stays.
    """
    after: UUID | None = None
    batch = list(found[:_BATCH])
    while batch:
        for version in random.sample(batch, len(batch)):
            # Another worker may have settled it meanwhile, or a restore pinned another object.
            if (current := found.filter(pk=version.pk).first()) is not None:
                if (result := _verify_one(current, progress, after)) is not None:
                    yield result
            elif progress is not None:
                progress(version.size)
        after = batch[-1].pk
        batch = list(found.filter(id__gt=after)[:_BATCH])


def _verify_one(
    version: FileVersion, progress: Callable[[int], object] | None, after: UUID | None
) -> VerificationResult | None:
    """Check one version; None when it was purged meanwhile, and its bytes may be gone."""
    try:
        read = object_store().sha256(
            version.key,
            version_id=version.store_version_id,
            progress=progress,
            per_read_timeout_only=True,
        )
    except (StoreUnavailableError, ObjectUnreadableError):
        object_store().bucket_state()
        return VerificationResult(version, None, missing=False, after=after)
    good = read == version.checksum
    if not good and not FileVersion.objects.live().filter(pk=version.pk).exists():
        return None
    if not good:
        integrity = Integrity.CORRUPT
    elif version.integrity == Integrity.STORE:
        integrity = Integrity.STORE
    else:
        integrity = Integrity.READ
    if integrity != version.integrity and not versions.settle_integrity(
        version=version, integrity=integrity
    ):
        version.refresh_from_db()
        return _verify_one(version, progress, after)
    return VerificationResult(version, integrity, missing=read is None, after=after)
