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


class InvalidError(DriveError):
    """A value that only the service can tell to be wrong, with the field it stands in."""

    code = "invalid"

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message, errors=[{"field": field, "code": "invalid", "message": message}])


class NotFoundError(DriveError):
    code = "not-found"


class MultipartRequiredError(DriveError):
    code = "multipart-required"


class CommitConflictError(DriveError):
    code = "commit-conflict"


class FileTrashedError(DriveError):
    code = "file-trashed"


class ObjectMissingError(DriveError):
    code = "object-missing"


class PartsMissingError(DriveError):
    code = "parts-missing"


class IdempotencyConflictError(DriveError):
    code = "idempotency-conflict"


class UploadCompleteError(DriveError):
    code = "upload-complete"


class UploadAbortedError(DriveError):
    code = "upload-aborted"


class UploadExpiredError(DriveError):
    code = "upload-expired"


class VersionConflictError(DriveError):
    code = "version-conflict"


class SizeMismatchError(DriveError):
    code = "size-mismatch"


class ChecksumMismatchError(DriveError):
    code = "checksum-mismatch"


class ContentEncodingError(DriveError):
    code = "content-encoding"


class ObjectUnreadableError(DriveError):
    """The store answers, but will not describe or give back this object."""

    code = "object-unreadable"


class CorruptError(DriveError):
    code = "corrupt"


class PermissionDeniedError(DriveError):
    code = "permission-denied"


class ShareRevokedError(DriveError):
    code = "share-revoked"


class ShareExpiredError(DriveError):
    code = "share-expired"


class ShareExhaustedError(DriveError):
    code = "share-exhausted"


class SharePasswordError(DriveError):
    """The password of a share is missing or wrong."""

    code = "share-password"


class ThrottledError(DriveError):
    code = "throttled"


class BusyError(DriveError):
    """More of this is going on already than the service takes on at once; nothing was changed."""

    code = "unavailable"


class StoreUnavailableError(DriveError):
    """The store did not answer, or not in a way that can be relied on; nothing was changed."""

    code = "store-unavailable"
