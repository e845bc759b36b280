"""Commit: from bytes in the store to a version of a file, exactly once.

The store is asked first, outside of any transaction; then one short transaction looks at the
upload's state again under its lock and writes. Rows are locked in the order upload, folder, file,
share, user; with `no_key`, as the foreign keys of rows inserted elsewhere lock what they refer to,
too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from files.exceptions import (
    ChecksumMismatchError,
    CommitConflictError,
    ContentEncodingError,
    DriveError,
    FileTrashedError,
    InvalidError,
    NotFoundError,
    ObjectMissingError,
    PartsMissingError,
    SizeMismatchError,
    UploadAbortedError,
    VersionConflictError,
)
from files.models import File, FileVersion, Folder, Integrity, ShareEvent, Upload, User, queries
from files.models.changes import Entry
from files.models.compiled import execute, insert, update
from files.services import changes, counting, quotas, reads, share_access, trees, versions
from files.services.changes import Kind
from files.services.share_access import ShareAccess
from files.services.trees import NOT_GIVEN, FolderId, NotGiven
from files.services.uploads import (
    PARTS_PER_ANSWER,
    missing_parts,
    require_not_aborted_or_expired,
)
from files.store.client import ObjectVersion, PartsChangedError, object_store


@dataclass(frozen=True)
class CommitResult:
    """A committed version with its file, and whether this call made it."""

    version: FileVersion
    file: File
    created: bool


@counting.failures(counting.COMMIT)
def commit_upload(
    *,
    user: User,
    key: str,
    checksum: str,
    size: int,
    base_version: int | None = None,
    folder_id: FolderId | NotGiven = NOT_GIVEN,
) -> CommitResult:
    """Record the object under `key` as a version: of the declared `size` (bytes) and `checksum`.

    A new file goes into the folder `folder_id`, where that is given, and else into that of
    init-upload. The same commit again returns the same version. Raises, in this order:
    `NotFoundError`, `CommitConflictError`, `UploadAbortedError`, `UploadExpiredError`,
    `SizeMismatchError`, `ChecksumMismatchError`, `FileTrashedError`, `FolderTrashedError`,
    `ObjectMissingError`, `PartsMissingError`, `SizeMismatchError`, `ContentEncodingError`,
    `ChecksumMismatchError`, `VersionConflictError`; `StoreUnavailableError` where the store does
    not answer, `BusyError` where too much is read.
    """
    upload = queries.UPLOAD_OF_USER.one(user=user, key=key)
    return _commit(upload, checksum, size, base_version, folder_id)


def commit_through_share(
    *, access: ShareAccess, key: str, checksum: str, size: int
) -> CommitResult:
    """Record an upload that was begun through the share, as `commit_upload` does.

    Raises also as `share_access.require_active`; `NotFoundError` for a file in the trash.
    """
    try:
        upload = queries.UPLOAD_THROUGH_SHARE.one(share=access.share, key=key)
        return _commit(upload, checksum, size, None, NOT_GIVEN, access)
    except FileTrashedError as error:
        raise NotFoundError from error


def _commit(
    upload: Upload | None,
    checksum: str,
    size: int,
    base_version: int | None,
    folder_id: FolderId | NotGiven,
    access: ShareAccess | None = None,
) -> CommitResult:
    if upload is None:
        raise NotFoundError
    earlier = earlier_commit(upload, checksum=checksum, size=size)
    if earlier is not None:
        return earlier
    require_committable(
        upload, checksum=checksum, size=size, base_version=base_version, folder_id=folder_id
    )
    destination = destination_of(upload, folder_id)
    if destination is not None:
        if folder_id is NOT_GIVEN:
            folder = upload.folder
        else:
            folder = Folder.objects.filter(user=upload.user_id, pk=destination).first()
        trees.require_folder(folder, folder_id)
    remembered = upload.read_version_id
    try:
        stored, integrity = examine(upload, checksum=checksum)
        result = record(upload, stored, checksum, integrity, base_version, folder_id, access)
    except DriveError:
        if upload.read_version_id != remembered:
            reads.remember(upload)
        raise
    if result.created:
        counting.committed(result.version)
    return result


def require_committable(
    upload: Upload,
    *,
    checksum: str,
    size: int,
    base_version: int | None,
    folder_id: FolderId | NotGiven,
) -> None:
    """Raise what of `commit_upload`'s errors the upload and its file say."""
    if upload.file is not None and upload.file.purged_at is not None:
        raise NotFoundError
    require_not_aborted_or_expired(upload)
    if size != upload.size:
        raise SizeMismatchError(f"init-upload declared {upload.size} bytes.")
    if upload.checksum is not None and checksum != upload.checksum:
        raise ChecksumMismatchError("init-upload declared another checksum.")
    if upload.file is None and base_version is not None:
        raise InvalidError("base_version", "This upload makes a new file; it has no version yet.")
    if upload.file is not None and folder_id is not NOT_GIVEN:
        raise InvalidError("folder_id", "This upload adds a version; its file keeps its place.")
    if upload.file is not None and upload.file.deleted_at is not None:
        raise FileTrashedError


def destination_of(upload: Upload, folder_id: FolderId | NotGiven) -> FolderId:
    """Return the folder that the file goes into which the upload makes, if it makes one."""
    if upload.file_id is not None:
        return None
    return upload.folder_id if folder_id is NOT_GIVEN else folder_id


def examine(upload: Upload, *, checksum: str) -> tuple[ObjectVersion, Integrity]:
    """Return the object under the upload's key, and how its checksum is known.

    Asks the store, and not the database. Raises what of `commit_upload`'s errors the store says.
    """
    with object_store().shared_deadline():
        stored = _stored_object(upload)
        return stored, _integrity(upload, stored, checksum=checksum)


def earlier_commit(upload: Upload, *, checksum: str, size: int) -> CommitResult | None:
    """Return the commit that was made of this upload, if any.

    Raises `NotFoundError` when what it made is purged, `CommitConflictError`.
    """
    version = upload.file_version
    if version is None:
        return None
    if version.purged_at is not None or version.file.purged_at is not None:
        raise NotFoundError
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
    try:
        object_store().complete_multipart(upload.key, upload_id=multipart_id, parts=planned)
    except PartsChangedError as error:
        now = object_store().list_parts(upload.key, upload_id=multipart_id)
        if now is None:
            return  # Another commit completed it meanwhile.
        changed = {part.part_number for part in set(planned) ^ set(now)}
        raise PartsMissingError(part_numbers=sorted(changed)[:PARTS_PER_ANSWER]) from error


def _integrity(upload: Upload, stored: ObjectVersion, *, checksum: str) -> Integrity:
    """Return how the checksum of `stored` is known; raises `ChecksumMismatchError`."""
    if stored.sha256 is not None:
        actual, known = stored.sha256, Integrity.STORE
    elif stored.size <= settings.COMMIT_READ_MAX:
        actual, known = reads.checksum_of(upload, stored), Integrity.READ
    else:
        return Integrity.DECLARED
    if actual != checksum:
        raise ChecksumMismatchError("The stored bytes have another SHA-256.")
    return known


def record(
    upload: Upload,
    stored: ObjectVersion,
    checksum: str,
    integrity: Integrity,
    base_version: int | None,
    folder_id: FolderId | NotGiven,
    access: ShareAccess | None,
) -> CommitResult:
    """Write the version in one transaction; raises what the rows say by then."""
    with transaction.atomic():
        locked = queries.LOCKED_UPLOAD.one(upload=upload.pk)
        if locked is None:
            raise NotFoundError
        earlier = earlier_commit(locked, checksum=checksum, size=upload.size)
        if earlier is not None:
            return earlier
        require_not_aborted_or_expired(locked)
        destination = destination_of(locked, folder_id)
        if destination is not None:
            folder = queries.LOCKED_FOLDER.one(user=locked.user, folder=destination)
            trees.require_folder(folder, folder_id)
        file = None
        if locked.file_id is not None:
            expected = base_version if base_version is not None else locked.base_version
            file = _lock_file(locked.file_id, expected)
        if access is not None:
            share_access.lock_share(access)
        counters = quotas.committed([locked], [upload.size])
        now = timezone.now()
        file = file or new_file(upload, destination, now)
        return _write(upload, file, stored, checksum, integrity, access, counters, now)


def _lock_file(file_id: UUID, expected: int | None) -> File:
    """Lock the file that gets the new version; its newest one must be `expected`, if given.

    Raises `NotFoundError`, `FileTrashedError`, `VersionConflictError`.
    """
    file = queries.LOCKED_FILE.one(file=file_id)
    if file is None or file.purged_at is not None:
        raise NotFoundError
    if file.deleted_at is not None:
        raise FileTrashedError
    if expected is not None and expected != file.version_current:
        raise VersionConflictError(version_current=file.version_current)
    return file


def _write(
    upload: Upload,
    file: File,
    stored: ObjectVersion,
    checksum: str,
    integrity: Integrity,
    access: ShareAccess | None,
    counters: Mapping[str, int],
    now: datetime,
) -> CommitResult:
    """Insert the version, update or insert its file and mark the upload; the rows are locked.

    On PostgreSQL these, and the change with the `counters` of a quota, are one round trip.
    """
    version = next_version(file, upload, stored, checksum, integrity, now)
    if access is not None:
        version.created_by_id, version.share = None, access.share
    upload.state = Upload.State.COMMITTED
    upload.file_version = version
    if access is not None:
        share_access.record(access, ShareEvent.What.COMMITTED, version=version.version)
    execute(
        versions.set_current_version(file, version),
        insert(version),
        update(upload, "state", "file_version"),
        *changes.recorded(
            user_id=upload.user_id,
            by_user=version.created_by_id,
            by_share=version.share_id,
            entries=[entry_of(version)],
            **counters,
        ),
    )
    return CommitResult(version, file, created=True)


def entry_of(version: FileVersion) -> Entry:
    """Return what the feed says of a new version; the first one makes the file."""
    kind = Kind.FILE_CREATED if version.version == 1 else Kind.VERSION_ADDED
    return Entry(kind, file_id=version.file_id, version=version.version)


def new_file(upload: Upload, folder_id: FolderId, now: datetime) -> File:
    """Return the file that `upload` makes, without a version yet."""
    return File(
        user_id=upload.user_id,
        name=upload.filename,
        folder_id=folder_id,
        version_current=0,
        created_at=now,
    )


def next_version(
    file: File,
    upload: Upload,
    stored: ObjectVersion,
    checksum: str,
    integrity: Integrity,
    now: datetime,
) -> FileVersion:
    """Return the version that comes after the newest one of `file`."""
    return FileVersion(
        file=file,
        version=file.version_current + 1,
        key=stored.key,
        store_version_id=stored.version_id,
        etag=stored.etag,
        size=stored.size,
        content_type=upload.content_type,
        checksum=checksum,
        integrity=integrity,
        created_by_id=upload.user_id,
        created_at=now,
    )
