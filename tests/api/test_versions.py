"""`GET /files/{id}/versions` and `/versions/{v}`: all of them, paged, and one."""

from __future__ import annotations

import pytest

from tests.support.client import Client, assert_invalid, assert_problem
from tests.support.rows import make_file

pytestmark = pytest.mark.usefixtures("store")


def test_nobody_sees_versions(anonymous: Client, owner: Client) -> None:
    file_id = make_file(owner.user).id
    for path in ("versions", "versions/1", "versions/1/download"):
        assert_problem(anonymous.get(f"/files/{file_id}/{path}"), 401, "not-authenticated")


@pytest.mark.parametrize(
    "number", ["0", "3", "-1", "x", "1.0", "+1", "\u0661", str(1 << 63), "9" * 30, "9" * 5000]
)
def test_a_version_that_is_not_there_is_not_found(owner: Client, number: str) -> None:
    file_id = make_file(owner.user, versions=2).id
    assert_problem(owner.get(f"/files/{file_id}/versions/{number}"), 404, "not-found")
    download = owner.get(f"/files/{file_id}/versions/{number}/download")
    assert_problem(download, 404, "not-found")


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("page_size=0", "page_size"),
        ("page_size=201", "page_size"),
        ("cursor=x", "cursor"),
        ("ordering=created_at", "ordering"),
        ("name=a", "name"),
    ],
)
def test_a_query_that_cannot_be_is_refused(owner: Client, query: str, field: str) -> None:
    file_id = make_file(owner.user).id
    assert_invalid(owner.get(f"/files/{file_id}/versions?{query}"), field)


def test_a_cursor_of_another_listing_is_refused(owner: Client) -> None:
    file_id = make_file(owner.user, versions=2).id
    make_file(owner.user)
    of_files = owner.get("/files?page_size=1")["next"].partition("?")[2]
    of_versions = owner.get(f"/files/{file_id}/versions?page_size=1")["next"].partition("?")[2]
    assert_invalid(owner.get(f"/files/{file_id}/versions?{of_files}"), "cursor")
    assert_invalid(owner.get(f"/files?{of_versions}"), "cursor")


def test_all_versions_are_paged_newest_first_and_back(owner: Client) -> None:
    file_id = make_file(owner.user, versions=5).id
    pages, link = [], f"/files/{file_id}/versions?page_size=2"
    while link:
        answer = owner.get(link)
        pages.append([version["version"] for version in answer["results"]])
        link, back = answer["next"], answer["previous"]
    assert pages == [[5, 4], [3, 2], [1]]
    previous = owner.get(back)
    assert [version["version"] for version in previous["results"]] == [3, 2]


def test_one_version_is_shown_as_it_was_committed(owner: Client) -> None:
    first = owner.upload(b"one", content_type="text/plain")
    file_id = first["fileId"]
    owner.upload(b"second", file_id=file_id, content_type="text/html")
    shown = owner.get(f"/files/{file_id}/versions/1")
    assert shown.status == 200
    members = ("version", "key", "size", "content_type", "checksum", "integrity", "created_at")
    assert shown.json == {member: first[member] for member in members} | {
        "created_by": {"user": "owner"},
        "purged_at": None,
    }
    assert shown.json == owner.get(f"/files/{file_id}/versions")["results"][1]


def test_earlier_versions_keep_their_bytes(owner: Client) -> None:
    file_id = owner.upload(b"one")["fileId"]
    owner.upload(b"second", file_id=file_id)
    assert owner.read(file_id, version=1) == b"one"
    assert owner.read(file_id, version=2) == owner.read(file_id) == b"second"
