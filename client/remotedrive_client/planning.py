"""Which local files go where: the arguments of `put` and `get` as lists of single transfers."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from remotedrive_client.announcing import Source
from remotedrive_client.downloads import Wanted
from remotedrive_client.errors import DriveError, InvalidPathError, LocalFileError
from remotedrive_client.local import normalized, walk
from remotedrive_client.models import File, Version
from remotedrive_client.paths import Names, Paths, split
from remotedrive_client.results import Failed

_WINDOWS_DEVICES = {
    *("CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"),
    *(f"{port}{digit}" for port in ("COM", "LPT") for digit in "0123456789¹²³"),
}


class PutPlan:
    """Collects what is to be uploaded below one folder of the drive."""

    def __init__(self, paths: Paths, to: str) -> None:
        self._paths = paths
        self._to = split(to)
        self._files: defaultdict[Names, dict[str, Path]] = defaultdict(dict)
        self.failed: list[Failed] = []

    def add(self, path: Path, *, recursive: bool) -> None:
        """Add a file, or a folder with all that is in it; what is no use goes to `failed`."""
        path = Path(os.path.abspath(path))
        try:
            if not path.is_dir():
                self._add((), path)
            elif recursive:
                for names, each in walk(path):
                    self._add((normalized(path.name), *names[:-1]), each)
            else:
                raise InvalidPathError(f"{path} is a folder; -r uploads it with all in it.")
        except DriveError as error:
            self.failed.append(Failed(path, error))

    def place(self, names: Names, path: Path) -> None:
        """Add a file that goes to this path below the folder."""
        self._add(names[:-1], path)

    def sources(self) -> list[Source]:
        """Make the folders that are missing, and return what goes where."""
        self._paths.make(self._to)
        sources = []
        for names, files in sorted(self._files.items()):
            place = self._paths.make((*self._to, *names))
            there = self._paths.named(place, files)
            sources += [
                Source(path, name, place.id, there.get(name)) for name, path in files.items()
            ]
        return sources

    def _add(self, names: Names, path: Path) -> None:
        name = normalized(path.name)
        try:
            "/".join((*names, name)).encode()
        except UnicodeEncodeError:
            self.failed.append(
                Failed(path, InvalidPathError("The name of a file is not valid UTF-8."))
            )
            return
        other = self._files[names].setdefault(name, path)
        if other != path:
            error = InvalidPathError(f"{path} and {other} would get the same name.")
            self.failed.append(Failed(path, error))


def version_of(source: Path, file: File) -> Source:
    """Return what uploads a local file as the next version of one in the drive."""
    return Source(Path(os.path.abspath(source)), normalized(source.name), file.folder_id, file)


def wanted(file: File, path: Path) -> Wanted:
    """Return what downloads the newest version of a file to a local path."""
    return Wanted(file.id, path, file.size, file.checksum, file.version)


def wanted_version(file: File, version: Version, path: Path) -> Wanted:
    """Return what downloads one version of a file to a local path."""
    return Wanted(file.id, path, version.size, version.checksum, version.version)


def below(files: Mapping[Names, File], folder: Path, above: Names) -> list[Wanted]:
    """Return what downloads files to the names `above` and then their own, in a local folder."""
    return [wanted(file, local_path(folder, (*above, *names))) for names, file in files.items()]


def local_path(folder: Path, names: Names) -> Path:
    """Return where a file goes below a local folder.

    Raises `LocalFileError` for a name that would lead elsewhere, and for a way there that leads
    through a symbolic link.
    """
    path = folder
    for name in names:
        if (
            name in ("", ".", "..")
            or any(each in name for each in _separators())
            or (os.name == "nt" and not is_windows_name(name))
        ):
            raise LocalFileError(f"{name} is not a name for a local file.")
        path /= name
    for above in path.parents:
        if above == folder:
            break
        if above.is_symlink():
            raise LocalFileError(f"{above} is a symbolic link; nothing is written through it.")
    return path


def is_windows_name(name: str) -> bool:
    """Return whether Windows keeps a file under this name, and not under another, or a device.

    Source: "Naming Files, Paths, and Namespaces" of the Win32 documentation.
    """
    device = name.partition(".")[0].rstrip(" ").upper()
    return ":" not in name and name[-1] not in ". " and device not in _WINDOWS_DEVICES


def distinct(all_wanted: Sequence[Wanted]) -> tuple[list[Wanted], list[Failed]]:
    """Return the downloads whose local paths differ, and what is wrong with the others."""
    first: dict[Path, Wanted] = {}
    failed = []
    for each in all_wanted:
        if first.setdefault(each.path, each) is not each:
            error = InvalidPathError(f"{each.path} would be written twice.")
            failed.append(Failed(each.path, error))
    return list(first.values()), failed


def _separators() -> Iterable[str]:
    return [each for each in ("/", "\0", os.sep, os.altsep) if each]
