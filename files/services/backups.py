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
from django.db.models import QuerySet

from files import checksums
from files.exceptions import ObjectUnreadableError, StoreUnavailableError
from files.models import File, FileVersion, Integrity
from files.services import versions
from files.services.trees import lock_in_order
from files.services.uploads import part_size
from files.store.client import ContentMismatchError, ObjectVersion, object_store

_BATCH = 100


class Outcome(Enum):
    """What happened to one version."""

    DONE = auto()
    PRESENT = auto()
    """It was there before, and nothing was copied."""
    MISSING = auto()
    """The source does not have it."""
    DIFFERENT = auto()
    """The source does not match the size or checksum of the row."""
    TAKEN = auto()
    """The store has the pinned object version with another size; the pin is not changed."""
    REFUSED = auto()
    """The store works but failed for this object."""
    UNREADABLE = auto()
    """The copy in the folder cannot be read."""
    CORRUPT = auto()
    """It is known to be corrupt, and the folder has no copy from before."""


class NoVersionedBucketError(Exception):
    """The bucket does not exist or is not versioned."""


@dataclass(frozen=True)
class CopyResult:
    """A version and the outcome of copying it."""

    version: FileVersion
    outcome: Outcome


def back_up(
    *, folder: Path, verify: bool = False, progress: Callable[[int], object] | None = None
) -> Iterator[CopyResult]:
    """Copy the bytes of each version to `folder`/`key`, unless a copy is there.

    A file of the right size is taken for a copy; with `verify`, only if its checksum matches, too.
    Versions known to be corrupt are not copied; purged ones are as long as their bytes are there,
    as a dump made before the purge names them. A copy gets its name only when it is complete and
    its checksum matches. `progress` is called with the bytes read or skipped. Raises
    `StoreUnavailableError` when the store does not answer, `OSError` when the folder cannot be
    written; another run continues from there.
    """
    for version in _in_batches(FileVersion.objects.filter(collected_at=None)):
        target = folder / version.key
        if _is_copy(target, version, verify=verify):
            outcome = Outcome.PRESENT
        elif version.integrity == Integrity.CORRUPT:
            outcome = Outcome.CORRUPT
        else:
            outcome = _unless_refused(partial(_fetch, version, target, progress))
        if progress is not None and outcome in (Outcome.PRESENT, Outcome.CORRUPT):
            progress(version.size)
        if outcome == Outcome.MISSING and _is_purged(version):
            continue
        yield CopyResult(version, outcome)


def restore(
    *, folder: Path, progress: Callable[[int], object] | None = None
) -> Iterator[CopyResult]:
    """Store and pin `folder`/`key` for each live version that the store lacks or has corrupt.

    A corrupt version whose object has the right checksum now keeps its pin and is marked as good.
    `progress` is called with the size of each version once it is done. Raises
    `NoVersionedBucketError`, and `StoreUnavailableError` when the store does not answer; another
    run continues from there.
    """
    if not object_store().bucket_state().versioned:
        raise NoVersionedBucketError
    for version in _in_batches(FileVersion.objects.live()):
        source = folder / version.key
        outcome = _unless_refused(partial(_put_back, version, source))
        if progress is not None:
            progress(version.size)
        yield CopyResult(version, outcome)


def _in_batches(found: QuerySet[FileVersion]) -> Iterator[FileVersion]:
    """Yield the versions, oldest first, in batches: copying one may take hours."""
    found = found.order_by("id")
    batch = list(found[:_BATCH])
    while batch:
        yield from batch
        batch = list(found.filter(id__gt=batch[-1].pk)[:_BATCH])


def _is_purged(version: FileVersion) -> bool:
    return not FileVersion.objects.live().filter(pk=version.pk).exists()


def _unless_refused(copy: Callable[[], Outcome]) -> Outcome:
    """Return what `copy` returns; REFUSED when the store fails for this object only."""
    try:
        return copy()
    except (StoreUnavailableError, ObjectUnreadableError):
        if not object_store().bucket_state().exists:
            raise
        return Outcome.REFUSED


def _is_copy(path: Path, version: FileVersion, *, verify: bool) -> bool:
    """Return whether `path` has the size of `version` and, with `verify`, its checksum."""
    try:
        if not path.is_file() or path.stat().st_size != version.size:
            return False
        return not verify or _checksum_matches(path, version)
    except OSError:
        # An unreadable file is no copy; if none can be written either, writing it will say so.
        return False


def _checksum_matches(path: Path, version: FileVersion) -> bool:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").digest()
    return checksums.from_digest(digest) == version.checksum


def _fetch(version: FileVersion, target: Path, progress: Callable[[int], object] | None) -> Outcome:
    """Copy the pinned bytes to a temporary file in the same folder, then rename it to `target`."""
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
    """Make the names in `folder` survive a power cut; Windows cannot open a folder."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _put_back(version: FileVersion, source: Path) -> Outcome:
    pinned = _pinned_object(version)
    if pinned is not None:
        if version.integrity != Integrity.CORRUPT:
            return Outcome.PRESENT if pinned.size == version.size else Outcome.TAKEN
        if _is_good_again(version):
            return Outcome.PRESENT
    if not FileVersion.objects.sharing_pin_of(version).filter(pk=version.pk).exists():
        # It was pinned again a moment ago, with an earlier version that has the same bytes.
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


def _pinned_object(version: FileVersion) -> ObjectVersion | None:
    """Return the pinned object version, None if the store does not have it.

    A store of another kind may answer 400 to a version id that is invalid there. A pinned object
    never needs headers of its own (commit refuses such ones), so that is not the reason. Raises
    `ObjectUnreadableError` when the 400 may have another cause.
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
    """Read the pinned object of a corrupt version; mark the version as good if it matches."""
    read = object_store().sha256(
        version.key, version_id=version.store_version_id, per_read_timeout_only=True
    )
    if read != version.checksum:
        return False
    versions.settle_integrity(version=version, integrity=Integrity.READ)
    return True


def _pin(version: FileVersion, stored: ObjectVersion) -> None:
    """Pin `stored`, unless a parallel run was faster.

    Without a checksum attested by the store the version is `declared` until the object is read.
    """
    attested = stored.sha256 == version.checksum
    with transaction.atomic():
        pinning = FileVersion.objects.sharing_pin_of(version)
        # The files first, as in a commit.
        lock_in_order(File.objects.filter(pk__in=pinning.values("file")))
        pinned = pinning.update(store_version_id=stored.version_id, etag=stored.etag)
        if pinned:
            version.store_version_id, version.etag = stored.version_id, stored.etag
            versions.settle_integrity(
                version=version,
                integrity=Integrity.STORE if attested else Integrity.DECLARED,
            )
