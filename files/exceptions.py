"""Domain errors: what a service refuses and why. Each has the code of a problem document.

`files/api/errors.py` turns them into HTTP; nothing here knows about it.
"""

from __future__ import annotations

from typing import Any, ClassVar


class DriveError(Exception):
    """A refusal with its problem `code`; `members` go into the problem document as they are."""

    code: ClassVar[str]

    def __init__(
        self, detail: str | None = None, *, retry_after: int | None = None, **members: Any
    ) -> None:
        super().__init__(detail or self.code)
        self.detail = detail
        self.retry_after = retry_after
        self.members = members


class Invalid(DriveError):
    """A value that only the service can tell to be wrong, with the field it stands in."""

    code = "invalid"

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message, errors=[{"field": field, "code": "invalid", "message": message}])


class NotFound(DriveError):
    code = "not-found"


class MultipartRequired(DriveError):
    code = "multipart-required"


class CommitConflict(DriveError):
    code = "commit-conflict"


class FileTrashed(DriveError):
    code = "file-trashed"


class ObjectMissing(DriveError):
    code = "object-missing"


class PartsMissing(DriveError):
    code = "parts-missing"


class IdempotencyConflict(DriveError):
    code = "idempotency-conflict"


class UploadComplete(DriveError):
    code = "upload-complete"


class UploadAborted(DriveError):
    code = "upload-aborted"


class UploadExpired(DriveError):
    code = "upload-expired"


class VersionConflict(DriveError):
    code = "version-conflict"


class SizeMismatch(DriveError):
    code = "size-mismatch"


class ChecksumMismatch(DriveError):
    code = "checksum-mismatch"


class ContentEncoding(DriveError):
    code = "content-encoding"


class ObjectUnreadable(DriveError):
    """The store answers, but will not describe or give back this object."""

    code = "object-unreadable"


class Corrupt(DriveError):
    code = "corrupt"


class PermissionDenied(DriveError):
    code = "permission-denied"


class ShareRevoked(DriveError):
    code = "share-revoked"


class ShareExpired(DriveError):
    code = "share-expired"


class ShareExhausted(DriveError):
    code = "share-exhausted"


class SharePassword(DriveError):
    """The password of a share is missing or wrong."""

    code = "share-password"


class Throttled(DriveError):
    code = "throttled"


class Busy(DriveError):
    """More of this is going on already than the service takes on at once; nothing was changed."""

    code = "unavailable"


class StoreUnavailable(DriveError):
    """The store did not answer, or not in a way that can be relied on; nothing was changed."""

    code = "store-unavailable"
