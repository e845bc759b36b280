"""`GET /files/{id}`: the file and its newest versions."""

from __future__ import annotations

import pytest

from tests.support.client import FILE_MEMBERS, Client, assert_invalid, assert_problem, sha256
from tests.support.rows import make_file

pytestmark = pytest.mark.usefixtures("store")

VERSION = {
    "version",
    "key",
    "size",
    "content_type",
    "checksum",
    "integrity",
    "created_by",
    "created_at",
    "purged_at",
}


def test_nobody_sees_a_file(anonymous: Client, owner: Client) -> None:
    file_id = make_file(owner.user).id
    assert_problem(anonymous.get(f"/files/{file_id}"), 401, "not-authenticated")


def test_a_file_takes_no_query(owner: Client) -> None:
    file_id = make_file(owner.user).id
    assert_invalid(owner.get(f"/files/{file_id}?version=1"), "version")


def test_a_file_is_shown_with_its_versions(owner: Client) -> None:
    first = owner.upload(b"one", filename="a b.txt", content_type="text/plain")
    file_id = first["fileId"]
    second = owner.upload(b"second", file_id=file_id, content_type="text/markdown")
    file = owner.get(f"/files/{file_id}")
    assert file.status == 200
    assert file.json.keys() == FILE_MEMBERS | {"versions"}
    expected = {
        "id": file_id,
        "name": "a b.txt",
        "size": 6,
        "content_type": "text/markdown",
        "checksum": sha256(b"second"),
        "version": 2,
        "key": second["key"],
        "created_at": first["created_at"],
        "updated_at": second["created_at"],
        "deleted_at": None,
    }
    assert {name: file[name] for name in expected} == expected
    assert all(version.keys() == VERSION for version in file["versions"])
    for shown, committed in zip(file["versions"], (second, first), strict=True):
        for member in VERSION - {"created_by", "purged_at"}:
            assert shown[member] == committed[member]
        assert (shown["created_by"], shown["purged_at"]) == ({"user": "owner"}, None)


def test_at_most_the_newest_100_versions_are_shown(owner: Client) -> None:
    file_id = make_file(owner.user, versions=102).id
    shown = owner.get(f"/files/{file_id}")["versions"]
    assert [version["version"] for version in shown] == list(range(102, 2, -1))
