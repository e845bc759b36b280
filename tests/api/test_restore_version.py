"""`POST /files/{id}/versions/{v}/restore`: an earlier version as the newest, with the same pin."""

from __future__ import annotations

import pytest

from files.models import File, FileVersion, Integrity
from files.services import verification, versions
from tests.support.client import Client, assert_invalid, assert_problem
from tests.support.rows import make_file

pytestmark = pytest.mark.usefixtures("store")
PIN = ("key", "store_version_id", "etag", "size", "checksum", "content_type", "integrity")


def test_nobody_restores_a_version(anonymous: Client, owner: Client) -> None:
    file_id = make_file(owner.user, versions=2).id
    path = f"/files/{file_id}/versions/1/restore"
    assert_problem(anonymous.post(path), 401, "not-authenticated")


def test_another_person_restores_no_version(owner: Client, stranger: Client) -> None:
    file_id = make_file(owner.user, versions=2).id
    assert_problem(stranger.post(f"/files/{file_id}/versions/1/restore"), 404, "not-found")
    assert FileVersion.objects.count() == 2


@pytest.mark.parametrize("number", ["0", "3", "-1", "x", str(1 << 63), "9" * 30])
def test_a_version_that_is_not_there_is_not_found(owner: Client, number: str) -> None:
    file_id = make_file(owner.user, versions=2).id
    assert_problem(owner.post(f"/files/{file_id}/versions/{number}/restore"), 404, "not-found")


def test_restoring_a_version_takes_no_arguments(owner: Client) -> None:
    path = f"/files/{make_file(owner.user, versions=2).id}/versions/1/restore"
    assert_invalid(owner.post(path, {"name": "b"}), "name")
    assert_invalid(owner.post(f"{path}?name=b"), "name")


def test_no_version_of_a_file_in_the_trash_is_restored(owner: Client) -> None:
    file_id = make_file(owner.user, versions=2).id
    owner.delete(f"/files/{file_id}")
    assert_problem(owner.post(f"/files/{file_id}/versions/1/restore"), 404, "not-found")


def test_a_purged_version_is_not_restored(owner: Client) -> None:
    file_id = make_file(owner.user, versions=2).id
    owner.delete(f"/files/{file_id}/versions/1")
    assert_problem(owner.post(f"/files/{file_id}/versions/1/restore"), 410, "version-purged")
    assert FileVersion.objects.count() == 2


def test_a_corrupt_version_is_not_restored(owner: Client) -> None:
    file = make_file(owner.user, versions=2)
    file.versions.filter(version=1).update(integrity=Integrity.CORRUPT)
    assert_problem(owner.post(f"/files/{file.id}/versions/1/restore"), 409, "corrupt")


def test_a_restored_version_is_the_newest_with_the_bytes_of_the_earlier_one(owner: Client) -> None:
    first = owner.upload(b"one", content_type="text/plain")
    file_id = first["fileId"]
    owner.upload(b"second", file_id=file_id, content_type="text/html")
    restored = owner.post(f"/files/{file_id}/versions/1/restore", {})
    assert restored.status == 201
    assert restored.json == first.json | {"version": 3, "created_at": restored["created_at"]}
    assert restored["created_at"] > first["created_at"]
    file = owner.get(f"/files/{file_id}")
    assert (file["version"], file["checksum"]) == (3, first["checksum"])
    assert file["content_type"] == "text/plain"
    assert file["versions"][0]["created_by"] == {"user": "owner"}
    assert owner.read(file_id) == owner.read(file_id, 3) == b"one"
    earlier, later = (FileVersion.objects.filter(version=v).values(*PIN).get() for v in (1, 3))
    assert earlier == later


def test_the_newest_version_may_be_restored_too(owner: Client) -> None:
    file_id = owner.upload(b"one")["fileId"]
    assert owner.post(f"/files/{file_id}/versions/1/restore")["version"] == 2
    assert owner.read(file_id) == b"one"


def test_the_bytes_stay_while_one_version_that_shares_them_is_live(owner: Client) -> None:
    file_id = owner.upload(b"one")["fileId"]
    owner.upload(b"second", file_id=file_id)
    owner.post(f"/files/{file_id}/versions/1/restore")
    assert owner.delete(f"/files/{file_id}/versions/1").status == 204
    assert_problem(owner.get(f"/files/{file_id}/versions/1/download"), 410, "version-purged")
    assert owner.read(file_id) == b"one"
    assert_problem(owner.post(f"/files/{file_id}/versions/1/restore"), 410, "version-purged")


def test_versions_that_share_their_bytes_share_what_is_found_of_them(owner: Client) -> None:
    file_id = owner.upload(b"one")["fileId"]
    owner.upload(b"second", file_id=file_id)
    owner.post(f"/files/{file_id}/versions/1/restore")
    version = FileVersion.objects.get(version=1)
    assert versions.settle_integrity(version=version, integrity=Integrity.CORRUPT)
    found = dict(FileVersion.objects.values_list("version", "integrity"))
    assert (found[1], found[3]) == ("corrupt", "corrupt")
    assert found[2] != "corrupt"
    assert File.objects.get().integrity == "corrupt"
    assert verification.corrupt() == 2
    assert_problem(owner.get(f"/files/{file_id}/download"), 409, "corrupt")
