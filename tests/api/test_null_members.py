"""`null` for an optional member means that it was not given; a required one refuses it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.client import Client, assert_invalid

ID = "01890a5d-ac96-774b-bcce-b302099a8057"
NEW = {"filename": "a.txt", "size": 1}
COMMIT = {"key": "uploads/no/such", "checksum": "0" * 64, "size": 1}
OPTIONAL: list[tuple[str, str, dict[str, Any], list[str], int]] = [
    (
        "POST",
        "/files/init-upload",
        NEW,
        ["content_type", "checksum", "file_id", "base_version", "multipart", "folder_id"],
        201,
    ),
    ("POST", "/files/commit", COMMIT, ["base_version"], 404),
    ("PATCH", f"/files/{ID}", {"folder_id": None}, ["name"], 404),
    ("POST", f"/files/{ID}/copy", {}, ["name"], 404),
    ("POST", "/folders", {"name": "a", "parent_id": ID}, [], 404),
    ("PATCH", f"/folders/{ID}", {"parent_id": None}, ["name"], 404),
    ("POST", f"/uploads/{ID}/urls", {}, ["part_numbers"], 404),
    (
        "POST",
        "/shares",
        {"file_id": ID, "permission": "read"},
        ["expires_at", "password", "max_downloads"],
        404,
    ),
]
"""Endpoints with a good body, its optional members, and the status that the body gets here."""


@pytest.mark.parametrize(
    ("method", "path", "good", "optional", "status"), OPTIONAL, ids=[each[1] for each in OPTIONAL]
)
def test_null_for_an_optional_member_means_not_given(
    owner: Client, method: str, path: str, good: dict[str, Any], optional: list[str], status: int
) -> None:
    for name in optional:
        assert owner.call(method, path, good | {name: None}).status == status, name
    assert owner.call(method, path, good | dict.fromkeys(optional)).status == status


def test_an_upload_of_which_all_that_is_optional_is_null_is_as_one_without(owner: Client) -> None:
    begun = owner.init(b"x", checksum=None, file_id=None, multipart=None, content_type=None)
    shown = owner.get(f"/uploads/{begun['upload_id']}")
    assert shown["content_type"] == "application/octet-stream"
    assert (shown["checksum"], shown["multipart"]) == (None, False)


def test_a_new_version_may_leave_its_file_name_null(owner: Client) -> None:
    file_id = owner.upload(b"one")["fileId"]
    assert owner.init(b"two", filename=None, file_id=file_id).status == 201
    assert_invalid(owner.init(b"two", filename=None), "filename")


def test_an_unknown_member_is_refused_though_it_is_null(owner: Client) -> None:
    assert_invalid(owner.init(b"x", colour=None), "colour")
