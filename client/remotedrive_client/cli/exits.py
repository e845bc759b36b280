"""The exit statuses; `docx/client.md` lists them for people."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum

from remotedrive_client.errors import (
    ChecksumError,
    DriveError,
    InvalidPathError,
    LocalFileError,
    NotFoundError,
    NotSignedInError,
    ProblemError,
    StoreRefusedError,
    TargetExistsError,
    UnavailableError,
)


class Exit(IntEnum):
    OK = 0
    FAILED = 1
    USAGE = 2
    NOT_FOUND = 3
    NOT_ALLOWED = 4
    CONFLICT = 5
    UNAVAILABLE = 6
    QUOTA = 7
    LOCAL_FILE = 8
    BYTES = 9
    INTERRUPTED = 130


_BY_CLASS: dict[type[DriveError], Exit] = {
    InvalidPathError: Exit.USAGE,
    NotFoundError: Exit.NOT_FOUND,
    NotSignedInError: Exit.NOT_ALLOWED,
    TargetExistsError: Exit.CONFLICT,
    UnavailableError: Exit.UNAVAILABLE,
    LocalFileError: Exit.LOCAL_FILE,
    ChecksumError: Exit.BYTES,
    StoreRefusedError: Exit.BYTES,
}
"""The first that an error is an instance of counts."""
_BY_STATUS = {
    400: Exit.USAGE,
    401: Exit.NOT_ALLOWED,
    403: Exit.NOT_ALLOWED,
    404: Exit.NOT_FOUND,
    409: Exit.CONFLICT,
    410: Exit.NOT_FOUND,
    412: Exit.CONFLICT,
    422: Exit.BYTES,
    429: Exit.UNAVAILABLE,
    502: Exit.UNAVAILABLE,
    503: Exit.UNAVAILABLE,
    504: Exit.UNAVAILABLE,
    507: Exit.QUOTA,
}


def exit_of(error: DriveError) -> Exit:
    """Return the status for one error."""
    if isinstance(error, ProblemError):
        return _BY_STATUS.get(error.status, Exit.FAILED)
    for kind, status in _BY_CLASS.items():
        if isinstance(error, kind):
            return status
    return Exit.FAILED


def exit_of_all(errors: Iterable[DriveError]) -> Exit:
    """Return the status that all errors share, 1 if they differ, 0 if there is none."""
    statuses = {exit_of(error) for error in errors}
    if not statuses:
        return Exit.OK
    return statuses.pop() if len(statuses) == 1 else Exit.FAILED
