"""Copies the bytes of all versions to a folder, and brings them back into a new bucket.

A restored object gets a version id of its own, so `restore` is the one place where the pin of a
version may change: only where the store no longer has what is pinned, or where what it has was
found corrupt, and only to bytes of the row's checksum.
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
from files.exceptions import ObjectUnreadableError, StoreUnavailableError
from files.models import File, FileVersion, Integrity
from files.services import versions
from files.services.uploads import part_size
from files.store.client import ContentMismatchError, ObjectVersion, object_store

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
    UNREADABLE = auto()
    """What is to be copied is in the folder and cannot be read there."""
    CORRUPT = auto()
    """It was found corrupt before, and there is no copy from before that."""


class NoVersionedBucketError(Exception):
    """The store has no such bucket, or does not keep versions in it."""


@dataclass(frozen=True)
class CopyResult:
    """A version and what became of its copy."""

    version: FileVersion
    outcome: Outcome


def back_up(
    *, folder: Path, verify: bool = False, progress: Callable[[int], object] | None = None
) -> Iterator[CopyResult]:
    """Copy the bytes of each version to `folder`/`key`, unless they are there.

    What is there with the right size counts as copied before, with `verify` only after it was read.
    What is known to be corrupt is not asked for. A file appears under its name whole and checked.
    `progress` gets the bytes read or skipped. Raises `StoreUnavailableError` where the store does
    not answer at all, `OSError` where the folder cannot be written; another run goes on from there.
    """
    for version in _all_versions():
        target = folder / version.key
        if _is_copy(target, version, verify=verify):
            outcome = Outcome.PRESENT
        elif version.integrity == Integrity.CORRUPT:
            outcome = Outcome.CORRUPT
        else:
            outcome = _unless_refused(partial(_fetch, version, target, progress))
        if progress is not None and outcome in (Outcome.PRESENT, Outcome.CORRUPT):
            progress(version.size)
        yield CopyResult(version, outcome)


def restore(
    *, folder: Path, progress: Callable[[int], object] | None = None
) -> Iterator[CopyResult]:
    """Put what the store does not have of the versions from `folder`/`key`, and pin it.

    So, too, what was found corrupt; where the store reads the right bytes now, that is recorded.
    `progress` gets the size of each version that is done with. Raises `NoVersionedBucket`, and
    `StoreUnavailableError` where the store does not answer at all; another run goes on from there.
    """
    if not object_store().bucket_state().versioned:
        raise NoVersionedBucketError
    for version in _all_versions():
        source = folder / version.key
        outcome = _unless_refused(partial(_put_back, version, source))
        if progress is not None:
            progress(version.size)
        yield CopyResult(version, outcome)


def _all_versions() -> Iterator[FileVersion]:
    """Give all versions, oldest first. Fetched a few at a time: a copy of one may take hours."""
    found = FileVersion.objects.order_by("id")
    batch = list(found[:_BATCH])
    while batch:
        yield from batch
        batch = list(found.filter(id__gt=batch[-1].pk)[:_BATCH])


def _unless_refused(copy: Callable[[], Outcome]) -> Outcome:
    """Return what `copy` returns; REFUSED where the store fails for this one object only."""
    try:
        return copy()
    except (StoreUnavailableError, ObjectUnreadableError):
        if not object_store().bucket_state().exists:
            raise
        return Outcome.REFUSED


def _is_copy(path: Path, version: FileVersion, *, verify: bool) -> bool:
    """Return whether `path` is a copy of that size, with `verify` one of those bytes."""
    try:
        if not path.is_file() or path.stat().st_size != version.size:
            return False
        return not verify or _has_its_bytes(path, version)
    except OSError:
        # What cannot be read is no copy; where none can be made either, that says so.
        return False


def _has_its_bytes(path: Path, version: FileVersion) -> bool:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").digest()
    return checksums.from_digest(digest) == version.checksum


def _fetch(version: FileVersion, target: Path, progress: Callable[[int], object] | None) -> Outcome:
    """Copy the pinned bytes to `target` by way of another name in the same folder."""
    changed = [target.parent, *(path.parent for path in target.parents if not path.exists())]
    target.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=".", suffix=".part")
    temporary = Path(name)
    try:
        with open(descriptor, "wb") as file:
            read = object_store().copy(
                version.key, version_id=version.store_version_id, into=file, progress=progress
            )
            file.flush()
            os.fsync(file.fileno())
        if read is None:
            return Outcome.MISSING
        if read != version.checksum:
            return Outcome.DIFFERENT
        temporary.replace(target)
        for folder in changed:
            _sync(folder)
        return Outcome.DONE
    finally:
        temporary.unlink(missing_ok=True)


def _sync(folder: Path) -> None:
    """Let the names in `folder` outlast a power cut, as the bytes do; Windows opens no folder."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _put_back(version: FileVersion, source: Path) -> Outcome:
    there = _pinned(version)
    if there is not None:
        if version.integrity != Integrity.CORRUPT:
            return Outcome.PRESENT if there.size == version.size else Outcome.TAKEN
        if _is_good_again(version):
            return Outcome.PRESENT
    try:
        if not source.is_file():
            return Outcome.MISSING
        if source.stat().st_size != version.size:
            return Outcome.DIFFERENT
        with source.open("rb") as file:
            stored = object_store().put(
                version.key,
                file,
                size=version.size,
                checksum=version.checksum,
                part_size=part_size(version.size),
            )
    except ContentMismatchError:
        return Outcome.DIFFERENT
    except OSError:
        return Outcome.UNREADABLE
    _pin(version, stored)
    return Outcome.DONE


def _pinned(version: FileVersion) -> ObjectVersion | None:
    """Return what the store has of the pin; None if nothing.

    To another kind of store a version id may be none at all, and its answer is 400. It is not an
    object that needs headers of its own: commit pins no such version. Raises
    `ObjectUnreadableError` where the 400 may be about something else.
    """
    try:
        return object_store().head(version.key, version_id=version.store_version_id)
    except ObjectUnreadableError:
        # The key itself, and a version id of this store's own, must be readable the same way.
        newest = object_store().head(version.key)
        if newest is not None:
            object_store().head(version.key, version_id=newest.version_id)
    try:
        return object_store().head(version.key, version_id=version.store_version_id)
    except ObjectUnreadableError:
        return None


def _is_good_again(version: FileVersion) -> bool:
    """Read what is pinned by a version found corrupt; record it where it has the right bytes."""
    read = object_store().sha256(
        version.key, version_id=version.store_version_id, per_read_timeout_only=True
    )
    if read != version.checksum:
        return False
    versions.settle_integrity(version=version, integrity=Integrity.READ)
    return True


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
            version.store_version_id, version.etag = stored.version_id, stored.etag
            versions.settle_integrity(
                version=version,
                integrity=Integrity.STORE if attested else Integrity.DECLARED,
            )
