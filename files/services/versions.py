"""New versions with the pin of another one, and the two functions that write the denormalized
columns of `files`."""

from __future__ import annotations

from django.db import transaction
from django.db.models import Exists, OuterRef

from files.exceptions import CorruptError, VersionPurgedError
from files.models import File, FileVersion, Integrity, User
from files.models.compiled import Statement, insert, update
from files.services.trees import lock_in_order

_DENORMALIZED = (
    "version_current",
    "key_current",
    "size",
    "content_type",
    "checksum",
    "integrity",
    "updated_at",
)


def set_current_version(file: File, version: FileVersion) -> Statement:
    """Make `version` the current one of `file`, which must be locked if it is not new.

    Returns the statement that writes it, to be executed together with others.
    """
    point_at(file, version)
    return insert(file) if version.version == 1 else update(file, *_DENORMALIZED)


def point_at(file: File, version: FileVersion) -> None:
    """Let `file` name `version` as its current one, without saving it."""
    file.version_current = version.version
    file.key_current = version.key
    file.size = version.size
    file.content_type = version.content_type
    file.checksum = version.checksum
    file.integrity = version.integrity
    file.updated_at = version.created_at


def require_readable(version: FileVersion) -> None:
    """Raise `VersionPurgedError`, `CorruptError` unless there are good bytes that it pins."""
    if version.purged_at is not None:
        raise VersionPurgedError
    if version.integrity == Integrity.CORRUPT:
        raise CorruptError


def with_same_pin(
    source: FileVersion, *, file: File, version: int, created_by: User
) -> FileVersion:
    """Return a new version of `file` that pins what `source` does, whose file must be locked."""
    return FileVersion(
        file=file,
        version=version,
        key=source.key,
        store_version_id=source.store_version_id,
        etag=source.etag,
        size=source.size,
        content_type=source.content_type,
        checksum=source.checksum,
        integrity=source.integrity,
        created_by=created_by,
    )


def settle_integrity(*, version: FileVersion, integrity: Integrity) -> bool:
    """Set `integrity` on `version`, on all that share its pin, and on their files.

    A file has that of its newest version. Returns False and changes nothing when the row pins
    another object version by now: a finding about one object version says nothing about another.
    """
    with transaction.atomic():
        pinning = FileVersion.objects.sharing_pin_of(version)
        # The files first, as in a commit, which may be adding a version to one at this moment.
        lock_in_order(File.objects.filter(pk__in=pinning.values("file")))
        if not pinning.filter(pk=version.pk).exists():
            return False
        pinning.update(integrity=integrity)
        newest = pinning.filter(file=OuterRef("pk"), version=OuterRef("version_current"))
        File.objects.filter(Exists(newest), pk__in=pinning.values("file")).update(
            integrity=integrity
        )
    return True
