"""The steps with what was committed: download, look, rename, trash; and ids that are not theirs."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from hypothesis import strategies as st
from hypothesis.stateful import rule

from tests.stateful import model
from tests.stateful.model import Folder
from tests.stateful.people import PEOPLE, PICKS, People, hold, when
from tests.support.client import Answer, assert_problem, fetch, sha256


def calls_on(file_id: str, upload_id: str, key: str) -> list[tuple[str, str, Any]]:
    """Return all calls that name a file, an upload or a key: method, path, body."""
    file, upload = f"/files/{file_id}", f"/uploads/{upload_id}"
    return [
        ("GET", file, None),
        ("GET", f"{file}/versions", None),
        ("GET", f"{file}/versions/1", None),
        ("GET", f"{file}/versions/1/download", None),
        ("GET", f"{file}/download", None),
        ("PATCH", file, {"name": "taken"}),
        ("DELETE", file, None),
        ("POST", f"{file}/restore", {}),
        ("DELETE", f"{file}?permanent=true", None),
        ("DELETE", f"{file}/versions/1", None),
        ("POST", f"{file}/versions/1/restore", {}),
        ("POST", f"{file}/copy", {}),
        ("POST", "/shares", {"file_id": file_id, "permission": "read"}),
        ("POST", "/files/init-upload", {"filename": "a", "size": 1, "file_id": file_id}),
        ("GET", upload, None),
        ("DELETE", upload, None),
        ("POST", f"{upload}/urls", {}),
        ("POST", "/files/commit", {"key": key, "size": 1, "checksum": sha256(b"")}),
    ]


class Keeping(People):
    """Look at files and uploads, and change what can be changed of them."""

    @rule(number=PICKS, newest=st.booleans(), at=PICKS)
    @when(lambda self: self.files)
    def download(self, number: int, newest: bool, at: int) -> None:
        file = self.pick(self.files, number)
        version = len(file.versions) if newest else 1 + at % len(file.versions)
        part = "" if newest else f"/versions/{version}"
        answer = self.ask(lambda: self.owner_of(file).get(f"/files/{file.id}{part}/download"))
        if file.trashed:
            hold(answer, model.NOT_FOUND)
            return
        if version in file.purged_versions:
            hold(answer, model.VERSION_PURGED)
            return
        data = file.versions[version - 1]
        shown = (answer["filename"], answer["version"], answer["size"], answer["checksum"])
        assert shown == (file.name, version, len(data), sha256(data))
        got = fetch(answer["presigned_get_url"])
        assert (got.status_code, got.content == data) == (200, True)

    @rule(number=PICKS)
    @when(lambda self: self.files)
    def show_file(self, number: int) -> None:
        file = self.pick(self.files, number)
        answer = self.ask(lambda: self.owner_of(file).get(f"/files/{file.id}"))
        if file.trashed:
            hold(answer, model.NOT_FOUND)
            return
        assert (answer["name"], answer["folder_id"]) == (file.name, id_of(file.folder))
        shown = [
            (each["version"], each["checksum"], each["purged_at"] is not None)
            for each in answer["versions"]
        ]
        assert shown[::-1] == [
            (number, sha256(data), number in file.purged_versions)
            for number, data in enumerate(file.versions, start=1)
        ]

    @rule(number=PICKS)
    @when(lambda self: self.uploads)
    def show_upload(self, number: int) -> None:
        upload = self.pick_upload(number)
        answer = self.ask(lambda: self.owner_of(upload).get(upload.path))
        if upload.purged:
            hold(answer, model.NOT_FOUND)
            return
        if upload.multipart and upload.state == "pending" and not self.store_up:
            hold(answer, model.STORE_DOWN)
            return
        assert (answer.status, answer["state"]) == (200, upload.state)
        assert answer["fileId"] == upload.result.get("fileId")
        assert answer["version"] == upload.result.get("version")
        if upload.lists_parts:
            received = [{"part_number": 1, "size": len(upload.data)}]
            assert answer["received_parts"] == ([] if upload.stored is None else received)

    @rule(who=PEOPLE, trashed=st.booleans())
    def list_files(self, who: int, trashed: bool) -> None:
        path = f"/files?page_size=200&trashed={str(trashed).lower()}"
        shown = self.ask(lambda: self.people[who].get(path))["results"]
        members = ("id", "name", "version", "checksum")
        assert [tuple(file[name] for name in members) for file in shown] == [
            (file.id, file.name, len(file.versions), sha256(file.versions[-1]))
            for file in reversed(self.files)
            # The trash lists what was trashed by itself.
            if (file.owner, file.trashed, file.trashed_with) == (who, trashed, None)
        ]

    @rule(who=PEOPLE)
    def list_uploads(self, who: int) -> None:
        shown = self.ask(lambda: self.people[who].get("/uploads?page_size=200"))["results"]
        assert [upload["upload_id"] for upload in shown] == [
            upload.id
            for upload in reversed(self.uploads)
            if (upload.owner, upload.state) == (who, "pending")
        ]

    @rule(number=PICKS, name=st.sampled_from(["a.txt", "ä ö.pdf", "日本", '"quoted"', "e\u0301"]))
    @when(lambda self: self.files)
    def rename(self, number: int, name: str) -> None:
        file = self.pick(self.files, number)
        answer = self.ask(lambda: self.owner_of(file).patch(f"/files/{file.id}", {"name": name}))
        if not hold_present(answer, trashed=file.trashed):
            return
        file.name = "é" if name == "e\u0301" else name  # Unicode NFC
        assert answer["name"] == file.name

    @rule(number=PICKS)
    @when(lambda self: self.files)
    def trash(self, number: int) -> None:
        file = self.pick(self.files, number)
        answer = self.ask(lambda: self.owner_of(file).delete(f"/files/{file.id}"))
        assert hold_present(answer, trashed=file.trashed, status=204) != file.trashed
        file.trashed = True

    @rule(number=PICKS, any_file=st.booleans())
    @when(lambda self: any(file.trashed for file in self.files))
    def restore(self, number: int, any_file: bool) -> None:
        file = self.pick([file for file in self.files if any_file or file.trashed], number)
        answer = self.ask(lambda: self.owner_of(file).post(f"/files/{file.id}/restore"))
        assert (answer.status, answer["deleted_at"], answer["name"]) == (200, None, file.name)
        if file.folder is not None and file.folder.trashed:
            file.folder = None
        file.trashed, file.trashed_with = False, None
        assert answer["folder_id"] == id_of(file.folder)

    @rule(file_number=PICKS, upload_number=PICKS, call=st.integers(0, 17))
    @when(lambda self: self.files and self.uploads)
    def try_what_is_not_theirs(self, file_number: int, upload_number: int, call: int) -> None:
        file, upload = self.pick(self.files, file_number), self.pick_upload(upload_number)
        owner = upload.owner if call > 13 else file.owner
        stranger = self.people[1 - owner]
        method, path, body = calls_on(file.id, upload.id, upload.key)[call]
        _, no_path, no_body = calls_on(str(uuid4()), str(uuid4()), f"{upload.key}x")[call]
        refused = self.ask(lambda: stranger.call(method, path, body))
        unknown = self.ask(lambda: stranger.call(method, no_path, no_body))
        for answer in (refused, unknown):
            assert_problem(answer, 404, "not-found")
        assert {**refused.json, "request_id": ""} == {**unknown.json, "request_id": ""}


def id_of(folder: Folder | None) -> str | None:
    return None if folder is None else folder.id


def hold_present(answer: Answer, *, trashed: bool, status: int = 200) -> bool:
    """Hold a call on a file, which in the trash is not there; return whether it was there."""
    hold(answer, model.NOT_FOUND if trashed else model.Expected(status))
    return not trashed
