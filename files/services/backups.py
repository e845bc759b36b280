"""Copies the bytes of all versions to a folder, and brings them back into a new bucket.

A restored object gets a version id of its own, so `restore` is the one place where the pin of a
version may change: only where the store no longer has what is pinned, and only to the same bytes.
It is for a service that is stopped. Nothing is ever deleted here.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum, auto
from functools import partial
from pathlib import Path

from django.db import transaction

from files import checksums
from files.exceptions import ObjectUnreadable, StoreUnavailable
from files.models import File, FileVersion, Integrity
from files.object_store import ObjectVersion, store
from files.services import versions
from files.services.uploads import part_size

_BATCH = 100


class Outcome(Enum):
    """What became of one version."""

    DONE = auto()
    PRESENT = auto()
    """It was there before."""
    MISSING = auto()
    """There is nothing to copy from."""
    DIFFERENT = auto()
    """What is to be copied has other bytes than the row says."""
    TAKEN = auto()
    """The store has the pinned version, in another size: the pin is left as it is."""
    REFUSED = auto()
    """The store, which answers otherwise, does not do this one; that may be mended there."""


class NoVersionedBucket(Exception):
    """The store has no such bucket, or does not keep versions in it."""


@dataclass(frozen=True)
class Copy:
    """A version and what became of its copy."""

    version: FileVersion
    outcome: Outcome


def back_up(
    *, folder: Path, verify: bool = False, progress: Callable[[int], object] | None = None
) -> Iterator[Copy]:
    """Copy the bytes of each version to `folder`/`key`, unless they are there.

    What is there with the right size counts as copied before, with `verify` only after it was
    read. A file appears under its name whole and checked. `progress` gets the bytes read or
    skipped. Raises `StoreUnavailable` where the store does not answer at all, `OSError` where the
    folder cannot be written; another run goes on from there.
    """
    for version in _all_versions():
        target = folder / version.key
        if _is_copy(target, version, verify=verify):
            outcome = Outcome.PRESENT
            if progress is not None:
                progress(version.size)
        else:
            outcome = _unless_refused(partial(_fetch, version, target, progress))
        yield Copy(version, outcome)


def restore(*, folder: Path, progress: Callable[[int], object] | None = None) -> Iterator[Copy]:
    """Put what the store does not have of the versions from `folder`/`key`, and pin it.

    `progress` gets the size of each version that is done with. Raises `NoVersionedBucket`,
    `StoreUnavailable` where the store does not answer at all, `OSError` where a file cannot be
    read; another run goes on from there.
    """
    if not store().bucket_state().versioned:
        raise NoVersionedBucket
    for version in _all_versions():
        source = folder / version.key
        outcome = _unless_refused(partial(_put_back, version, source))
        if progress is not None:
            progress(version.size)
        yield Copy(version, outcome)


def _all_versions() -> Iterator[FileVersion]:
    """Give all versions, oldest first. Fetched a few at a time: a copy of one may take hours."""
    found = FileVersion.objects.order_by("id")
    batch = list(found[:_BATCH])
    while batch:
        yield from batch
        batch = list(found.filter(id__gt=batch[-1].pk)[:_BATCH])


def _unless_refused(copy: Callable[[], Outcome]) -> Outcome:
    """Return what `copy` returns; raise StoreUnavailable only where nothing at all would work."""
    try:
        return copy()
    except (StoreUnavailable, ObjectUnreadable):
        if not store().bucket_state().exists:
            raise
        return Outcome.REFUSED


def _is_copy(path: Path, version: FileVersion, *, verify: bool) -> bool:
    if not path.is_file() or path.stat().st_size != version.size:
        return False
    return not verify or _has_its_bytes(path, version)


def _has_its_bytes(path: Path, version: FileVersion) -> bool:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").digest()
    return checksums.from_digest(digest) == version.checksum


def _fetch(version: FileVersion, target: Path, progress: Callable[[int], object] | None) -> Outcome:
    """Copy the pinned bytes to `target` by way of another name in the same folder."""
    target.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=".", suffix=".part")
    temporary = Path(name)
    try:
        with open(descriptor, "wb") as file:
            read = store().sha256(
                version.key,
                version_id=version.store_version_id,
                into=file,
                progress=progress,
                unhurried=True,
            )
            file.flush()
            os.fsync(file.fileno())
        if read is None:
            return Outcome.MISSING
        if read != version.checksum:
            return Outcome.DIFFERENT
        temporary.replace(target)
        return Outcome.DONE
    finally:
        temporary.unlink(missing_ok=True)


def _put_back(version: FileVersion, source: Path) -> Outcome:
    try:
        there = store().head(version.key, version_id=version.store_version_id)
    except ObjectUnreadable:
        # To another kind of store its id is no version id at all. It is not an object that needs
        # headers of its own: commit pins no such version.
        there = None
    if there is not None:
        return Outcome.PRESENT if there.size == version.size else Outcome.TAKEN
    if not source.is_file():
        return Outcome.MISSING
    if not _is_copy(source, version, verify=True):
        return Outcome.DIFFERENT
    with source.open("rb") as file:
        stored = store().put(
            version.key,
            file,
            size=version.size,
            checksum=version.checksum,
            part_size=part_size(version.size),
        )
    _pin(version, stored)
    return Outcome.DONE


def _pin(version: FileVersion, stored: ObjectVersion) -> None:
    """Pin `stored`, unless another run has been quicker. A checksum that the store does not attest
    is a declared one, until `verify_checksums` has read the object."""
    attested = stored.sha256 == version.checksum
    with transaction.atomic():
        # As a commit locks it.
        File.objects.select_for_update(no_key=True).get(pk=version.file_id)
        pinned = FileVersion.objects.filter(
            pk=version.pk, store_version_id=version.store_version_id
        ).update(store_version_id=stored.version_id, etag=stored.etag)
        if pinned:
            versions.settle_integrity(
                version=version,
                integrity=Integrity.STORE if attested else Integrity.DECLARED,
            )
