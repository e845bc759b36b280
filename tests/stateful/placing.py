"""The steps with places: folders, moves, copies, whole subtrees to the trash and back, paths."""

from __future__ import annotations

from urllib.parse import quote

from hypothesis import strategies as st
from hypothesis.stateful import rule

from tests.stateful import model
from tests.stateful.keeping import hold_present, id_of
from tests.stateful.model import COMMITTED, Expected, File, Folder
from tests.stateful.people import PEOPLE, PICKS, hold, when
from tests.stateful.purging import GONE, Purging
from tests.support.client import sha256

NAMES = st.sampled_from(["a", "b", "\u00e4", "a.txt"])
FOUND, TAKEN, LOOP = Expected(200), Expected(409, "name-taken"), Expected(409, "folder-loop")


class Placing(Purging):
    """Make folders, put things into them, and ask where things are."""

    @rule(who=PEOPLE, at=PICKS, name=NAMES)
    def make_folder(self, who: int, at: int, name: str) -> None:
        parent = self.place(who, at)
        body = {"name": name, "parent_id": id_of(parent)}
        answer = self.ask(lambda: self.people[who].post("/folders", body))
        expected = COMMITTED
        if parent is not None and parent.trashed:
            expected = model.NOT_FOUND
        elif self.named(who, parent, name) is not None:
            expected = TAKEN
        if hold(answer, expected).status == 201:
            self.folders.append(Folder(who, answer["id"], name, parent))
            self.hold_folder(self.folders[-1])

    @rule(number=PICKS, at=PICKS, name=NAMES, move=st.booleans(), rename=st.booleans())
    @when(lambda self: self.folders)
    def change_folder(self, number: int, at: int, name: str, move: bool, rename: bool) -> None:
        folder = self.pick(self.folders, number)
        parent = self.place(folder.owner, at) if move else folder.parent
        name = name if rename or not move else folder.name
        body = {"name": name} | ({"parent_id": id_of(parent)} if move else {})
        answer = self.ask(lambda: self.owner_of(folder).patch(f"/folders/{folder.id}", body))
        expected = FOUND
        if folder.trashed or (move and parent is not None and parent.trashed):
            expected = model.NOT_FOUND
        elif parent is not None and parent.is_below(folder):
            expected = LOOP
        elif self.named(folder.owner, parent, name) not in (None, folder):
            expected = TAKEN
        if hold(answer, expected).status == 200:
            folder.parent, folder.name = parent, name
            self.hold_folder(folder)

    @rule(number=PICKS)
    @when(lambda self: self.folders)
    def trash_folder(self, number: int) -> None:
        folder = self.pick(self.folders, number)
        answer = self.ask(lambda: self.owner_of(folder).delete(f"/folders/{folder.id}"))
        if hold_present(answer, trashed=folder.trashed, status=204):
            for each in self.all_of(folder):
                each.trashed, each.trashed_with = True, folder
            folder.trashed_with = None

    @rule(number=PICKS, any_folder=st.booleans())
    @when(lambda self: any(folder.trashed for folder in self.folders))
    def restore_folder(self, number: int, any_folder: bool) -> None:
        folder = self.pick([each for each in self.folders if any_folder or each.trashed], number)
        answer = self.ask(lambda: self.owner_of(folder).post(f"/folders/{folder.id}/restore"))
        parent = folder.parent
        if parent is not None and parent.trashed:
            parent = None
        taken = self.named(folder.owner, parent, folder.name) not in (None, folder)
        if hold(answer, TAKEN if taken else FOUND).status == 200:
            if folder.trashed:
                for each in self.all_of(folder):
                    each.trashed, each.trashed_with = False, None
                folder.parent = parent
            self.hold_folder(folder)

    @rule(number=PICKS)
    @when(lambda self: self.folders)
    def purge_folder(self, number: int) -> None:
        folder = self.pick(self.folders, number)
        path = f"/folders/{folder.id}?permanent=true"
        hold(self.ask(lambda: self.owner_of(folder).delete(path)), GONE)
        folders, files = self.with_all(folder)
        for file in files:
            self.purged(file)
        self.purged_folders(folders)
        hold(self.ask(lambda: self.owner_of(folder).delete(path)), model.NOT_FOUND)

    @rule(number=PICKS, at=PICKS)
    @when(lambda self: self.files)
    def move_file(self, number: int, at: int) -> None:
        file = self.pick(self.files, number)
        folder = self.place(file.owner, at)
        body = {"folder_id": id_of(folder)}
        answer = self.ask(lambda: self.owner_of(file).patch(f"/files/{file.id}", body))
        if hold_present(answer, trashed=file.trashed or (folder is not None and folder.trashed)):
            file.folder = folder
            assert answer["folder_id"] == id_of(folder)

    @rule(number=PICKS, at=PICKS, beside=st.booleans())
    @when(lambda self: self.files)
    def copy_file(self, number: int, at: int, beside: bool) -> None:
        file = self.pick(self.files, number)
        folder = file.folder if beside else self.place(file.owner, at)
        body = {} if beside else {"folder_id": id_of(folder), "name": "copy.txt"}
        answer = self.ask(lambda: self.owner_of(file).post(f"/files/{file.id}/copy", body))
        gone = file.trashed or (folder is not None and folder.trashed)
        if hold(answer, model.NOT_FOUND if gone else COMMITTED).status == 201:
            name = file.name if beside else "copy.txt"
            copied = File(file.owner, answer["id"], name, [file.versions[-1]], folder)
            self.files.append(copied)
            self.used[file.owner] += len(copied.versions[0])
            shown = (answer["name"], answer["folder_id"], answer["version"], answer["checksum"])
            assert shown == (name, id_of(folder), 1, sha256(copied.versions[0]))

    @rule(number=PICKS, at=PICKS)
    @when(lambda self: any(upload.state == "pending" for upload in self.uploads))
    def commit_elsewhere(self, number: int, at: int) -> None:
        """Commit with a folder of its own, which goes before that of init-upload."""
        pending = [upload for upload in self.uploads if upload.state == "pending"]
        upload = self.pick(pending, number)
        if upload.file is not None:
            return
        began_for, upload.folder = upload.folder, self.place(upload.owner, at)
        said = self.arguments(upload, "right")
        expected = model.expect_commit(upload, said, store_up=self.store_up)
        body = said.body(upload) | {"folder_id": id_of(upload.folder)}
        answer = self.ask(lambda: self.owner_of(upload).post("/files/commit", body))
        if hold(answer, expected).status == 201:
            self.committed(upload, answer)
        else:
            upload.folder = began_for

    @rule(who=PEOPLE, at=PICKS, trashed=st.booleans())
    def list_place(self, who: int, at: int, trashed: bool) -> None:
        folder = self.place(who, at)
        place = id_of(folder) or "root"
        query = f"page_size=200&trashed={str(trashed).lower()}"
        client = self.people[who]
        files = self.ask(lambda: client.get(f"/files?folder_id={place}&{query}"))
        folders = self.ask(lambda: client.get(f"/folders?parent_id={place}&{query}"))
        if folder is not None and folder.trashed and not trashed:
            hold(files, model.NOT_FOUND)
            hold(folders, model.NOT_FOUND)
            return
        assert [row["id"] for row in files["results"]] == [
            file.id
            for file in reversed(self.files)
            if (file.owner, file.folder, file.trashed) == (who, folder, trashed)
        ]
        expected = [
            (each.name, each.id)
            for each in self.folders
            if (each.owner, each.parent, each.trashed) == (who, folder, trashed)
        ]
        assert [(row["name"], row["id"]) for row in folders["results"]] == sorted(expected)

    @rule(number=PICKS, trashed=st.booleans())
    @when(lambda self: self.folders)
    def list_subtree(self, number: int, trashed: bool) -> None:
        top = self.pick(self.folders, number)
        path = f"/files?within={top.id}&page_size=200&trashed={str(trashed).lower()}"
        answer = self.ask(lambda: self.owner_of(top).get(path))
        if not hold_present(answer, trashed=top.trashed and not trashed):
            return
        assert [row["id"] for row in answer["results"]] == [
            file.id
            for file in reversed(self.files)
            if file.trashed == trashed and file.folder is not None and file.folder.is_below(top)
        ]

    @rule(who=PEOPLE)
    def list_trashed_folders(self, who: int) -> None:
        answer = self.ask(lambda: self.people[who].get("/folders?trashed=true&page_size=200"))
        shown = [([step["name"] for step in row["path"]], row["id"]) for row in answer["results"]]
        assert sorted(shown) == sorted(
            (folder.path, folder.id)
            for folder in self.folders
            if folder.owner == who and folder.trashed and folder.trashed_with is None
        )

    @rule(number=PICKS)
    @when(lambda self: self.files)
    def look_up(self, number: int) -> None:
        file = self.pick(self.files, number)
        names = [*([] if file.folder is None else file.folder.path), file.name]
        path = "/lookup?path=" + quote("/" + "/".join(names))
        answer = self.ask(lambda: self.owner_of(file).get(path))
        found = self.at_path(file.owner, names)
        if isinstance(found, Folder):
            assert answer["folder"]["id"] == found.id
        elif found is not None:
            assert answer["file"]["id"] == found.id
        else:
            hold(answer, model.NOT_FOUND)

    def at_path(self, who: int, names: list[str]) -> Folder | File | None:
        """Return the present folder that a path leads to, else the newest file."""
        folder: Folder | None = None
        for name in names[:-1]:
            folder = self.named(who, folder, name)
            if folder is None:
                return None
        place = (who, folder, names[-1], False)
        files = [f for f in self.files if (f.owner, f.folder, f.name, f.trashed) == place]
        return self.named(who, folder, names[-1]) or (files[-1] if files else None)

    def named(self, who: int, parent: Folder | None, name: str) -> Folder | None:
        """Return the present folder of this name in that place."""
        place = (who, parent, name, False)
        for folder in self.folders:
            if (folder.owner, folder.parent, folder.name, folder.trashed) == place:
                return folder
        return None

    def with_all(self, folder: Folder) -> tuple[list[Folder], list[File]]:
        """Return the folder with all below it that shares its fate."""
        mark = (folder.trashed_with or folder) if folder.trashed else None
        folders = [
            each
            for each in self.folders
            if each is folder
            or (each.is_below(folder) and (each.trashed, each.trashed_with) == (bool(mark), mark))
        ]
        files = [
            file
            for file in self.files
            if file.folder in folders and (file.trashed, file.trashed_with) == (bool(mark), mark)
        ]
        return folders, files

    def all_of(self, folder: Folder) -> list[Folder | File]:
        folders, files = self.with_all(folder)
        return [*folders, *files]

    def hold_folder(self, folder: Folder) -> None:
        """Hold what is shown of a present folder against what it is."""
        shown = self.ask(lambda: self.owner_of(folder).get(f"/folders/{folder.id}"))
        assert (shown["name"], shown["parent_id"]) == (folder.name, id_of(folder.parent))
        assert [step["name"] for step in shown["path"]] == folder.path
