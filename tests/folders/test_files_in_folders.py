"""Files in folders: begun and committed there, moved, and listed by folder or subtree."""

from __future__ import annotations

from typing import Any

import pytest

from files.exceptions import FolderTrashedError
from files.models import Change, File, Upload
from files.services import commits
from files.services.trees import NOT_GIVEN
from tests.support.client import Client, assert_invalid, assert_problem, sha256
from tests.support.folders import (
    NOBODYS,
    drive,
    make_file_in,
    make_folder,
    make_folders,
    names,
)
from tests.support.shares import share

pytestmark = pytest.mark.usefixtures("store")
DATA = b"hello"


def kinds(file_id: str) -> list[str]:
    rows = Change.objects.filter(file_id=file_id).order_by("seq")
    return list(rows.values_list("kind", flat=True))


def commit_all(owner: Client, *commits: dict[str, Any]) -> list[Any]:
    """Commit uploads of DATA in one batch; return the results."""
    bound = {"checksum": sha256(DATA), "size": len(DATA)}
    answer = owner.post("/files/commit/batch", {"commits": [bound | each for each in commits]})
    assert answer.status == 200, answer.json
    return list(answer["results"])


# Begun


def test_an_upload_is_not_begun_in_what_is_not_there(owner: Client, stranger: Client) -> None:
    theirs, trashed = make_folder(stranger, "theirs"), make_folder(owner, "trashed")
    owner.delete(f"/folders/{trashed}")
    for folder_id in (theirs, trashed, NOBODYS):
        assert_problem(owner.init(DATA, folder_id=folder_id), 404, "not-found")
        item = {"filename": "a", "size": 1, "folder_id": folder_id}
        batch = owner.post("/files/init-upload/batch", {"uploads": [item, {**item, "size": 2}]})
        assert {result["code"] for result in batch["results"]} == {"not-found"}
    assert not Upload.objects.exists()


def test_a_new_version_has_the_place_of_its_file(owner: Client) -> None:
    folder, other = make_folder(owner, "a"), make_folder(owner, "b")
    file_id = owner.upload(DATA, folder_id=folder)["fileId"]
    assert_invalid(owner.init(DATA, file_id=file_id, folder_id=other), "folder_id")
    begun = owner.put(DATA, file_id=file_id)
    assert_invalid(owner.commit(begun["key"], DATA, folder_id=other), "folder_id")
    assert_invalid(owner.commit(begun["key"], DATA, folder_id=None), "folder_id")
    assert owner.commit(begun["key"], DATA).status == 201
    assert owner.get(f"/files/{file_id}")["folder_id"] == folder


def test_an_idempotency_key_holds_for_one_folder(owner: Client) -> None:
    folder, key = make_folder(owner, "a"), {"Idempotency-Key": "same"}
    body = {"filename": "a.txt", "size": 1, "folder_id": folder}
    begun = owner.post("/files/init-upload", body, headers=key)
    assert owner.post("/files/init-upload", body, headers=key)["key"] == begun["key"]
    elsewhere = owner.post("/files/init-upload", body | {"folder_id": None}, headers=key)
    assert_problem(elsewhere, 409, "idempotency-conflict")


def test_a_share_takes_no_folder_and_shows_none(owner: Client, anonymous: Client) -> None:
    folder = make_folder(owner, "secret")
    file_id = owner.upload(DATA, folder_id=folder)["fileId"]
    shared = share(owner, anonymous, permission="write", file_id=file_id)
    assert_invalid(shared.init(DATA, folder_id=folder), "folder_id")
    begun = shared.init(DATA)
    assert_invalid(shared.commit(begun["key"], DATA, folder_id=folder), "folder_id")
    for answer in (shared.look(), shared.download(), begun):
        assert b"folder" not in answer.content
        assert folder.encode() not in answer.content


# Committed


@pytest.mark.parametrize("batch", [False, True])
def test_a_file_is_committed_into_the_folder_it_was_begun_for(owner: Client, batch: bool) -> None:
    folder = make_folder(owner, "a")
    if batch:
        items = [{"filename": n, "size": 5, "folder_id": folder} for n in ("a.txt", "b.txt")]
        assert {
            r["upload_id"]
            for r in owner.post("/files/init-upload/batch", {"uploads": items})["results"]
        } == {str(pk) for pk in Upload.objects.values_list("pk", flat=True)}
    keys = [owner.put(DATA, folder_id=folder)["key"] for _ in range(2)]
    if batch:
        results = commit_all(owner, *({"key": key} for key in keys))
    else:
        results = [owner.commit(key, DATA).json for key in keys]
    for result in results:
        assert owner.get(f"/files/{result['fileId']}")["folder_id"] == folder
    assert drive(owner) == {"/": [], "/a": ["a.txt", "a.txt"]}


@pytest.mark.parametrize("batch", [False, True])
def test_a_commit_into_a_trashed_folder_is_refused_until_it_says_where_to(
    owner: Client, stranger: Client, batch: bool
) -> None:
    folder, other = make_folder(owner, "a"), make_folder(owner, "b")
    trashed, theirs = make_folder(owner, "c"), make_folder(stranger, "theirs")
    begun = [owner.put(DATA, folder_id=folder) for _ in range(3)]
    for folder_id in (folder, trashed):
        owner.delete(f"/folders/{folder_id}")

    def commit(number: int, **members: Any) -> Any:
        if batch:
            return commit_all(owner, {"key": begun[number]["key"], **members})[0]
        return owner.commit(begun[number]["key"], DATA, **members).json

    assert commit(0)["code"] == "folder-trashed"
    assert commit(0, folder_id=trashed)["code"] == "folder-trashed"
    for folder_id in (theirs, NOBODYS):
        assert commit(0, folder_id=folder_id)["code"] == "not-found"
    assert not File.objects.exists()
    done = commit(0, folder_id=other)
    assert commit(0) == commit(0, folder_id=None) == done
    assert owner.get(f"/files/{done['fileId']}")["folder_id"] == other
    top = commit(1, folder_id=None)
    assert owner.get(f"/files/{top['fileId']}")["folder_id"] is None
    owner.post(f"/folders/{folder}/restore")
    assert owner.get(f"/files/{commit(2)['fileId']}")["folder_id"] == folder


def test_the_folder_is_looked_at_before_the_store(owner: Client) -> None:
    folder = make_folder(owner, "a")
    key = owner.init(DATA, folder_id=folder)["key"]
    assert_problem(owner.commit(key, DATA), 409, "object-missing")
    owner.delete(f"/folders/{folder}")
    assert_problem(owner.commit(key, DATA), 409, "folder-trashed")


def test_a_folder_that_is_trashed_or_purged_while_its_file_is_committed_gets_no_file(
    owner: Client,
) -> None:
    folder = make_folder(owner, "a")
    key = owner.put(DATA, folder_id=folder)["key"]
    upload = Upload.objects.get(key=key)
    stored, integrity = commits.examine(upload, checksum=sha256(DATA))
    for query in ("", "?permanent=true"):
        owner.delete(f"/folders/{folder}{query}")
        # As one that began while the purge was marking the uploads.
        Upload.objects.update(state="pending")
        with pytest.raises(FolderTrashedError):
            commits.record(upload, stored, sha256(DATA), integrity, None, NOT_GIVEN, None)
    assert_problem(owner.commit(key, DATA), 409, "folder-trashed")
    assert owner.commit(key, DATA, folder_id=None).status == 201


# Moved


def test_a_file_is_not_moved_to_what_is_not_there(owner: Client, stranger: Client) -> None:
    theirs, trashed = make_folder(stranger, "theirs"), make_folder(owner, "trashed")
    owner.delete(f"/folders/{trashed}")
    file_id = make_file_in(owner.user, None)
    for folder_id in (theirs, trashed, NOBODYS):
        moved = owner.patch(f"/files/{file_id}", {"folder_id": folder_id, "name": "b"})
        assert_problem(moved, 404, "not-found")
    assert owner.get(f"/files/{file_id}")["name"] == "a.txt"
    own = make_folder(stranger, "own")
    assert_problem(stranger.patch(f"/files/{file_id}", {"folder_id": own}), 404, "not-found")


def test_a_file_moves_into_a_folder_and_to_the_top(owner: Client) -> None:
    folder = make_folder(owner, "a")
    file_id = owner.upload(DATA)["fileId"]
    Change.objects.all().delete()
    before = owner.get(f"/files/{file_id}")
    moved = owner.patch(f"/files/{file_id}", {"folder_id": folder})
    assert moved.status == 200
    assert moved.json.items() >= {"folder_id": folder, "name": "a.txt"}.items()
    assert moved["updated_at"] > before["updated_at"]
    assert owner.read(file_id) == DATA
    again = owner.patch(f"/files/{file_id}", {"folder_id": folder, "name": None})
    assert again["updated_at"] == moved["updated_at"]
    both = owner.patch(f"/files/{file_id}", {"folder_id": None, "name": "b.txt"})
    assert (both["folder_id"], both["name"]) == (None, "b.txt")
    assert kinds(file_id) == ["file-moved", "file-renamed", "file-moved"]


# Listed


def test_a_folder_that_is_not_there_is_not_listed(owner: Client, stranger: Client) -> None:
    theirs, trashed = make_folder(stranger, "theirs"), make_folder(owner, "trashed")
    make_file_in(stranger.user, theirs)
    make_file_in(owner.user, trashed)
    owner.delete(f"/folders/{trashed}")
    for folder_id in (theirs, trashed, NOBODYS):
        for name in ("folder_id", "within"):
            assert_problem(owner.get(f"/files?{name}={folder_id}"), 404, "not-found")
    for folder_id in (theirs, NOBODYS):
        for name in ("folder_id", "within"):
            path = f"/files?trashed=true&{name}={folder_id}"
            assert_problem(owner.get(path), 404, "not-found")


def test_files_are_listed_by_folder_and_by_subtree(owner: Client) -> None:
    outer, inner, empty = make_folders(owner, "outer/inner/empty")
    make_file_in(owner.user, None, "top.txt")
    make_file_in(owner.user, outer, "outer.txt")
    make_file_in(owner.user, inner, "inner.pdf", content_type="application/pdf")
    make_file_in(owner.user, inner, "inner.txt")
    for query, expected in {
        "folder_id=root": ["top.txt"],
        f"folder_id={outer}": ["outer.txt"],
        f"folder_id={empty}": [],
        f"within={empty}": [],
        f"within={outer}": ["inner.txt", "inner.pdf", "outer.txt"],
        f"within={inner}&ordering=created_at": ["inner.pdf", "inner.txt"],
        f"within={outer}&name=INNER": ["inner.txt", "inner.pdf"],
        f"within={outer}&content_type=text/*": ["inner.txt", "outer.txt"],
        f"within={outer}&folder_id={inner}": ["inner.txt", "inner.pdf"],
        f"within={outer}&folder_id=root": [],
        "folder_id=root&name=outer": [],
        f"folder_id={outer}&name=outer": ["outer.txt"],
        f"folder_id={outer}&name=nothing": [],
    }.items():
        listed = owner.get(f"/files?{query}")
        assert (listed.status, names(listed)) == (200, expected), query


@pytest.mark.parametrize("by", ["folder_id", "within"])
def test_pages_of_a_folder_have_each_file_once(owner: Client, by: str) -> None:
    folder = make_folder(owner, "a")
    made = [make_file_in(owner.user, folder) for _ in range(7)]
    make_file_in(owner.user, None)
    found, link = [], f"/files?{by}={folder}&page_size=3"
    while link:
        page = owner.get(link)
        found += [row["id"] for row in page["results"]]
        link = page["next"]
    assert found == made[::-1]
