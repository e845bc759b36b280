"""Uploads: begin one, sign URLs for it again, show it, abort it. Completing one is `commits.py`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.db.models.functions import Coalesce, Greatest
from django.utils import timezone

from files import keys
from files.exceptions import (
    IdempotencyConflictError,
    InvalidError,
    MultipartRequiredError,
    NotFoundError,
    QuotaExceededError,
    StoreUnavailableError,
    UploadAbortedError,
    UploadCompleteError,
    UploadExpiredError,
)
from files.models import File, Upload, User
from files.models.compiled import execute, insert
from files.services import counting, pending, quotas, trees
from files.store import signing
from files.store.client import ReceivedPart, object_store
from files.store.presign import PresignedURL

SINGLE_PUT_MAX = 5 << 30
"""Bytes; the largest object of one PUT (Amazon S3, "Uploading objects")."""
PARTS_MAX = 10_000
"""S3's limit, "Amazon S3 multipart upload limits"."""
PARTS_PLANNED = 2_000
"""Listing and completing thousands of parts is slow in the store, and commit waits for both."""
PART_SIZE_MIN = 16 << 20
PARTS_PER_ANSWER = 100
IDEMPOTENCY_WINDOW = timedelta(hours=24)
_MIB = 1 << 20


@dataclass(frozen=True)
class PresignedPart:
    part_number: int
    url: PresignedURL


@dataclass(frozen=True)
class SignedUpload:
    """An upload with URLs just signed for it: one PUT, or the PUTs of some parts."""

    upload: Upload
    put: PresignedURL | None
    parts: tuple[PresignedPart, ...]
    expires_at: datetime


@counting.failures(counting.BEGIN)
def init_upload(
    *,
    user: User,
    filename: str | None,
    size: int,
    content_type: str,
    checksum: str | None = None,
    file_id: UUID | None = None,
    base_version: int | None = None,
    multipart: bool = False,
    folder_id: UUID | None = None,
    idempotency_key: str | None = None,
) -> SignedUpload:
    """Begin an upload of `size` bytes: of a new file, or of the next version of `file_id`.

    A new file goes into `folder_id`, or to the top. Raises `NotFoundError` (no such file or folder
    of the user), `MultipartRequiredError`, `InvalidError`, `TooManyUploadsError`,
    `QuotaExceededError`, `IdempotencyConflictError`, and as `require_pending` when the upload that
    the idempotency key began has ended. Only a multipart
    upload calls the store.
    """
    require_possible(size, multipart=multipart)
    digest = None
    if idempotency_key is not None:
        digest = _digest(
            *(filename, size, content_type, checksum, file_id, base_version, multipart),
            # Left out where there is none: as it was when uploads had no folder.
            *(() if folder_id is None else (folder_id,)),
        )
        earlier = _earlier_upload(user, idempotency_key, digest)
        if earlier is not None:
            return sign(upload=earlier)
    pending.take(user.pk)
    trees.require_present(user, folder_id)
    upload = new_upload(
        user=user,
        file=None if file_id is None else _file_of(user, file_id),
        folder_id=folder_id,
        filename=filename,
        size=size,
        content_type=content_type,
        checksum=checksum,
        base_version=base_version,
        multipart=multipart,
    )
    upload.idempotency_key, upload.request_digest = idempotency_key, digest
    if multipart:
        # Without credentials to sign with, nothing is made in the store.
        signing.uploads()
        upload.multipart_id = object_store().create_multipart(upload.key)
    return _begin_or_sign_earlier(upload)


def require_possible(size: int, *, multipart: bool) -> None:
    """Raise `MultipartRequiredError`, `InvalidError` for a size that cannot be sent so."""
    if size > SINGLE_PUT_MAX and not multipart:
        raise MultipartRequiredError
    if size == 0 and multipart:
        raise InvalidError("multipart", "An empty file has no parts; send it in one PUT.")


def new_upload(
    *,
    user: User,
    file: File | None,
    folder_id: UUID | None,
    filename: str | None,
    size: int,
    content_type: str,
    checksum: str | None,
    base_version: int | None,
    multipart: bool,
) -> Upload:
    """Return an upload that is neither in the database nor in the store yet."""
    name = filename or _name_of(file)
    return Upload(
        user=user,
        key=keys.object_key(name),
        filename=name,
        content_type=content_type,
        size=size,
        checksum=checksum,
        file=file,
        folder_id=folder_id,
        base_version=base_version,
        part_size=part_size(size) if multipart else None,
    )


def begin(*, upload: Upload, expires_in: int) -> SignedUpload:
    """Sign URLs for a new upload that expire in `expires_in` seconds, and record it.

    Raises as `record`, and `StoreUnavailableError`.
    """
    signed = sign_new(upload, expires_in=expires_in)
    record(upload=upload)
    return signed


def record(*, upload: Upload) -> None:
    """Insert a new upload that URLs were signed for.

    Its size is reserved in the same transaction where its user has a quota. Raises
    `QuotaExceededError`, `quotas.UncountedError`.
    """
    if upload.idempotency_key is None and quotas.quota_of(upload.user) is None:
        execute(insert(upload))
        return
    with transaction.atomic():
        if upload.idempotency_key is not None:
            # It may be used again after 24 h.
            Upload.objects.visible_to(upload.user).filter(
                idempotency_key=upload.idempotency_key,
                created_at__lte=timezone.now() - IDEMPOTENCY_WINDOW,
            ).update(idempotency_key=None)
        upload.reserved = quotas.reserve(upload.user, upload.size)
        execute(insert(upload))


def sign_new(upload: Upload, *, expires_in: int) -> SignedUpload:
    """Sign URLs for an upload that is not in the database yet, and set until when they hold."""
    signed = _signed(upload, expires_in=expires_in)
    upload.urls_expire_at = signed.expires_at
    upload.commit_by = _commit_by(signed.expires_at)
    return signed


def sign(*, upload: Upload, part_numbers: Sequence[int] | None = None) -> SignedUpload:
    """Sign fresh URLs for a pending upload, and extend the time to commit it accordingly.

    Without `part_numbers`: for the first 100 parts. Raises as `require_pending`, and `InvalidError`
    for part numbers that the upload does not have.
    """
    require_pending(upload)
    signed = _signed(upload, part_numbers, expires_in=settings.PRESIGN_PUT_TTL)
    # The row decides: an upload that ended since it was read gets no URL. No later expiry is
    # ever shortened, as a URL that is still valid may write until then.
    alive = Upload.objects.filter(pk=upload.pk).pending()
    if not alive.update(
        commit_by=Greatest("commit_by", _commit_by(signed.expires_at)),
        urls_expire_at=Greatest(Coalesce("urls_expire_at", "commit_by"), signed.expires_at),
    ):
        upload.refresh_from_db(fields=["state", "commit_by"])
        require_pending(upload)
        raise UploadExpiredError
    upload.commit_by = max(upload.commit_by, _commit_by(signed.expires_at))
    return signed


def fresh_urls(*, user: User, upload_id: UUID, part_numbers: Sequence[int] | None) -> SignedUpload:
    """Sign URLs for an upload again; without `part_numbers`, for the first 100 missing parts."""
    upload = get_upload(user=user, upload_id=upload_id)
    require_pending(upload)
    if part_numbers is not None and not upload.multipart:
        raise InvalidError("part_numbers", "This upload is not multipart.")
    if upload.multipart and part_numbers is None:
        part_numbers = missing_parts(upload, received_parts(upload=upload))[:PARTS_PER_ANSWER]
    return sign(upload=upload, part_numbers=part_numbers)


def get_upload(*, user: User, upload_id: UUID) -> Upload:
    """Return the user's upload in any state but expired.

    Raises `NotFoundError`, also when its file is purged, and `UploadExpiredError`.
    """
    upload = (
        Upload.objects.visible_to(user)
        .filter(pk=upload_id, file__purged_at=None, file_version__file__purged_at=None)
        .select_related("file_version")
        .first()
    )
    if upload is None:
        raise NotFoundError
    if upload.state == Upload.State.PENDING and upload.commit_by <= timezone.now():
        raise UploadExpiredError
    return upload


def pending_uploads(*, user: User) -> QuerySet[Upload]:
    """Return the user's uploads that can still be committed."""
    return Upload.objects.visible_to(user).pending()


def abort_upload(*, user: User, upload_id: UUID) -> None:
    """Abort an upload; idempotent, and successful even if the store does not answer.

    The row is marked first, so that no commit can follow. Raises as `get_upload`, and
    `UploadCompleteError`.
    """
    upload = get_upload(user=user, upload_id=upload_id)
    if upload.state == Upload.State.PENDING:
        # A commit at the same moment wins or loses here, by the row lock of this UPDATE.
        marked = Upload.objects.filter(pk=upload.pk, state=Upload.State.PENDING).update(
            state=Upload.State.ABORTED
        )
        if not marked:
            upload.refresh_from_db(fields=["state"])
    if upload.state == Upload.State.COMMITTED:
        raise UploadCompleteError
    abort_in_store(upload)


def received_parts(*, upload: Upload) -> list[ReceivedPart]:
    """Return the parts that the store lists for a multipart upload; none once it is completed."""
    if upload.multipart_id is None or upload.state != Upload.State.PENDING:
        return []
    return object_store().list_parts(upload.key, upload_id=upload.multipart_id) or []


def missing_parts(upload: Upload, received: Sequence[ReceivedPart]) -> list[int]:
    """Return the numbers of the parts that are missing or have the wrong size."""
    sizes = {part.part_number: part.size for part in received}
    return [
        number
        for number in range(1, (upload.part_count or 0) + 1)
        if sizes.get(number) != upload.size_of_part(number)
    ]


def require_pending(upload: Upload) -> None:
    """Raise UploadComplete-, UploadAborted- or UploadExpiredError unless the upload is pending."""
    if upload.state == Upload.State.COMMITTED:
        raise UploadCompleteError
    require_not_aborted_or_expired(upload)


def require_not_aborted_or_expired(upload: Upload) -> None:
    if upload.state == Upload.State.ABORTED:
        raise UploadAbortedError
    if upload.state == Upload.State.PENDING and upload.commit_by <= timezone.now():
        raise UploadExpiredError


def part_size(size: int) -> int:
    """Return the bytes of each part but the last: whole MiB, at least 16, at most 2,000 parts."""
    mebibytes = -(-size // (PARTS_PLANNED * _MIB))
    return max(PART_SIZE_MIN, mebibytes * _MIB)


def _signed(
    upload: Upload, part_numbers: Sequence[int] | None = None, *, expires_in: int
) -> SignedUpload:
    presigner = signing.uploads()
    now = timezone.now()
    if upload.multipart_id is None:
        put = presigner.put(
            upload.key, size=upload.size, checksum=upload.checksum, expires_in=expires_in, now=now
        )
        return SignedUpload(upload, put, (), put.expires_at)
    count = upload.part_count or 0
    if part_numbers is None:
        part_numbers = range(1, min(count, PARTS_PER_ANSWER) + 1)
    if any(not 1 <= number <= count for number in part_numbers):
        raise InvalidError("part_numbers", f"The upload has the parts 1 to {count}.")
    parts = tuple(
        PresignedPart(
            number,
            presigner.part(
                upload.key,
                upload_id=upload.multipart_id,
                part_number=number,
                size=upload.size_of_part(number),
                expires_in=expires_in,
                now=now,
            ),
        )
        for number in part_numbers
    )
    expires_at = parts[0].url.expires_at if parts else now + timedelta(seconds=expires_in)
    return SignedUpload(upload, None, parts, expires_at)


def _commit_by(expires_at: datetime) -> datetime:
    return expires_at + timedelta(seconds=settings.UPLOAD_GRACE)


def _file_of(user: User, file_id: UUID) -> File:
    file = File.objects.visible_to(user).present().filter(pk=file_id).first()
    if file is None:
        raise NotFoundError
    return file


def _begin_or_sign_earlier(upload: Upload) -> SignedUpload:
    """Begin `upload`, unless another request with the same idempotency key was faster."""
    expires_in = settings.PRESIGN_PUT_TTL
    try:
        signed = quotas.when_counted(
            upload.user, lambda: begin(upload=upload, expires_in=expires_in)
        )
    except QuotaExceededError:
        abort_in_store(upload)
        raise
    except IntegrityError:
        abort_in_store(upload)
        if upload.idempotency_key is None:
            raise
        earlier = _earlier_upload(upload.user, upload.idempotency_key, upload.request_digest)
        if earlier is None:
            raise
        return sign(upload=earlier)
    counting.begun()
    return signed


def _earlier_upload(user: User, idempotency_key: str, digest: str | None) -> Upload | None:
    """Return the upload that this idempotency key began within 24 h.

    Raises `IdempotencyConflictError` if its arguments were others.
    """
    upload = (
        Upload.objects.visible_to(user)
        .filter(idempotency_key=idempotency_key, created_at__gt=timezone.now() - IDEMPOTENCY_WINDOW)
        .first()
    )
    if upload is not None and upload.request_digest != digest:
        raise IdempotencyConflictError
    return upload


def abort_in_store(upload: Upload) -> None:
    if upload.multipart_id is None:
        return
    try:
        object_store().abort_multipart(upload.key, upload_id=upload.multipart_id)
    except StoreUnavailableError:
        return  # The clean-up will remove it.


def _digest(*arguments: object) -> str:
    return hashlib.sha256(json.dumps(arguments, default=str).encode()).hexdigest()


def _name_of(file: File | None) -> str:
    if file is None:
        raise InvalidError("filename", "This field is required.")
    return file.name
