"""A program that keeps a copy of a drive in step by `GET /changes` alone.

It looks at what an entry names, and lists what is in a folder that came back, as one entry stands
for all of that. It may lag behind: what it looks at may have changed again by then, or be gone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.support.client import Answer, Client
from tests.support.retries import persistently

Row = dict[str, Any]


@dataclass
class Follower:
    """The drive of one person, as far as the changes up to `cursor` tell."""

    client: Client
    cursor: int = 0
    entries: list[Row] = field(default_factory=list)
    """All entries so far."""
    files: dict[str, Row] = field(default_factory=dict)
    folders: dict[str, Row] = field(default_factory=dict)
    trashed_files: set[str] = field(default_factory=set)
    """Those that were trashed by themselves, and not with a folder."""
    trashed_folders: set[str] = field(default_factory=set)
    _versions: dict[str, int] = field(default_factory=dict)

    def follow(self) -> None:
        """Read all changes that there are by now; each must be the next one."""
        more = True
        while more:
            page = self._get(f"/changes?after={self.cursor}&limit=50")
            assert page.status == 200, page.json
            for entry in page["results"]:
                assert entry["seq"] == self.cursor + 1, (entry, self.cursor)
                self.cursor += 1
                self.entries.append(entry)
                self._apply(entry)
            assert page["next"] == self.cursor
            more = page["has_more"]

    def check(self) -> None:
        """Assert that the copy is what the listings show; nobody may change anything meanwhile."""
        listed = {row["id"]: row for row in self._listed("/files?page_size=200")}
        assert self.files == listed
        folders = {row["id"]: row for row in self._folders_in("root")}
        assert {each: self._with_path(row) for each, row in self.folders.items()} == folders
        for trashed, path in (
            (self.trashed_files, "/files?trashed=true&page_size=200"),
            (self.trashed_folders, "/folders?trashed=true&page_size=200"),
        ):
            shown = {row["id"] for row in self._listed(path)}
            assert trashed == shown, (trashed - shown, shown - trashed)
        assert {each: row["version"] for each, row in listed.items()} == {
            each: self._versions[each] for each in listed
        }

    def _apply(self, entry: Row) -> None:
        kind, file_id, folder_id = entry["kind"], entry["file_id"], entry["folder_id"]
        if kind.startswith("share-"):
            return
        if kind.startswith("folder-"):
            self._apply_to_folder(kind, folder_id)
            return
        if kind in ("file-created", "version-added"):
            assert entry["version"] == self._versions.get(file_id, 0) + 1, entry
            assert (kind == "file-created") == (entry["version"] == 1), entry
            self._versions[file_id] = entry["version"]
        if kind in ("file-trashed", "file-purged", "file-restored"):
            self.files.pop(file_id, None)
            _is_in(self.trashed_files, file_id, kind == "file-trashed")
        if kind not in ("file-trashed", "file-purged"):
            self._look_at_file(file_id)

    def _apply_to_folder(self, kind: str, folder_id: str) -> None:
        if kind in ("folder-trashed", "folder-purged", "folder-restored"):
            self._drop_folder(folder_id)
            _is_in(self.trashed_folders, folder_id, kind == "folder-trashed")
        if kind not in ("folder-trashed", "folder-purged"):
            self._look_at_folder(folder_id)
        if kind == "folder-restored":
            for row in self._folders_in(folder_id):
                self._folder_is_present(row)
            for row in self._listed(f"/files?within={folder_id}&page_size=200"):
                self.files[row["id"]] = row

    def _look_at_file(self, file_id: str) -> None:
        shown = self._get(f"/files/{file_id}")
        self.files.pop(file_id, None)
        if shown.status != 404:
            assert shown.status == 200, shown.json
            shown.json.pop("versions")
            self.files[file_id] = shown.json

    def _look_at_folder(self, folder_id: str) -> None:
        shown = self._get(f"/folders/{folder_id}")
        if shown.status == 404:
            self._drop_folder(folder_id)
        else:
            assert shown.status == 200, shown.json
            self._folder_is_present(shown.json)

    def _folder_is_present(self, row: Row) -> None:
        self.folders[row["id"]] = {name: row[name] for name in row if name != "path"}

    def _drop_folder(self, folder_id: str) -> None:
        """Take a folder, and all in it, out of the copy."""
        below = {folder_id}
        while (
            inside := {each for each, row in self.folders.items() if row["parent_id"] in below}
            - below
        ):
            below |= inside
        self.folders = {each: self.folders[each] for each in self.folders.keys() - below}
        self.files = {
            each: row for each, row in self.files.items() if row["folder_id"] not in below
        }

    def _with_path(self, row: Row) -> Row:
        path: list[Row] = []
        step: Row | None = row
        while step is not None:
            path.insert(0, {"id": step["id"], "name": step["name"]})
            step = None if step["parent_id"] is None else self.folders[step["parent_id"]]
        return row | {"path": path}

    def _folders_in(self, place: str) -> Iterator[Row]:
        for row in self._listed(f"/folders?parent_id={place}&page_size=200"):
            yield row
            yield from self._folders_in(row["id"])

    def _listed(self, path: str | None) -> Iterator[Row]:
        """List all pages; nothing where the place is gone."""
        while path is not None:
            page = self._get(path)
            if page.status == 404:
                return
            assert page.status == 200, page.json
            yield from page["results"]
            path = page["next"]

    def _get(self, path: str) -> Answer:
        return persistently(lambda: self.client.get(path))


def _is_in(things: set[str], thing: str, is_in: bool) -> None:
    (things.add if is_in else things.discard)(thing)
