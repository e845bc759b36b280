"""Commit: from bytes in the store to a version of a file, exactly once.

The store is asked first, outside of any transaction; then one short transaction looks at the
upload's state again under its lock and writes. Rows are locked in the order upload, file, share;
with `no_key`, as the foreign keys of rows inserted elsewhere lock what they refer to, too.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from files.exceptions import (
    ChecksumMismatchError,
    CommitConflictError,
    ContentEncodingError,
    FileTrashedError,
    InvalidError,
    NotFoundError,
    ObjectMissingError,
    PartsMissingError,
    SizeMismatchError,
    StoreUnavailableError,
    UploadAbortedError,
    VersionConflictError,
)
from files.models import File, FileVersion, Integrity, ShareEvent, Upload, User
from files.services import share_access, versions
from files.services.share_access import ShareAccess
from files.services.uploads import (
    PARTS_PER_ANSWER,
    missing_parts,
    require_not_aborted_or_expired,
)
from files.store.client import ObjectVersion, object_store


@dataclass(frozen=True)
class CommitResult:
    """A committed version with its file, and whether this call made it."""

    version: FileVersion
    file: File
    created: bool


def commit_upload(
    *, user: User, key: str, checksum: str, size: int, base_version: int | None = None
) -> CommitResult:
    """Record the object under `key` as a version: of the declared `size` (bytes) and `checksum`.

    The same commit again returns the same version. Raises, in this order: `NotFoundError`,
    `CommitConflictError`, `UploadAbortedError`, `UploadExpiredError`, `SizeMismatchError`,
    `ChecksumMismatchError`, `FileTrashedError`, `ObjectMissingError`, `PartsMissingError`,
    `SizeMismatchError`, `ContentEncodingError`, `ChecksumMismatchError`, `VersionConflictError`;
    `StoreUnavailableError` where the store does not answer.
    """
    return _commit(Upload.objects.visible_to(user), key, checksum, size, base_version)


def commit_through_share(
    *, access: ShareAccess, key: str, checksum: str, size: int
) -> CommitResult:
    """Record an upload that was begun through the share, as `commit_upload` does.

    Raises also as `share_access.require_active`; `NotFoundError` for a file in the trash.
    """
    try:
        return _commit(Upload.objects.through(access.share), key, checksum, size, None, access)
    except FileTrashedError as error:
        raise NotFoundError from error


def _commit(
    uploads: QuerySet[Upload],
    key: str,
    checksum: str,
    size: int,
    base_version: int | None,
    access: ShareAccess | None = None,
) -> CommitResult:
    upload = uploads.select_related("file", "file_version__file").filter(key=key).first()
    if upload is None:
        raise NotFoundError
    earlier = _earlier_commit(upload, checksum=checksum, size=size)
    if earlier is not None:
        return earlier
    require_not_aborted_or_expired(upload)
    if size != upload.size:
        raise SizeMismatchError(f"init-upload declared {upload.size} bytes.")
    if upload.checksum is not None and checksum != upload.checksum:
        raise ChecksumMismatchError("init-upload declared another checksum.")
    if upload.file is None and base_version is not None:
        raise InvalidError("base_version", "This upload makes a new file; it has no version yet.")
    if upload.file is not None and upload.file.deleted_at is not None:
        raise FileTrashedError
    with object_store().shared_deadline():
        stored = _stored_object(upload)
        integrity = _integrity(stored, checksum=checksum)
    return _record(upload, stored, checksum, integrity, base_version, access)


def _earlier_commit(upload: Upload, *, checksum: str, size: int) -> CommitResult | None:
    version = upload.file_version
    if version is None:
        return None
    if (version.checksum, version.size) != (checksum, size):
        raise CommitConflictError
    return CommitResult(version, version.file, created=False)


def _stored_object(upload: Upload) -> ObjectVersion:
    """Return the object under the upload's key, complete, of the right size and not encoded."""
    if upload.multipart_id is not None:
        _complete_in_store(upload, upload.multipart_id)
    stored = object_store().head(upload.key)
    if stored is None and upload.multipart:
        raise UploadAbortedError("The store no longer holds this multipart upload; begin again.")
    if stored is None:
        raise ObjectMissingError
    if stored.size != upload.size:
        raise SizeMismatchError(f"The object has {stored.size} bytes, not {upload.size}.")
    if stored.content_encoding is not None:
        raise ContentEncodingError
    return stored


def _complete_in_store(upload: Upload, multipart_id: str) -> None:
    received = object_store().list_parts(upload.key, upload_id=multipart_id)
    if received is None:
        return  # Completed by an earlier commit whose response was lost; HEAD will tell.
    missing = missing_parts(upload, received)
    if missing:
        raise PartsMissingError(part_numbers=missing[:PARTS_PER_ANSWER])
    planned = [part for part in received if part.part_number <= (upload.part_count or 0)]
    object_store().complete_multipart(upload.key, upload_id=multipart_id, parts=planned)


def _integrity(stored: ObjectVersion, *, checksum: str) -> Integrity:
    """Return how the checksum of `stored` is known; raises `ChecksumMismatchError`."""
    if stored.sha256 is not None:
        actual, known = stored.sha256, Integrity.STORE
    elif stored.size <= settings.COMMIT_READ_MAX:
        read = object_store().sha256(stored.key, version_id=stored.version_id)
        if read is None:
            raise StoreUnavailableError("The object version disappeared while it was read.")
        actual, known = read, Integrity.READ
    else:
        return Integrity.DECLARED
    if actual != checksum:
        raise ChecksumMismatchError("The stored bytes have another SHA-256.")
    return known


def _record(
    upload: Upload,
    stored: ObjectVersion,
    checksum: str,
    integrity: Integrity,
    base_version: int | None,
    access: ShareAccess | None,
) -> CommitResult:
    with transaction.atomic():
        locked = Upload.objects.select_for_update(no_key=True).get(pk=upload.pk)
        earlier = _earlier_commit(locked, checksum=checksum, size=upload.size)
        if earlier is not None:
            return earlier
        require_not_aborted_or_expired(locked)
        file = None
        if locked.file_id is not None:
            expected = base_version if base_version is not None else locked.base_version
            file = _lock_file(locked.file_id, expected)
        if access is not None:
            share_access.lock_share(access)
        return _write(locked, file, stored, checksum, integrity, access)


def _lock_file(file_id: UUID, expected: int | None) -> File:
    """Lock the file that gets the new version; its newest one must be `expected`, if given.

    Raises `FileTrashedError`, `VersionConflictError`.
    """
    file = File.objects.select_for_update(no_key=True).get(pk=file_id)
    if file.deleted_at is not None:
        raise FileTrashedError
    if expected is not None and expected != file.version_current:
        raise VersionConflictError(version_current=file.version_current)
    return file


def _write(
    upload: Upload,
    file: File | None,
    stored: ObjectVersion,
    checksum: str,
    integrity: Integrity,
    access: ShareAccess | None,
) -> CommitResult:
    """Insert the version, update or insert its file and mark the upload; the rows are locked."""
    now = timezone.now()
    if file is None:
        file = File(user_id=upload.user_id, name=upload.filename, version_current=0, created_at=now)
    version = FileVersion(
        file=file,
        version=file.version_current + 1,
        key=stored.key,
        store_version_id=stored.version_id,
        etag=stored.etag,
        size=stored.size,
        content_type=upload.content_type,
        checksum=checksum,
        integrity=integrity,
        created_by_id=upload.user_id if access is None else None,
        share=None if access is None else access.share,
        created_at=now,
    )
    versions.set_current_version(file, version)
    version.save(force_insert=True)
    upload.state = Upload.State.COMMITTED
    upload.file_version = version
    upload.save(update_fields=["state", "file_version"])
    if access is not None:
        share_access.record(access, ShareEvent.What.COMMITTED, version=version.version)
    return CommitResult(version, file, created=True)
