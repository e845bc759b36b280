"""Shares: the owner's operations on them, and the anonymous ones that a share permits.

Anonymous uploads and downloads go through the same services as the owner's.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from files import keys
from files.exceptions import (
    InvalidError,
    NotFoundError,
    PermissionDeniedError,
    QuotaExceededError,
    ShareRevokedError,
    TooManySharesError,
)
from files.models import File, FileVersion, Share, ShareEvent, Upload, User
from files.models.changes import Entry
from files.services import (
    attempts,
    changes,
    commits,
    counting,
    downloads,
    passwords,
    pending,
    quotas,
    share_access,
    uploads,
)
from files.services.changes import Kind
from files.services.commits import CommitResult
from files.services.downloads import Download
from files.services.share_access import ShareAccess
from files.services.uploads import SignedUpload

SHARES_MAX = 1_000
"""Active shares of one file."""
PENDING_MAX = 100
"""Pending uploads through one share; half of them from one network."""
_TOKEN_BYTES = 24
"""192 random bits."""
_OWNERS_QUOTA = "The file's owner has no room for so many bytes."


@dataclass(frozen=True)
class NewShare:
    """A new share and its token, which is not stored and cannot be shown later."""

    share: Share
    token: str


def create_share(
    *,
    user: User,
    file_id: UUID,
    permission: str,
    expires_at: datetime | None = None,
    password: str | None = None,
    max_downloads: int | None = None,
) -> NewShare:
    """Grant `permission` on the user's file to whoever holds the token.

    Raises `NotFoundError`, `TooManySharesError`, `BusyError`.
    """
    visible = File.objects.visible_to(user).present().filter(pk=file_id)
    if not visible.exists():
        raise NotFoundError
    _require_room_for_share(file_id)
    token = secrets.token_urlsafe(_TOKEN_BYTES)
    share = Share(
        file_id=file_id,
        created_by=user,
        token_digest=share_access.digest_of(token),
        permission=permission,
        expires_at=expires_at,
        password=None if password is None else passwords.hash_password(password, owner=user.pk),
        max_downloads=max_downloads,
    )
    with transaction.atomic():
        # One after the other, so that no two find the last place free.
        if visible.select_for_update(no_key=True).first() is None:
            raise NotFoundError
        _require_room_for_share(file_id)
        share.save(force_insert=True)
        changes.record(user_id=user.pk, kind=Kind.SHARE_CREATED, by=user, file_id=file_id)
    return NewShare(share, token)


def _require_room_for_share(file_id: UUID) -> None:
    active = Share.objects.filter(file=file_id).active()
    if active[:SHARES_MAX].count() >= SHARES_MAX:
        raise TooManySharesError(
            f"The file has {SHARES_MAX} active shares, the most that there may be."
        )


def list_shares(*, user: User, file_id: UUID | None = None) -> QuerySet[Share]:
    """Return the shares of the user's files, or of one of them, in no order."""
    shares = Share.objects.visible_to(user)
    return shares if file_id is None else shares.filter(file=file_id)


def get_share(*, user: User, share_id: UUID) -> Share:
    """Return a share of one of the user's files; raises `NotFoundError`."""
    share = Share.objects.visible_to(user).filter(pk=share_id).first()
    if share is None:
        raise NotFoundError
    return share


def list_events(*, user: User, share_id: UUID) -> QuerySet[ShareEvent]:
    """Return the audit trail of a share, in no order; raises `NotFoundError`."""
    return ShareEvent.objects.filter(share=get_share(user=user, share_id=share_id))


def change_share(*, user: User, share_id: UUID, members: Mapping[str, Any]) -> Share:
    """Change `permission`, `expires_at`, `password` or `max_downloads` of a share, and record it.

    None takes the limit away. URLs that were signed before keep working until they expire. Raises
    `NotFoundError`, `ShareRevokedError`, and `InvalidError` for fewer downloads than there were.
    """
    if get_share(user=user, share_id=share_id).revoked_at is not None:
        raise ShareRevokedError
    columns = dict(members)
    if columns.get("password") is not None:
        columns["password"] = passwords.hash_password(columns["password"], owner=user.pk)
    with transaction.atomic():
        visible = Share.objects.visible_to(user)
        found = visible.select_for_update(of=("self",), no_key=True).filter(pk=share_id).first()
        if found is None:
            raise NotFoundError
        if found.revoked_at is not None:
            raise ShareRevokedError
        limit = columns.get("max_downloads")
        if limit is not None and limit < found.download_count:
            raise InvalidError(
                "max_downloads", f"There were {found.download_count} downloads already."
            )
        different = any(getattr(found, name) != value for name, value in columns.items())
        if columns:
            for name, value in columns.items():
                setattr(found, name, value)
            found.save(update_fields=list(columns))
            what = ShareEvent.What.CHANGED
            ShareEvent.objects.create(share=found, what=what, reason=",".join(sorted(members)))
        if "password" in columns:
            attempts.forget_wrong_passwords(found.pk)
        if different:
            changes.record(user_id=user.pk, kind=Kind.SHARE_CHANGED, by=user, file_id=found.file_id)
    return found


def revoke_share(*, user: User, share_id: UUID) -> None:
    """Revoke a share, effective at once; idempotent. Raises `NotFoundError`."""
    share = get_share(user=user, share_id=share_id)
    revoke(Share.objects.filter(pk=share.pk), by=user)


def revoke(shares: QuerySet[Share], *, by: User) -> int:
    """Revoke the given shares, of whomever, and return how many were not revoked before."""
    with transaction.atomic():
        # Locked in order first, as two of these may meet.
        locked = Share.objects.filter(pk__in=shares.values("pk"), revoked_at=None)
        found = list(
            locked.select_for_update(of=("self",), no_key=True)
            .order_by("pk")
            .values_list("pk", "file__user", "file")
        )
        Share.objects.filter(pk__in=[pk for pk, _, _ in found]).update(revoked_at=timezone.now())
        revoked = ((user, Entry(Kind.SHARE_REVOKED, file_id=file)) for _, user, file in found)
        changes.record_for_owners(by=by, changed=revoked)
    return len(found)


def download(*, access: ShareAccess, inline: bool = False) -> Download:
    """Sign a GET of the newest version that expires with the share, and count the download.

    Raises `CorruptError`, `NotFoundError` for a file in the trash, and as
    `share_access.require_active`.
    """
    with share_access.refusals_recorded(access):
        version = newest_version(access.share)
        signed = downloads.sign_download(
            version=version,
            inline=inline,
            expires_in=share_access.seconds_left(access.share, at_most=settings.PRESIGN_GET_TTL),
        )
        with transaction.atomic():
            share_access.record_use(access, ShareEvent.What.DOWNLOADED, version=version.version)
    return signed


def init_upload(
    *,
    access: ShareAccess,
    filename: str | None,
    size: int,
    content_type: str,
    checksum: str | None = None,
) -> SignedUpload:
    """Begin the upload of a new version of the shared file; its URL expires with the share.

    `filename` goes into the key only. Raises `PermissionDeniedError` for a read share,
    `TooManyUploadsError`, `QuotaExceededError` for the owner's quota, and as
    `share_access.require_active`.
    """
    with counting.failures(counting.BEGIN), share_access.refusals_recorded(access):
        _require_writer(access)
        name = filename or access.share.file.name
        owner = access.share.file.user
        upload = Upload(
            user=owner,
            share=access.share,
            address=access.address,
            file=access.share.file,
            key=keys.object_key(name),
            filename=name,
            content_type=content_type,
            size=size,
            checksum=checksum,
        )
        expires_in = share_access.seconds_left(access.share, at_most=settings.PRESIGN_PUT_TTL)
        pending.take(owner.pk, through_shares=True)

        # Credentials of a role may have to be waited for, so not in the transaction.
        signed = uploads.sign_new(upload, expires_in=expires_in)

        @transaction.atomic
        def record() -> None:
            share_access.record_use(access, ShareEvent.What.UPLOAD_STARTED)
            _require_room_for_upload(access)
            uploads.record(upload=upload)

        try:
            quotas.when_counted(owner, record)
        except QuotaExceededError as error:
            # How much the owner has is the owner's to know.
            raise QuotaExceededError(_OWNERS_QUOTA, needed=size) from error
    counting.begun()
    return signed


def commit(*, access: ShareAccess, key: str, checksum: str, size: int) -> CommitResult:
    """Commit an upload that was begun through this share; raises as `commit_through_share`."""
    with counting.failures(counting.COMMIT), share_access.refusals_recorded(access):
        _require_writer(access)
        return commits.commit_through_share(access=access, key=key, checksum=checksum, size=size)


def newest_version(share: Share) -> FileVersion:
    """Return the newest version of the shared file; raises `NotFoundError` if it is trashed."""
    versions = FileVersion.objects.filter(file=share.file_id, file__deleted_at=None)
    version = versions.newest().select_related("file").first()
    if version is None:
        raise NotFoundError
    return version


def _require_writer(access: ShareAccess) -> None:
    if access.share.permission != Share.Permission.WRITE:
        raise PermissionDeniedError("This share permits reading only.")


def _require_room_for_upload(access: ShareAccess) -> None:
    """Raise `TooManyUploadsError` where the share, or the client's network, has no room left.

    The share's row must be locked.
    """
    begun = Upload.objects.through(access.share).pending()
    found = list(begun.values_list("address", "commit_by"))
    own = [commit_by for address, commit_by in found if address == access.address]
    if len(own) >= PENDING_MAX // 2:
        raise pending.too_many(own)
    if len(found) >= PENDING_MAX:
        raise pending.too_many(commit_by for _, commit_by in found)
