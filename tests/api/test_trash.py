"""`DELETE /files/{id}` and `POST /files/{id}/restore`: to the trash and back."""

from __future__ import annotations

import pytest

from files.models import FileVersion
from tests.support.client import Client, assert_invalid, assert_problem
from tests.support.rows import make_file

pytestmark = pytest.mark.usefixtures("store")


def test_nobody_trashes_or_restores(anonymous: Client, owner: Client) -> None:
    file_id = make_file(owner.user).id
    assert_problem(anonymous.delete(f"/files/{file_id}"), 401, "not-authenticated")
    assert_problem(anonymous.post(f"/files/{file_id}/restore"), 401, "not-authenticated")


def test_another_person_restores_nothing(owner: Client, stranger: Client) -> None:
    file_id = make_file(owner.user).id
    owner.delete(f"/files/{file_id}")
    assert stranger.get("/files?trashed=true")["results"] == []
    assert_problem(stranger.post(f"/files/{file_id}/restore"), 404, "not-found")
    assert_problem(owner.get(f"/files/{file_id}"), 404, "not-found")


def test_trash_and_restore_take_no_arguments(owner: Client) -> None:
    file_id = make_file(owner.user).id
    assert_invalid(owner.delete(f"/files/{file_id}?force=true"), "force")
    owner.delete(f"/files/{file_id}")
    assert_invalid(owner.post(f"/files/{file_id}/restore", {"name": "b"}), "name")
    assert_invalid(owner.post(f"/files/{file_id}/restore?name=b", {}), "name")


def test_a_file_in_the_trash_is_not_found_anywhere_else(owner: Client) -> None:
    committed = owner.upload(b"bytes")
    path = f"/files/{committed['fileId']}"
    trashed = owner.delete(path)
    assert (trashed.status, trashed.content) == (204, b"")
    for gone in (
        owner.get(path),
        owner.get(f"{path}/versions"),
        owner.get(f"{path}/versions/1"),
        owner.get(f"{path}/download"),
        owner.get(f"{path}/versions/1/download"),
        owner.patch(path, {"name": "b.txt"}),
        owner.delete(path),
        owner.init(b"two", file_id=committed["fileId"]),
    ):
        assert_problem(gone, 404, "not-found")
    assert owner.get("/files")["results"] == []
    assert owner.get("/files?trashed=false")["results"] == []


def test_the_trash_is_listed_by_itself(owner: Client) -> None:
    kept, thrown = make_file(owner.user), make_file(owner.user)
    owner.delete(f"/files/{thrown.id}")
    trash = owner.get("/files?trashed=true")["results"]
    assert [file["id"] for file in trash] == [str(thrown.id)]
    assert trash[0]["deleted_at"] is not None
    assert [file["id"] for file in owner.get("/files")["results"]] == [str(kept.id)]


def test_a_restored_file_is_as_it_was(owner: Client) -> None:
    committed = owner.upload(b"bytes")
    path = f"/files/{committed['fileId']}"
    before = owner.get(path)
    owner.delete(path)
    restored = owner.post(f"{path}/restore", {})
    assert restored.status == 200
    after = owner.get(path)
    assert after["deleted_at"] is None
    assert after["updated_at"] > before["updated_at"]
    assert after.json == before.json | {"updated_at": after["updated_at"]}
    assert restored.json == {
        name: value for name, value in after.json.items() if name != "versions"
    }
    assert owner.read(committed["fileId"]) == b"bytes"
    assert owner.get("/files?trashed=true")["results"] == []


def test_restoring_twice_is_fine_and_changes_nothing(owner: Client) -> None:
    path = f"/files/{make_file(owner.user).id}"
    owner.delete(path)
    first = owner.post(f"{path}/restore")
    again = owner.post(f"{path}/restore")
    assert (again.status, again.json) == (200, first.json)


def test_the_trash_keeps_every_version(owner: Client) -> None:
    file = make_file(owner.user, versions=3)
    owner.delete(f"/files/{file.id}")
    assert FileVersion.objects.filter(file=file).count() == 3
    owner.post(f"/files/{file.id}/restore")
    listed = owner.get(f"/files/{file.id}/versions")["results"]
    assert [version["version"] for version in listed] == [3, 2, 1]
