"""What became of each file of a transfer."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from remotedrive_client.errors import DriveError

Outcome = Literal["created", "new-version", "unchanged"]


@dataclass(frozen=True)
class Uploaded:
    """A file that is in the drive. `unchanged`: it was there with these bytes."""

    path: Path
    outcome: Outcome
    file_id: str
    name: str
    version: int
    size: int
    checksum: str


@dataclass(frozen=True)
class Downloaded:
    """A local file. `unchanged`: it had these bytes before."""

    path: Path
    outcome: Literal["created", "unchanged"]
    file_id: str
    version: int
    size: int
    checksum: str


@dataclass(frozen=True)
class Failed:
    """A file that was not transferred, and why."""

    path: Path
    error: DriveError
