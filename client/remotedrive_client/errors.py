"""What goes wrong, each with one sentence for people. No message contains a token or a URL."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class DriveError(Exception):
    """Base of all errors of this package."""


class ProblemError(DriveError):
    """The service refused a request with a problem document (RFC 9457).

    `members` is the whole document; programs look at `code`.
    """

    def __init__(self, status: int, members: Mapping[str, Any]) -> None:
        self.status = status
        self.members = dict(members)
        self.code = str(members.get("code", ""))
        self.detail = str(members.get("detail") or members.get("title") or f"HTTP {status}")
        self.request_id = str(members.get("request_id", ""))
        super().__init__(self.detail)

    @property
    def retry_after(self) -> float | None:
        """Seconds to wait before the request is repeated; None: repeating does not help."""
        value = self.members.get("retry_after")
        return float(value) if isinstance(value, int | float) else None

    def __str__(self) -> str:
        fields = "".join(
            f" {error.get('field')}: {error.get('message')}"
            for error in self.members.get("errors", ())
            if isinstance(error, dict)
        )
        request = f" (request {self.request_id})" if self.request_id else ""
        return f"{self.detail}{fields}{request}"


class NotFoundError(DriveError):
    """Nothing has this path in the drive."""


class NotSignedInError(DriveError):
    """There is no address or no token, or the command that prints the token failed."""


class UnavailableError(DriveError):
    """The service or the store did not answer, also after retries."""


class OutcomeUnknownError(UnavailableError):
    """The service may have done what was asked; its answer never came."""


class UnexpectedAnswerError(DriveError):
    """A server answered, and not as the service does: the address is another server's."""

    def __init__(self) -> None:
        super().__init__("The server did not answer as Remote Drive does; is the address right?")


class StoreRefusedError(DriveError):
    """The store refused a transfer for a reason that does not pass."""


class InvalidPathError(DriveError):
    """A path or a name that the drive or the command does not take."""


class LocalFileError(DriveError):
    """A local file cannot be read or written."""


class FileChangedError(LocalFileError):
    """A local file changed while it was read; nothing of it was recorded."""

    def __init__(self, path: object) -> None:
        super().__init__(f"{path} changed while it was read; it was not uploaded.")


class TargetExistsError(LocalFileError):
    """A local file with other bytes has the name of a download."""

    def __init__(self, path: object) -> None:
        super().__init__(f"{path} exists; --force replaces it.")


class ChecksumError(DriveError):
    """Downloaded bytes do not have the checksum of their version."""


class StoppedError(DriveError):
    """The work was stopped from outside, by Ctrl-C."""
