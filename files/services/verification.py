"""Reads committed versions back from the store and settles how their checksum is known."""

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
    """A version and what was found of it; a later run may begin `after` this id.

    `integrity` is how its checksum is known now; None where the store, which answers otherwise,
    cannot read these bytes: that may be mended there, so nothing was settled.
    """

    version: FileVersion
    integrity: Integrity | None
    missing: bool
    after: UUID | None


def due(
    *, every: bool = False, since: datetime | None = None, after: UUID | None = None
) -> QuerySet[FileVersion]:
    """Return the versions to check: the `declared` ones, or `every` one, oldest first.

    `since` leaves out those committed before, `after` those up to and with that version's id.
    """
    found = (
        FileVersion.objects.all()
        if every
        else FileVersion.objects.filter(integrity=Integrity.DECLARED)
    )
    if since is not None:
        found = found.filter(created_at__gte=since)
    if after is not None:
        found = found.filter(id__gt=after)
    return found.order_by("id")


def corrupt(*, since: datetime | None = None) -> int:
    """Return how many versions are known to be corrupt, by this run or an earlier one."""
    found = FileVersion.objects.filter(integrity=Integrity.CORRUPT)
    return found.count() if since is None else found.filter(created_at__gte=since).count()


def verify(
    found: QuerySet[FileVersion], *, progress: Callable[[int], object] | None = None
) -> Iterator[VerificationResult]:
    """Check the versions of `due()` one after another; each is settled before it is yielded.

    Rows are fetched a few at a time, taken in a random order, and looked at again just before
    their bytes are read: so workers side by side seldom read a version twice, and nothing is lost
    where they do. `progress` gets the bytes read or skipped. Raises `StoreUnavailableError` where
    the store does not answer at all; what is settled stays.
    """
    after: UUID | None = None
    batch = list(found[:_BATCH])
    while batch:
        for version in random.sample(batch, len(batch)):
            # Anew: another worker may have settled it, or a restore have pinned it anew.
            if (now := found.filter(pk=version.pk).first()) is not None:
                yield _verify_one(now, progress, after)
            elif progress is not None:
                progress(version.size)
        after = batch[-1].pk
        batch = list(found.filter(id__gt=after)[:_BATCH])


def _verify_one(
    version: FileVersion, progress: Callable[[int], object] | None, after: UUID | None
) -> VerificationResult:
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
