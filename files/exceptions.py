"""Domain errors: why a service refuses, with the code, status and texts of the problem document.

`files/api/exception_handler.py` turns them into HTTP; nothing here knows about it.
"""

from __future__ import annotations

from typing import Any, ClassVar


class DriveError(Exception):
    """A refusal with its problem `code`; `members` go into the problem document as they are."""

    code: ClassVar[str]
    # Set where the code is the service's own; `problems.py` has those of HTTP.
    status: ClassVar[int]
    title: ClassVar[str]
    explanation: ClassVar[str]

    def __init__(
        self, detail: str | None = None, *, retry_after: int | None = None, **members: Any
    ) -> None:
        super().__init__(detail or self.code)
        self.detail = detail
        self.retry_after = retry_after
        self.members = members


class InvalidError(DriveError):
    """A field whose value is well-formed but not acceptable in the current state."""

    code = "invalid"

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message, errors=[{"field": field, "code": "invalid", "message": message}])


class NotFoundError(DriveError):
    """The row does not exist, or the caller may not see it."""

    code = "not-found"


class MultipartRequiredError(DriveError):
    """The file is too large for a single PUT."""

    code = "multipart-required"
    status = 400
    title = "Too large for a single PUT"
    explanation = (
        "More than 5 GiB cannot be sent in one PUT. Repeat init-upload with `multipart: true`."
    )


class CommitConflictError(DriveError):
    """The upload was committed with another checksum or size."""

    code = "commit-conflict"
    status = 409
    title = "Committed with other arguments"
    explanation = (
        "This key was committed before, with another checksum or size. That commit stands."
    )


class FileTrashedError(DriveError):
    """The file is in the trash."""

    code = "file-trashed"
    status = 409
    title = "The file is in the trash"
    explanation = "Restore the file with `POST /files/{id}/restore`, then repeat the request."


class FolderTrashedError(DriveError):
    """The folder that the upload is for is in the trash, or purged."""

    code = "folder-trashed"
    status = 409
    title = "The folder is in the trash"
    explanation = (
        "Restore the folder with `POST /folders/{id}/restore` and commit again, or commit with the "
        "`folder_id` of another one; null is the top."
    )


class NameTakenError(DriveError):
    """Another folder in the same place has the name."""

    code = "name-taken"
    status = 409
    title = "The name is taken"
    explanation = (
        "`folder_id` is another folder of that name in the same place. Use that one, or another "
        "name."
    )


class FolderLoopError(DriveError):
    """A folder cannot be moved into itself, or below itself."""

    code = "folder-loop"
    status = 409
    title = "The folder would be inside itself"
    explanation = "`parent_id` is the folder itself, or one that is inside it."


class FolderTooDeepError(DriveError):
    """A folder would have too many above it."""

    code = "folder-too-deep"
    status = 409
    title = "Folders would be nested too deeply"
    explanation = "A path has at most 32 folders. Choose a place nearer to the top."


class ObjectMissingError(DriveError):
    """The store has no object under the key of the upload."""

    code = "object-missing"
    status = 409
    title = "Nothing has been uploaded yet"
    explanation = (
        "The store has no object under this key. PUT the bytes to the presigned URL, then commit."
    )


class PartsMissingError(DriveError):
    """The store lacks parts, or has them in another size than planned."""

    code = "parts-missing"
    status = 409
    title = "Parts are missing"
    explanation = (
        "`part_numbers` lists parts (at most 100) that the store does not have, or has in "
        "another size than planned. Upload them, then commit again."
    )


class IdempotencyConflictError(DriveError):
    """The Idempotency-Key was used with other arguments."""

    code = "idempotency-conflict"
    status = 409
    title = "The Idempotency-Key was used for another request"
    explanation = "The same key came with other arguments within 24 hours. Use a new key."


class UploadCompleteError(DriveError):
    """The upload is already committed."""

    code = "upload-complete"
    status = 409
    title = "The upload is committed"
    explanation = "This upload ended with a commit; nothing can change it."


class UploadAbortedError(DriveError):
    """The upload was aborted."""

    code = "upload-aborted"
    status = 410
    title = "The upload was aborted"
    explanation = "Begin again with init-upload."


class UploadExpiredError(DriveError):
    """The deadline of the upload has passed."""

    code = "upload-expired"
    status = 410
    title = "The upload has expired"
    explanation = (
        "The time in which it could be committed (`commit_by`) is over. Begin again with "
        "init-upload."
    )


class VersionConflictError(DriveError):
    """`base_version` is not the newest version."""

    code = "version-conflict"
    status = 412
    title = "The file has a newer version"
    explanation = (
        "`base_version` is no longer the newest; `version_current` is. Look at that "
        "version, then commit again with it as `base_version`; the bytes need not be sent "
        "again."
    )


class SizeMismatchError(DriveError):
    """The declared, committed and stored sizes differ."""

    code = "size-mismatch"
    status = 422
    title = "Size mismatch"
    explanation = (
        "The size in the commit, the size declared at init-upload and the size of the "
        "stored object must be the same."
    )


class ChecksumMismatchError(DriveError):
    """The declared, committed and stored checksums differ."""

    code = "checksum-mismatch"
    status = 422
    title = "Checksum mismatch"
    explanation = (
        "The SHA-256 in the commit, the one declared at init-upload and that of the stored "
        "bytes must be the same. If the bytes are wrong, PUT again; then commit."
    )


class ContentEncodingError(DriveError):
    """The stored object has a Content-Encoding."""

    code = "content-encoding"
    status = 422
    title = "The object carries a Content-Encoding"
    explanation = (
        "The PUT had a `Content-Encoding` header, so clients would not get the committed "
        "bytes back. PUT again without it."
    )


class ObjectUnreadableError(DriveError):
    """The store answers, but will not describe or give back this object."""

    code = "object-unreadable"
    status = 422
    title = "The store does not give the object back"
    explanation = (
        "The PUT had headers, such as those of an encryption key, without which the store "
        "will not read the object. PUT again with no other headers than those of `headers`."
    )


class VersionCurrentError(DriveError):
    """The newest version of a file is not purged by itself."""

    code = "version-current"
    status = 409
    title = "The version is the newest"
    explanation = (
        "The newest version is the file. Commit or restore another version first, or delete the "
        "file."
    )


class VersionPurgedError(DriveError):
    """The bytes of the version were removed for good."""

    code = "version-purged"
    status = 410
    title = "The version was purged"
    explanation = "The bytes of this version were removed for good. Its record alone is left."


class CorruptError(DriveError):
    """The stored bytes of the version are known to be corrupt."""

    code = "corrupt"
    status = 409
    title = "The stored bytes are corrupt"
    explanation = (
        "A check found that the bytes of this version are not those that were committed. "
        "They are not handed out."
    )


class ChangesExpiredError(DriveError):
    """Changes after the cursor are no longer kept."""

    code = "changes-expired"
    status = 410
    title = "The changes are no longer kept"
    explanation = (
        "Some of the changes after this cursor were trimmed. Take a new cursor from "
        "`GET /changes/latest`, list everything again, and go on from there."
    )


class PermissionDeniedError(DriveError):
    """The caller may not do this."""

    code = "permission-denied"


class ShareRevokedError(DriveError):
    """The owner revoked the share."""

    code = "share-revoked"
    status = 410
    title = "The share was revoked"
    explanation = "Ask its owner for a new one."


class ShareExpiredError(DriveError):
    """The share has expired."""

    code = "share-expired"
    status = 410
    title = "The share has expired"
    explanation = "Ask its owner for a new one."


class ShareExhaustedError(DriveError):
    """The downloads of the share are used up."""

    code = "share-exhausted"
    status = 410
    title = "The share's downloads are used up"
    explanation = (
        "It allowed a number of downloads, and they are used up. Ask its owner for a new one."
    )


class SharePasswordError(DriveError):
    """The password of a share is missing or wrong."""

    code = "share-password"
    status = 401
    title = "The share's password is missing or wrong"
    explanation = (
        "Send the password in `X-Share-Password` (UTF-8, percent-encoded), or as `password`"
        " in a POST to the download."
    )


class ThrottledError(DriveError):
    """Too many attempts; `retry_after` is in seconds."""

    code = "throttled"


class TooManyUploadsError(DriveError):
    """Too many uploads are pending."""

    code = "too-many-uploads"
    status = 429
    title = "Too many uploads are pending"
    explanation = (
        "Commit or abort (`DELETE /uploads/{upload_id}`) some of those that `GET /uploads` lists, "
        "or wait until the first expires, as `Retry-After` says. Each share has a limit of its "
        "own, half of it for each network; whoever owns the file can make another share."
    )


class TooManySharesError(DriveError):
    """The file has too many active shares."""

    code = "too-many-shares"
    status = 429
    title = "The file has too many shares"
    explanation = "Revoke some of the shares of this file, then repeat the request."


class QuotaExceededError(DriveError):
    """The user's quota has no room for so many bytes."""

    code = "quota-exceeded"
    status = 507
    title = "The quota is used up"
    explanation = (
        "`used` and `reserved` bytes of the `quota` are taken, and `needed` more do not fit. What "
        "is deleted for good makes room when it is gone from the store, an upload that is not "
        "committed some time after it ended."
    )


class BusyError(DriveError):
    """More of this is going on already than the service takes on at once; nothing was changed."""

    code = "unavailable"


class IssuerUnavailableError(DriveError):
    """The keys of the tokens' issuer were never read, so no token of its can be verified."""

    code = "unavailable"


class StoreUnavailableError(DriveError):
    """The store did not answer, or not in a way that can be relied on; nothing was changed."""

    code = "store-unavailable"
    status = 503
    title = "The object store does not answer"
    explanation = "Nothing was changed. Repeat the request after `Retry-After` seconds."


LIMIT_ERRORS = (TooManyUploadsError, TooManySharesError, BusyError)
"""What one client gets so that the others are served. Not the rates, which may refuse thousands:
the line of the request and a metric say it."""
