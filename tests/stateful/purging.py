"""The steps that remove for good, and bring an earlier version back."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from hypothesis.stateful import rule

from tests.stateful import model
from tests.stateful.model import COMMITTED, Expected, File, Folder
from tests.stateful.people import PEOPLE, PICKS, hold, when
from tests.stateful.uploading import Uploading
from tests.support.client import sha256
from tests.support.together import at_once

GONE = Expected(204)


class Purging(Uploading):
    """Purge files and versions, empty the trash, restore versions; and look at what is used."""

    @rule(number=PICKS)
    @when(lambda self: self.files)
    def purge(self, number: int) -> None:
        file = self.pick(self.files, number)
        hold(self.ask(lambda: self.owner_of(file).delete(permanently(file))), GONE)
        self.purged(file)
        again = self.ask(lambda: self.owner_of(file).delete(permanently(file)))
        hold(again, model.NOT_FOUND)

    @rule(who=PEOPLE)
    def empty_the_trash(self, who: int) -> None:
        hold(self.ask(lambda: self.people[who].delete("/files?trashed=true")), GONE)
        for file in [file for file in self.files if file.trashed and file.owner == who]:
            self.purged(file)
        self.purged_folders([each for each in self.folders if each.trashed and each.owner == who])

    @rule(number=PICKS, at=PICKS)
    @when(lambda self: self.files)
    def purge_version(self, number: int, at: int) -> None:
        file = self.pick(self.files, number)
        version = 1 + at % len(file.versions)
        path = f"/files/{file.id}/versions/{version}"
        answer = self.ask(lambda: self.owner_of(file).delete(path))
        expected = GONE
        if file.trashed:
            expected = model.NOT_FOUND
        elif version == len(file.versions):
            expected = Expected(409, "version-current")
        if hold(answer, expected).status == 204:
            file.purged_versions.add(version)

    @rule(number=PICKS, at=PICKS)
    @when(lambda self: self.files)
    def restore_version(self, number: int, at: int) -> None:
        file = self.pick(self.files, number)
        version = 1 + at % len(file.versions)
        path = f"/files/{file.id}/versions/{version}/restore"
        answer = self.ask(lambda: self.owner_of(file).post(path))
        expected = COMMITTED
        if file.trashed:
            expected = model.NOT_FOUND
        elif version in file.purged_versions:
            expected = model.VERSION_PURGED
        if hold(answer, expected).status != 201:
            return
        data = file.versions[version - 1]
        file.versions.append(data)
        self.used[file.owner] += len(data)
        shown = (answer["fileId"], answer["version"], answer["checksum"])
        assert shown == (file.id, len(file.versions), sha256(data))

    @rule(number=PICKS)
    @when(lambda self: any(upload.file in self.files for upload in self.uploads))
    def commit_against_purge(self, number: int) -> None:
        """At the same moment: the version is there before the file goes, or never."""
        upload = self.pick([each for each in self.uploads if each.file in self.files], number)
        file = upload.file
        assert file is not None
        said = self.arguments(upload, "right")
        expected = model.expect_commit(upload, said, store_up=self.store_up)
        committed, purged = at_once(
            [
                self.commit_call(upload, said),
                partial(self.ask, lambda: self.owner_of(file).delete(permanently(file))),
            ]
        )
        hold(purged, GONE)
        if committed.status == 201:
            assert expected == COMMITTED
            self.committed(upload, committed)
        elif committed.status not in (404, 410):
            hold(committed, expected)
        self.purged(file)

    @rule(who=PEOPLE)
    def look_at_what_is_used(self, who: int) -> None:
        me = self.ask(lambda: self.people[who].get("/me"))
        uncommitted = [
            len(upload.data)
            for upload in self.uploads
            if upload.owner == who and upload.state != "committed"
        ]
        assert (me["files"], me["bytes_used"], me["bytes_reserved"]) == (
            sum(file.owner == who for file in self.files),
            self.used[who],
            sum(uncommitted),
        )

    def purged(self, file: File) -> None:
        """Note that `file` is gone, and the uploads of its next versions with it."""
        self.files.remove(file)
        file.purged = True
        for upload in self.uploads:
            if upload.file is file and upload.state == "pending":
                upload.state = "aborted"

    def purged_folders(self, gone: Sequence[Folder]) -> None:
        """Note that these folders are gone, and the uploads into them; what stays is at the top."""
        for folder in gone:
            self.folders.remove(folder)
        for upload in self.uploads:
            if upload.state == "pending" and upload.folder in gone:
                upload.state = "aborted"
        for file in self.files:
            file.folder = None if file.folder in gone else file.folder
        for folder in self.folders:
            folder.parent = None if folder.parent in gone else folder.parent


def permanently(file: File) -> str:
    return f"/files/{file.id}?permanent=true"
