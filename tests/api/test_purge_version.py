"""`DELETE /files/{id}/versions/{v}`: the bytes of an older version, removed for good."""

from __future__ import annotations

import pytest

from files.models import FileVersion
from tests.support.client import Client, assert_invalid, assert_problem
from tests.support.rows import make_file

pytestmark = pytest.mark.usefixtures("store")


def test_nobody_purges_a_version(anonymous: Client, owner: Client) -> None:
    file_id = make_file(owner.user, versions=2).id
    assert_problem(anonymous.delete(f"/files/{file_id}/versions/1"), 401, "not-authenticated")


def test_another_person_purges_no_version(owner: Client, stranger: Client) -> None:
    file_id = make_file(owner.user, versions=2).id
    assert_problem(stranger.delete(f"/files/{file_id}/versions/1"), 404, "not-found")
    assert FileVersion.objects.live().count() == 2


@pytest.mark.parametrize("number", ["0", "3", "-1", "x", str(1 << 63), "9" * 30])
def test_a_version_that_is_not_there_is_not_found(owner: Client, number: str) -> None:
    file_id = make_file(owner.user, versions=2).id
    assert_problem(owner.delete(f"/files/{file_id}/versions/{number}"), 404, "not-found")


def test_a_purge_of_a_version_takes_no_arguments(owner: Client) -> None:
    file_id = make_file(owner.user, versions=2).id
    assert_invalid(owner.delete(f"/files/{file_id}/versions/1?permanent=true"), "permanent")


def test_versions_of_a_file_in_the_trash_are_not_purged(owner: Client) -> None:
    file_id = make_file(owner.user, versions=2).id
    owner.delete(f"/files/{file_id}")
    assert_problem(owner.delete(f"/files/{file_id}/versions/1"), 404, "not-found")


def test_the_newest_version_is_not_purged(owner: Client) -> None:
    committed = owner.upload(b"bytes")
    newest = f"/files/{committed['fileId']}/versions/1"
    assert_problem(owner.delete(newest), 409, "version-current")
    assert owner.get(newest)["purged_at"] is None
    assert owner.read(committed["fileId"]) == b"bytes"


def test_of_a_purged_version_the_record_stays_without_the_bytes(owner: Client) -> None:
    first = owner.upload(b"one")
    file_id = first["fileId"]
    owner.upload(b"second", file_id=file_id)
    path = f"/files/{file_id}/versions/1"
    before = owner.get(path)
    purged = owner.delete(path)
    assert (purged.status, purged.content) == (204, b"")
    after = owner.get(path)
    assert after["purged_at"] is not None
    assert after.json == before.json | {"purged_at": after["purged_at"]}
    assert owner.get(f"/files/{file_id}/versions")["results"][1] == after.json
    assert owner.get(f"/files/{file_id}")["versions"][1] == after.json
    assert_problem(owner.get(f"{path}/download"), 410, "version-purged")
    assert_problem(owner.commit(first["key"], b"one"), 404, "not-found")
    assert owner.read(file_id) == b"second"


def test_purging_a_version_again_changes_nothing(owner: Client) -> None:
    path = f"/files/{make_file(owner.user, versions=2).id}/versions/1"
    owner.delete(path)
    purged_at = owner.get(path)["purged_at"]
    assert owner.delete(path).status == 204
    assert owner.get(path)["purged_at"] == purged_at


def test_the_next_version_after_a_purge_has_the_next_number(owner: Client) -> None:
    file_id = owner.upload(b"one")["fileId"]
    owner.upload(b"second", file_id=file_id)
    owner.delete(f"/files/{file_id}/versions/1")
    assert owner.upload(b"third", file_id=file_id)["version"] == 3
