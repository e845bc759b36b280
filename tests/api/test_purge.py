"""`DELETE /files/{id}?permanent=true` and `DELETE /files?trashed=true`: files removed for good."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from files.exceptions import NotFoundError
from files.models import File, FileVersion, Upload
from files.services import commits, verification
from files.services.trees import NOT_GIVEN
from tests.support.client import Client, assert_invalid, assert_problem, put, sha256
from tests.support.rows import make_file
from tests.support.shares import share

pytestmark = pytest.mark.usefixtures("store")


def purge(client: Client, file_id: object) -> None:
    purged = client.delete(f"/files/{file_id}?permanent=true")
    assert (purged.status, purged.content) == (204, b"")


def test_nobody_purges(anonymous: Client, owner: Client) -> None:
    file_id = make_file(owner.user).id
    anonymously = anonymous.delete(f"/files/{file_id}?permanent=true")
    assert_problem(anonymously, 401, "not-authenticated")
    assert_problem(anonymous.delete("/files?trashed=true"), 401, "not-authenticated")


def test_another_person_purges_nothing(owner: Client, stranger: Client) -> None:
    kept, thrown = make_file(owner.user).id, make_file(owner.user).id
    upload_id = owner.init(b"next", file_id=str(kept))["upload_id"]
    owner.delete(f"/files/{thrown}")
    for file_id in (kept, thrown):
        assert_problem(stranger.delete(f"/files/{file_id}?permanent=true"), 404, "not-found")
    assert stranger.delete("/files?trashed=true").status == 204
    assert not File.objects.exclude(purged_at=None).exists()
    assert owner.get(f"/uploads/{upload_id}")["state"] == "pending"


def test_what_is_purged_must_be_said(owner: Client) -> None:
    file_id = make_file(owner.user).id
    assert_invalid(owner.delete(f"/files/{file_id}?permanent=yes"), "permanent")
    assert_invalid(owner.delete("/files"), "trashed")
    assert_invalid(owner.delete("/files?trashed=false"), "trashed")
    assert_invalid(owner.delete("/files?trashed=true&name=a"), "name")
    assert owner.get(f"/files/{file_id}").status == 200


def test_permanent_false_moves_to_the_trash(owner: Client) -> None:
    file_id = make_file(owner.user).id
    assert owner.delete(f"/files/{file_id}?permanent=false").status == 204
    assert [file["id"] for file in owner.get("/files?trashed=true")["results"]] == [str(file_id)]


@pytest.mark.parametrize("trashed", [False, True])
def test_a_purged_file_is_gone_from_every_answer(
    owner: Client, anonymous: Client, trashed: bool
) -> None:
    shared = share(owner, anonymous, permission="write")
    path = f"/files/{shared.file_id}"
    share_id = owner.get("/shares")["results"][0]["id"]
    pending = owner.put(b"next", file_id=shared.file_id)
    committed = Upload.objects.get(state="committed")
    if trashed:
        owner.delete(path)
    purge(owner, shared.file_id)
    for gone in (
        owner.get(path),
        owner.get(f"{path}/versions"),
        owner.get(f"{path}/versions/1"),
        owner.get(f"{path}/download"),
        owner.get(f"{path}/versions/1/download"),
        owner.patch(path, {"name": "b.txt"}),
        owner.delete(path),
        owner.delete(f"{path}?permanent=true"),
        owner.delete(f"{path}/versions/1"),
        owner.post(f"{path}/versions/1/restore"),
        owner.post(f"{path}/restore"),
        owner.init(b"two", file_id=shared.file_id),
        owner.commit(pending["key"], b"next"),
        owner.get(f"/uploads/{pending['upload_id']}"),
        owner.post(f"/uploads/{pending['upload_id']}/urls"),
        owner.delete(f"/uploads/{pending['upload_id']}"),
        owner.get(f"/uploads/{committed.pk}"),
        owner.post("/shares", {"file_id": shared.file_id, "permission": "read"}),
        owner.get(f"/shares/{share_id}"),
        owner.get(f"/shares/{share_id}/events"),
        owner.patch(f"/shares/{share_id}", {"permission": "read"}),
        owner.delete(f"/shares/{share_id}"),
        shared.look(),
        shared.download(),
        shared.init(b"two"),
    ):
        assert_problem(gone, 404, "not-found")
    for listing in ("/files", "/files?trashed=true", "/uploads", "/shares"):
        assert owner.get(listing)["results"] == []


def test_the_trash_is_emptied_of_all_that_is_in_it(owner: Client, stranger: Client) -> None:
    kept, theirs = make_file(owner.user), make_file(stranger.user)
    stranger.delete(f"/files/{theirs.id}")
    for _ in range(3):
        owner.delete(f"/files/{make_file(owner.user).id}")
    emptied = owner.delete("/files?trashed=true")
    assert (emptied.status, emptied.content) == (204, b"")
    assert owner.get("/files?trashed=true")["results"] == []
    assert [file["id"] for file in owner.get("/files")["results"]] == [str(kept.id)]
    assert len(stranger.get("/files?trashed=true")["results"]) == 1
    assert owner.delete("/files?trashed=true").status == 204
    assert File.objects.exclude(purged_at=None).count() == 3


@pytest.mark.parametrize("emptied", [False, True])
def test_uploads_of_new_versions_are_aborted_with_their_file(owner: Client, emptied: bool) -> None:
    file, other = make_file(owner.user), make_file(owner.user)
    ended = owner.init(b"a", file_id=str(file.id))["upload_id"]
    pending = owner.init(b"b", file_id=str(file.id))["upload_id"]
    elsewhere = owner.init(b"c", file_id=str(other.id))["upload_id"]
    owner.delete(f"/uploads/{ended}")
    if emptied:
        owner.delete(f"/files/{file.id}")
        owner.delete("/files?trashed=true")
    else:
        purge(owner, file.id)
    states = {str(pk): state for pk, state in Upload.objects.values_list("pk", "state")}
    assert states == {ended: "aborted", pending: "aborted", elsewhere: "pending"}


def test_a_purge_that_finds_no_file_aborts_nothing(owner: Client, stranger: Client) -> None:
    file = make_file(owner.user)
    owner.init(b"a", file_id=str(file.id))
    assert_problem(stranger.delete(f"/files/{file.id}?permanent=true"), 404, "not-found")
    assert Upload.objects.get().state == "pending"


def test_the_replay_of_a_commit_onto_a_purged_file_is_not_found(owner: Client) -> None:
    committed = owner.upload(b"bytes")
    purge(owner, committed["fileId"])
    assert_problem(owner.commit(committed["key"], b"bytes"), 404, "not-found")
    assert_problem(owner.commit(committed["key"], b"others"), 404, "not-found")
    request = {"key": committed["key"], "checksum": sha256(b"bytes"), "size": 5}
    batch = owner.post("/files/commit/batch", {"commits": [request]})
    assert batch["results"][0]["code"] == "not-found"


def test_a_commit_that_had_begun_when_its_file_was_purged_adds_no_version(owner: Client) -> None:
    file = make_file(owner.user)
    begun = owner.put(b"next", file_id=str(file.id))
    upload = Upload.objects.select_related("file").get(key=begun["key"])
    purge(owner, file.id)
    # As one that began while the purge was marking the uploads.
    Upload.objects.update(state="pending")
    stored, integrity = commits.examine(upload, checksum=sha256(b"next"))
    with pytest.raises(NotFoundError):
        commits.record(upload, stored, sha256(b"next"), integrity, None, NOT_GIVEN, None)
    assert_problem(owner.commit(begun["key"], b"next"), 404, "not-found")
    assert_problem(owner.get(f"/uploads/{upload.pk}"), 404, "not-found")
    assert FileVersion.objects.count() == 1


def statements(captured: CaptureQueriesContext) -> list[str]:
    words = [query["sql"].split()[0] for query in captured.captured_queries]
    return [word for word in words if word in ("SELECT", "INSERT", "UPDATE", "WITH")]


def purge_statements() -> list[str]:
    """User, uploads and files; then the changes: the user's counter, and their entries."""
    recorded = ["WITH"] if connection.vendor == "postgresql" else ["UPDATE", "INSERT"]
    return ["SELECT"] * 2 + ["UPDATE", *recorded]


@pytest.mark.parametrize("files", [1, 30])
def test_a_purge_takes_as_many_statements_for_many_files_and_versions(
    owner: Client, files: int
) -> None:
    for _ in range(files):
        owner.delete(f"/files/{make_file(owner.user, versions=3).id}")
    with CaptureQueriesContext(connection) as captured:
        owner.delete("/files?trashed=true")
    words = statements(captured)
    # The user; uploads, folders and files are locked, folders and files told from one another.
    assert words.count("SELECT") == 5 + (connection.vendor == "postgresql")
    # Files, those of folders, those that stay, folders that stay, folders; and the changes.
    assert words.count("UPDATE") + words.count("WITH") == 6
    file = make_file(owner.user, versions=files)
    with CaptureQueriesContext(connection) as captured:
        purge(owner, file.id)
    assert statements(captured) == purge_statements()


def test_purged_bytes_are_neither_checked_nor_called_corrupt(owner: Client) -> None:
    kept, purged = owner.upload(b"kept"), owner.upload(b"purged")
    FileVersion.objects.update(integrity="corrupt")
    purge(owner, purged["fileId"])
    assert verification.corrupt() == 1
    assert [str(each.file_id) for each in verification.due(every=True)] == [kept["fileId"]]


def test_a_late_put_onto_a_purged_key_changes_no_row(owner: Client) -> None:
    begun = owner.put(b"bytes")
    file_id = owner.commit(begun["key"], b"bytes")["fileId"]
    purge(owner, file_id)
    before = list(FileVersion.objects.values())
    assert put(begun["presigned_put_url"], b"BYTES").status_code == 200
    assert_problem(owner.commit(begun["key"], b"BYTES"), 404, "not-found")
    assert list(FileVersion.objects.values()) == before
