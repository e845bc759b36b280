"""One-way synchronisation of a local folder and one of the drive, by size and SHA-256.

Checksums of local files are remembered by size and modification time. What is deleted in the drive
goes to its trash; local files are deleted for good.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from remotedrive_client import local
from remotedrive_client.errors import DriveError, InvalidPathError
from remotedrive_client.local import Snapshot
from remotedrive_client.models import File
from remotedrive_client.paths import Names, Tree
from remotedrive_client.planning import local_path
from remotedrive_client.retries import Stop
from remotedrive_client.state import State

Direction = Literal["up", "down"]
Do = Literal["add", "replace", "delete"]


@dataclass(frozen=True)
class Step:
    """One thing to do, with the file at `names` on the side that changes."""

    do: Do
    names: Names
    local: Path
    remote: File | None
    size: int


@dataclass(frozen=True)
class Comparison:
    """What must be done to make one side like the other, and how many files are alike already."""

    direction: Direction
    steps: tuple[Step, ...]
    alike: int


class Comparer:
    """Compares local files with those of the drive."""

    def __init__(self, state: State, stop: Stop) -> None:
        self._state = state
        self._stop = stop

    def compare(
        self, direction: Direction, folder: Path, tree: Tree, *, delete: bool
    ) -> Comparison:
        """Return the steps from both sides. Raises `LocalFileError`, `InvalidPathError`."""
        here = _here(folder) if folder.exists() or direction == "up" else {}
        _require_places(here, tree)
        steps: list[Step] = []
        alike = 0
        for names in sorted({*here, *tree.files}):
            path, remote = here.get(names), tree.files.get(names)
            # Upwards nothing is written here, so a symbolic link on the way does no harm.
            target = path or (
                local_path(folder, names) if direction == "down" else folder.joinpath(*names)
            )
            if path is not None and remote is not None:
                if self._equal(path, remote):
                    alike += 1
                else:
                    size = remote.size if direction == "down" else Snapshot.of(path).size
                    steps.append(Step("replace", names, target, remote, size))
            elif (path is not None) == (direction == "up"):
                size = Snapshot.of(path).size if path is not None else _size(remote)
                steps.append(Step("add", names, target, remote, size))
            elif delete:
                steps.append(Step("delete", names, target, remote, 0))
        return Comparison(direction, tuple(steps), alike)

    def _equal(self, path: Path, remote: File) -> bool:
        snapshot = Snapshot.of(path)
        if snapshot.size != remote.size:
            return False
        return local.checksum(snapshot, self._state, self._stop) == remote.checksum


def delete_local(step: Step, folder: Path) -> None:
    """Delete a local file, and the folders below `folder` that are empty then."""
    try:
        step.local.unlink(missing_ok=True)
    except OSError as error:
        raise DriveError(f"{step.local} cannot be deleted: {error.strerror}.") from None
    for above in step.local.parents:
        if above == folder:
            break
        try:
            above.rmdir()
        except OSError:
            break


def _here(folder: Path) -> dict[Names, Path]:
    here: dict[Names, Path] = {}
    for names, path in local.walk(folder):
        if here.setdefault(names, path) != path:
            raise InvalidPathError(f"{path} and {here[names]} have the same name in the drive.")
    return here


def _require_places(here: Mapping[Names, Path], tree: Tree) -> None:
    """Raise `InvalidPathError` where one side has a file and the other a folder."""
    folders_here = {names[:count] for names in here for count in range(1, len(names))}
    for names in [*(here.keys() & tree.folders.keys()), *(folders_here & tree.files.keys())]:
        if names in here and names in tree.files:
            continue
        raise InvalidPathError(
            f"{'/'.join(names)} is a file on one side and a folder on the other."
        )


def _size(remote: File | None) -> int:
    return 0 if remote is None else remote.size
