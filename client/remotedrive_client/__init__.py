"""A client of Remote Drive: `Drive` and what its methods return and raise."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from remotedrive_client.drive import Drive
    from remotedrive_client.errors import (
        ChecksumError,
        DriveError,
        FileChangedError,
        InvalidPathError,
        LocalFileError,
        NotFoundError,
        NotSignedInError,
        ProblemError,
        StoreRefusedError,
        TargetExistsError,
        UnavailableError,
        UnexpectedAnswerError,
    )
    from remotedrive_client.models import (
        Account,
        Change,
        Changes,
        Commit,
        File,
        Folder,
        Share,
        Version,
    )
    from remotedrive_client.results import Downloaded, Failed, Uploaded
else:

    def __getattr__(name: str) -> object:
        """Import on first use (PEP 562): `drive` handles Ctrl-C before anything slow is loaded."""
        if name in __all__:
            for module in ("errors", "results", "models", "drive"):
                found = getattr(import_module(f"{__name__}.{module}"), name, None)
                if found is not None:
                    globals()[name] = found
                    return found
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = [
    "Account",
    "Change",
    "Changes",
    "ChecksumError",
    "Commit",
    "Downloaded",
    "Drive",
    "DriveError",
    "Failed",
    "File",
    "FileChangedError",
    "Folder",
    "InvalidPathError",
    "LocalFileError",
    "NotFoundError",
    "NotSignedInError",
    "ProblemError",
    "Share",
    "StoreRefusedError",
    "TargetExistsError",
    "UnavailableError",
    "UnexpectedAnswerError",
    "Uploaded",
    "Version",
]
