"""Paths of the drive: which folder or file a path names, and what is in a folder.

A path is names with `/` between them; the first `/` may be left out. An id stands for what has it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from remotedrive_client.errors import InvalidPathError, NotFoundError, ProblemError
from remotedrive_client.local import normalized
from remotedrive_client.models import File, Folder, parse
from remotedrive_client.service import Service

FEW = 4
"""Names that are looked for one by one; for more the whole folder is listed."""

Names = tuple[str, ...]


@dataclass(frozen=True)
class Top:
    """The place that all other folders are in. It has no id."""

    id: None = None
    name: str = ""


Place = Top | Folder
Entry = Top | Folder | File


def split(path: str) -> Names:
    """Return the names of a path; none is the top. Raises `InvalidPathError`."""
    names = tuple(normalized(name) for name in path.split("/") if name)
    for name in names:
        if name in (".", ".."):
            raise InvalidPathError(f"{path}: a path of the drive has no . or .. in it.")
        if not name.isprintable() and any(ord(each) < 32 for each in name):
            raise InvalidPathError("A name in the drive has no control characters.")
    return names


def join(names: Iterable[str]) -> str:
    """Return the path of these names, from the top."""
    return "/" + "/".join(names)


class Paths:
    """Finds and makes what paths name, for one person."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def find(self, reference: str) -> Entry:
        """Return what a path or an id names; of files with one name the newest.

        Raises `NotFoundError`, `InvalidPathError`.
        """
        found = self._by_id(reference) if _is_id(reference) else self._by_path(split(reference))
        if found is None:
            raise NotFoundError(f"{reference} is not in the drive.")
        return found

    def folder(self, reference: str) -> Place:
        """Return the folder that a path or an id names. Raises as `find`."""
        found = self.find(reference)
        if isinstance(found, File):
            raise InvalidPathError(f"{reference} is a file, not a folder.")
        return found

    def file(self, reference: str) -> File:
        """Return the file that a path or an id names. Raises as `find`."""
        found = self.find(reference)
        if not isinstance(found, File):
            raise InvalidPathError(f"{reference} is a folder, not a file.")
        return found

    def make(self, names: Names) -> Place:
        """Return the folder of this path; it and those that it is in are made where missing."""
        found = self._by_path(names)
        if isinstance(found, File):
            raise InvalidPathError(f"{join(names)} is a file, not a folder.")
        if found is not None:
            return found
        return self.child(self.make(names[:-1]), names[-1])

    def child(self, parent: Place, name: str) -> Folder:
        """Return the folder of this name in `parent`, made if it is missing."""
        try:
            return self.new_folder(parent, name, repeatable=True)
        except ProblemError as error:
            if error.code != "name-taken":
                raise
            return parse(
                Folder, self._service.call("GET", f"/folders/{error.members['folder_id']}")
            )

    def new_folder(self, parent: Place, name: str, *, repeatable: bool = False) -> Folder:
        """Make a folder. Raises `ProblemError` (`name-taken`).

        If `repeatable`, that may also be the folder that a lost answer told of.
        """
        body = {"name": name} if parent.id is None else {"name": name, "parent_id": parent.id}
        return parse(Folder, self._service.call("POST", "/folders", body, repeatable=repeatable))

    def folders_in(self, place: Place) -> Iterator[Folder]:
        """Yield the folders directly in a folder, by name."""
        query = {"parent_id": place.id or "root"}
        return (parse(Folder, each) for each in self._service.pages("/folders", query))

    def files_in(self, place: Place, *, name: str | None = None) -> Iterator[File]:
        """Yield the files directly in a folder, newest first; `name`: those that contain it."""
        query = {"folder_id": place.id or "root"} | ({} if name is None else {"name": name})
        return (parse(File, each) for each in self._service.pages("/files", query))

    def files_within(self, place: Place) -> Iterator[File]:
        """Yield the files in a folder and in all folders below it, newest first."""
        query = {} if place.id is None else {"within": place.id}
        return (parse(File, each) for each in self._service.pages("/files", query))

    def named(self, place: Place, names: Iterable[str]) -> dict[str, File]:
        """Return the newest file of each of these names that is directly in a folder."""
        wanted = set(names)
        if len(wanted) > FEW:
            return newest(each for each in self.files_in(place) if each.name in wanted)
        found: dict[str, File] = {}
        for name in wanted:
            for file in self.files_in(place, name=name):
                if file.name == name:
                    found[name] = file
                    break
        return found

    def tree(self, place: Place) -> Tree:
        """Return all that is below a folder."""
        folders: dict[Names, Folder] = {}
        names_of: dict[str | None, Names] = {place.id: ()}
        due: list[tuple[Names, Place]] = [((), place)]
        while due:
            above, parent = due.pop()
            for folder in self.folders_in(parent):
                names = (*above, folder.name)
                folders[names] = folder
                names_of[folder.id] = names
                due.append((names, folder))
        files: dict[Names, File] = {}
        for file in self.files_within(place):
            # What was moved since the folders were listed is left to the next time.
            if file.folder_id in names_of:
                files.setdefault((*names_of[file.folder_id], file.name), file)
        return Tree(place, folders, files)

    def _by_path(self, names: Names) -> Entry | None:
        if not names:
            return Top()
        found = self._get("/lookup", {"path": join(names)})
        if found is None:
            return None
        file, folder = found.get("file"), found.get("folder")
        return parse(Folder, folder) if file is None else parse(File, file)

    def _by_id(self, identifier: str) -> Entry | None:
        file = self._get(f"/files/{identifier}")
        if file is not None:
            return parse(File, file)
        folder = self._get(f"/folders/{identifier}")
        return None if folder is None else parse(Folder, folder)

    def _get(self, path: str, query: Mapping[str, str] | None = None) -> Any:
        """Return what is there; None: nothing is."""
        try:
            return self._service.call("GET", path, query=query)
        except ProblemError as error:
            if error.code != "not-found":
                raise
            return None


@dataclass(frozen=True)
class Tree:
    """All below `place`, by the names that lead there; of files with one name the newest."""

    place: Place
    folders: Mapping[Names, Folder]
    files: Mapping[Names, File]


def newest(files: Iterable[File]) -> dict[str, File]:
    """Return the first of each name; listings have the newest first."""
    found: dict[str, File] = {}
    for file in files:
        found.setdefault(file.name, file)
    return found


def _is_id(reference: str) -> bool:
    try:
        return str(UUID(reference)) == reference.lower()
    except ValueError:
        return False
