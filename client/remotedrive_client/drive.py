"""The library: a person's drive as one object.

    with Drive("https://drive.example.org", token) as drive:
        drive.put([Path("report.pdf")], to="/Reports")
        drive.get(["/Reports/report.pdf"], Path("."))

A file or folder of the drive is named by its path (`/Reports/report.pdf`) or by its id.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self
from urllib.parse import quote

from remotedrive_client import planning, sync
from remotedrive_client.downloads import Downloader, Wanted
from remotedrive_client.errors import DriveError, InvalidPathError, NotFoundError
from remotedrive_client.models import (
    Account,
    Change,
    Changes,
    Commit,
    File,
    Folder,
    Share,
    Version,
    parse,
)
from remotedrive_client.paths import Entry, Paths, Place, Top, Tree, join, split
from remotedrive_client.planning import PutPlan
from remotedrive_client.progress import Progress, Silent
from remotedrive_client.results import Downloaded, Failed, Uploaded
from remotedrive_client.retries import PATIENCE, Stop
from remotedrive_client.service import Service, Token
from remotedrive_client.state import State
from remotedrive_client.store import ObjectStore
from remotedrive_client.sync import Comparer, Comparison, Direction
from remotedrive_client.uploads import Uploader

JOBS = 4
Permission = Literal["read", "write"]


class Drive:
    """Everything that a person can do, over HTTP. Methods raise the errors of `errors.py`.

    `token` is a JWT, or a function that returns a fresh one whenever the last has expired.
    `state` is the file that lets a later run resume; without one nothing is remembered.
    `jobs` transfers run at once; of a large file `part_jobs` parts at once are among them.
    `patience`: seconds until a silent server is given up.
    """

    def __init__(
        self,
        base_url: str,
        token: Token,
        *,
        state: Path | None = None,
        jobs: int = JOBS,
        part_jobs: int = 1,
        patience: float = PATIENCE,
        progress: Progress | None = None,
    ) -> None:
        self._stop = Stop()
        self._service = Service(base_url, token, stop=self._stop, patience=patience)
        self._store = ObjectStore(connections=max(jobs, part_jobs), stop=self._stop)
        self._state = State(state)
        self._jobs = jobs
        self._part_jobs = part_jobs
        self._progress = progress or Silent()
        self.paths = Paths(self._service)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End transfers that still run, and close connections and state."""
        self._stop.set()
        self._store.close()
        self._service.close()
        self._state.close()

    def account(self) -> Account:
        """Return who the caller is, and what they use."""
        return parse(Account, self._service.call("GET", "/me"))

    # Transfers

    def put(
        self, paths: Iterable[Path], *, to: str = "/", recursive: bool = False
    ) -> list[Uploaded | Failed]:
        """Upload files, and folders if `recursive`, into a folder, which is made if missing.

        A file whose name is there becomes its next version; one with the same bytes is not sent.
        """
        plan = PutPlan(self.paths, to)
        for path in paths:
            plan.add(path, recursive=recursive)
        return [*plan.failed, *self._uploader().run(plan.sources())]

    def put_version(self, path: Path, of: str) -> Uploaded | Failed:
        """Upload a file as the next version of another, which keeps its name and place."""
        source = planning.version_of(path, self.paths.file(of))
        return self._uploader().run([source])[0]

    def get(
        self,
        references: Iterable[str],
        folder: Path,
        *,
        recursive: bool = False,
        version: int | None = None,
        force: bool = False,
    ) -> list[Downloaded | Failed]:
        """Download files, and folders if `recursive`, into a local folder.

        `version` is for a single file; the newest otherwise. `force` replaces local files.
        """
        folder = Path(os.path.abspath(folder))
        wanted: list[Wanted] = []
        failed: list[Failed] = []
        for reference in references:
            try:
                wanted += self._wanted(reference, folder, recursive, version)
            except DriveError as error:
                failed.append(Failed(Path(reference), error))
        wanted, twice = planning.distinct(wanted)
        return [*failed, *twice, *self._downloader(force).run(wanted)]

    def compare(
        self, folder: Path, remote: str, direction: Direction, *, delete: bool = False
    ) -> Comparison:
        """Return what `synchronize` would do. A folder that is missing counts as empty."""
        folder = Path(os.path.abspath(folder))
        try:
            tree = self.paths.tree(self.paths.folder(remote))
        except NotFoundError:
            if direction == "down":
                raise
            tree = Tree(Top(), {}, {})
        return Comparer(self._state, self._stop).compare(direction, folder, tree, delete=delete)

    def synchronize(
        self, comparison: Comparison, folder: Path, remote: str
    ) -> list[Uploaded | Downloaded | Failed]:
        """Carry out a comparison of these two folders; deletions come last, if nothing failed."""
        folder = Path(os.path.abspath(folder))
        transfers = [step for step in comparison.steps if step.do != "delete"]
        results: list[Uploaded | Downloaded | Failed] = []
        if comparison.direction == "up":
            plan = PutPlan(self.paths, remote)
            for step in transfers:
                plan.place(step.names, step.local)
            results += [*plan.failed, *self._uploader().run(plan.sources())]
        else:
            wanted = [planning.wanted(s.remote, s.local) for s in transfers if s.remote]
            results += self._downloader(True).run(wanted)
        if not any(isinstance(result, Failed) for result in results):
            for step in comparison.steps:
                if step.do == "delete":
                    self._delete(step, comparison.direction, folder)
        return results

    # What is in the drive

    def find(self, reference: str) -> Entry:
        """Return what a path or an id names."""
        return self.paths.find(reference)

    def versions(self, reference: str) -> list[Version]:
        """Return all versions of a file, newest first."""
        path = f"/files/{self.paths.file(reference).id}/versions"
        return [parse(Version, each) for each in self._service.pages(path)]

    def mkdir(self, path: str, *, parents: bool = False) -> Folder:
        """Make a folder; with `parents` also those above it, and it may be there already."""
        names = split(path)
        if not names:
            raise InvalidPathError("The top of the drive is always there.")
        if parents:
            made = self.paths.make(names)
            assert isinstance(made, Folder)  # noqa: S101 - it has a name
            return made
        return self.paths.new_folder(self.paths.folder(join(names[:-1])), names[-1])

    def move(self, reference: str, target: str) -> File | Folder:
        """Move into the folder `target`, or to the path `target`, which nothing has yet."""
        entry = self._movable(reference)
        place, name = self._destination(target, entry.name)
        if isinstance(entry, File):
            body = {"name": name, "folder_id": place.id}
            return parse(File, self._service.call("PATCH", _path_of(entry), body))
        body = {"name": name, "parent_id": place.id}
        return parse(Folder, self._service.call("PATCH", _path_of(entry), body))

    def copy(self, reference: str, target: str, *, recursive: bool = False) -> list[File]:
        """Copy a file, or a folder with all in it; no bytes move. `target` as for `move`."""
        entry = self._movable(reference)
        place, name = self._destination(target, entry.name)
        if isinstance(entry, File):
            return [self._copy(entry, place, name)]
        if not recursive:
            raise InvalidPathError(f"{reference} is a folder; -r copies it with all in it.")
        tree = self.paths.tree(entry)
        made: dict[tuple[str, ...], Place] = {(): self.paths.new_folder(place, name)}
        for names in sorted(tree.folders):
            made[names] = self.paths.new_folder(made[names[:-1]], names[-1])
        return [self._copy(file, made[names[:-1]], names[-1]) for names, file in tree.files.items()]

    def remove(self, reference: str, *, permanent: bool = False) -> File | Folder:
        """Move a file, or a folder with all in it, to the trash, or purge it for good."""
        entry = self._movable(reference)
        query = {"permanent": "true"} if permanent else None
        self._service.call("DELETE", _path_of(entry), query=query)
        return entry

    # The trash

    def trash(self) -> list[File | Folder]:
        """Return what is in the trash: folders that were trashed themselves, then files."""
        query = {"trashed": "true"}
        folders = [parse(Folder, each) for each in self._service.pages("/folders", query)]
        files = [parse(File, each) for each in self._service.pages("/files", query)]
        return [*folders, *files]

    def empty_trash(self) -> None:
        """Purge all that is in the trash."""
        for entry in self.trash():
            if isinstance(entry, Folder):
                self._service.call("DELETE", _path_of(entry), query={"permanent": "true"})
        self._service.call("DELETE", "/files", query={"trashed": "true"})

    def restore(self, reference: str) -> File | Folder:
        """Take out of the trash what has this id, or alone has this name."""
        found = [entry for entry in self.trash() if reference in (entry.id, entry.name)]
        if len(found) != 1:
            reason = "is not in the trash" if not found else "names several things; give an id"
            raise NotFoundError(f"{reference} {reason}.")
        kind = type(found[0])
        answer = self._service.call("POST", f"{_path_of(found[0])}/restore", repeatable=True)
        return parse(kind, answer)

    def restore_version(self, reference: str, version: int) -> Commit:
        """Make an older version the newest again, as a new version with its bytes."""
        path = f"/files/{self.paths.file(reference).id}/versions/{version}/restore"
        return parse(Commit, self._service.call("POST", path))

    # Shares

    def share(
        self,
        reference: str,
        permission: Permission = "read",
        *,
        expires_at: datetime | None = None,
        password: str | None = None,
        max_downloads: int | None = None,
    ) -> Share:
        """Share a file with whoever has the link. Its `token` and `url` are shown this once."""
        body = {
            "file_id": self.paths.file(reference).id,
            "permission": permission,
            "expires_at": None if expires_at is None else expires_at.isoformat(),
            "password": password,
            "max_downloads": max_downloads,
        }
        return parse(Share, self._service.call("POST", "/shares", body))

    def shares(self, reference: str | None = None) -> list[Share]:
        """Return the shares of a file, or of all files."""
        query = {} if reference is None else {"file_id": self.paths.file(reference).id}
        return [parse(Share, each) for each in self._service.pages("/shares", query)]

    def edit_share(self, share_id: str, changed: Mapping[str, Any]) -> Share:
        """Change `permission`, `expires_at`, `password`, `max_downloads`; None takes one away."""
        body = {
            name: value.isoformat() if isinstance(value, datetime) else value
            for name, value in changed.items()
        }
        return parse(Share, self._service.call("PATCH", f"/shares/{_quoted(share_id)}", body))

    def revoke(self, share_id: str) -> None:
        """End a share for good."""
        self._service.call("DELETE", f"/shares/{_quoted(share_id)}")

    # Changes

    def changes(self, after: int = 0, *, limit: int = 1000) -> Changes:
        """Return a page of what happened after a cursor; 0: since the feed begins."""
        query = {"limit": limit, "after": after}
        answer = self._service.call("GET", "/changes", query=query)
        results = tuple(parse(Change, each) for each in answer["results"])
        return Changes(results, answer["next"], answer["has_more"])

    def latest_change(self) -> int:
        """Return the cursor after which everything is still to come."""
        return int(self._service.call("GET", "/changes/latest")["next"])

    def _uploader(self) -> Uploader:
        return Uploader(
            self._service,
            self._store,
            self._state,
            self._stop,
            jobs=self._jobs,
            part_jobs=self._part_jobs,
            progress=self._progress,
        )

    def _downloader(self, force: bool) -> Downloader:
        return Downloader(
            self._service,
            self._store,
            self._state,
            self._stop,
            jobs=self._jobs,
            force=force,
            progress=self._progress,
        )

    def _wanted(
        self, reference: str, folder: Path, recursive: bool, version: int | None
    ) -> list[Wanted]:
        entry = self.find(reference)
        if isinstance(entry, File):
            path = planning.local_path(folder, (entry.name,))
            if version is None:
                return [planning.wanted(entry, path)]
            shown = self._service.call("GET", f"/files/{entry.id}/versions/{version}")
            return [planning.wanted_version(entry, parse(Version, shown), path)]
        if not recursive or version is not None:
            raise InvalidPathError(f"{reference} is a folder; -r downloads it with all in it.")
        above = () if isinstance(entry, Top) else (entry.name,)
        return planning.below(self.paths.tree(entry).files, folder, above)

    def _movable(self, reference: str) -> File | Folder:
        entry = self.find(reference)
        if isinstance(entry, Top):
            raise InvalidPathError("The top of the drive stays where it is.")
        return entry

    def _destination(self, target: str, name: str) -> tuple[Place, str]:
        """Return the folder and the name that a move or copy to `target` leads to."""
        try:
            found = self.find(target)
        except NotFoundError:
            names = split(target)
            return self.paths.folder(join(names[:-1])), names[-1]
        if isinstance(found, File):
            raise InvalidPathError(f"{target} is there already.")
        return found, name

    def _copy(self, file: File, place: Place, name: str) -> File:
        body = {"name": name, "folder_id": place.id}
        return parse(File, self._service.call("POST", f"/files/{file.id}/copy", body))

    def _delete(self, step: sync.Step, direction: Direction, folder: Path) -> None:
        if direction == "down":
            sync.delete_local(step, folder)
        elif step.remote is not None:
            self._service.call("DELETE", f"/files/{step.remote.id}")


def _path_of(entry: File | Folder) -> str:
    return f"/{'files' if isinstance(entry, File) else 'folders'}/{entry.id}"


def _quoted(identifier: str) -> str:
    return quote(identifier, safe="")
