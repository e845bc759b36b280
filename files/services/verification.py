"""Reads committed versions back from the store and settles how their checksum is known."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import QuerySet

from files.models import FileVersion, Integrity
from files.object_store import store
from files.services import versions

_BATCH = 100


@dataclass(frozen=True)
class Verified:
    """A version with how its checksum is known now, or `corrupt`, and whether it is `missing`.

    A later run may begin `after` this id: everything up to it was checked.
    """

    version: FileVersion
    integrity: Integrity
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


def verify(
    found: QuerySet[FileVersion], *, progress: Callable[[int], object] | None = None
) -> Iterator[Verified]:
    """Check the versions of `due()` one after another; each is settled before it is yielded.

    Rows are fetched a few at a time, taken in a random order, and looked at again just before
    their bytes are read: so workers side by side seldom read a version twice, and nothing is lost
    where they do. `progress` gets the bytes read or skipped. Raises `StoreUnavailable`; what is
    settled stays.
    """
    after: UUID | None = None
    batch = list(found[:_BATCH])
    while batch:
        for version in random.sample(batch, len(batch)):
            if found.filter(pk=version.pk).exists():
                yield _verify_one(version, progress, after)
            elif progress is not None:
                progress(version.size)
        after = batch[-1].pk
        batch = list(found.filter(id__gt=after)[:_BATCH])


def _verify_one(
    version: FileVersion, progress: Callable[[int], object] | None, after: UUID | None
) -> Verified:
    read = store().sha256(
        version.key, version_id=version.store_version_id, progress=progress, unhurried=True
    )
    good = read == version.checksum
    if not good:
        integrity = Integrity.CORRUPT
    elif version.integrity == Integrity.STORE:
        integrity = Integrity.STORE
    else:
        integrity = Integrity.READ
    if integrity != version.integrity:
        versions.settle_integrity(version=version, integrity=integrity)
    return Verified(version, integrity, missing=read is None, after=after)
