"""`GET /lookup`: from a path to a folder or a file."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.support.client import Answer, Client, assert_invalid, assert_problem
from tests.support.folders import make_file_in, make_folder, make_folders


def look_up(client: Client, path: str) -> Answer:
    return client.get(f"/lookup?path={quote(path)}")


def test_nobody_looks_up(anonymous: Client) -> None:
    assert_problem(look_up(anonymous, "/"), 401, "not-authenticated")


@pytest.mark.parametrize(
    "path",
    [
        *("", "a", "a/b", "//", "//a", "/a/", "/a//b", "/.", "/..", "/a/../b", "/a\\b", "/a\nb"),
        *("/ ", "/" + "x" * 256),
    ],
)
def test_a_path_that_cannot_be_is_refused(owner: Client, path: str) -> None:
    assert_invalid(look_up(owner, path), "path")


def test_a_path_is_needed(owner: Client) -> None:
    assert_invalid(owner.get("/lookup"), "path")


def test_what_is_not_there_is_not_found(owner: Client, stranger: Client) -> None:
    a, b = make_folders(owner, "a/b")
    make_file_in(stranger.user, make_folder(stranger, "theirs"), "f.txt")
    make_file_in(owner.user, b, "f.txt")
    trashed = make_file_in(owner.user, a, "trashed.txt")
    owner.delete(f"/files/{trashed}")
    owner.delete(f"/folders/{make_folder(owner, 'trashed', a)}")
    deep = "/".join(["x"] * 40)
    for path in ("/theirs", "/theirs/f.txt", "/b", "/f.txt", "/a/f.txt", "/A", "/a/b/f.txt/g"):
        assert_problem(look_up(owner, path), 404, "not-found")
    for path in ("/a/trashed.txt", "/a/trashed", "/a/c/f.txt", "/a/b/F.TXT", f"/{deep}"):
        assert_problem(look_up(owner, path), 404, "not-found")


def test_a_path_leads_to_a_folder_or_to_the_newest_file_of_its_name(owner: Client) -> None:
    a, b = make_folders(owner, "a/Caf\u00e9")
    for _ in range(2):
        newest = make_file_in(owner.user, b, "f.txt")
    make_file_in(owner.user, b, "other.txt")
    at_top = make_file_in(owner.user, None, "f.txt")
    make_file_in(owner.user, a, "Caf\u00e9")
    assert look_up(owner, "/").json == {"folder": None}
    assert look_up(owner, "/a").json == {"folder": owner.get(f"/folders/{a}").json}
    inner = look_up(owner, "/a/Cafe\u0301")
    assert inner.json == {"folder": owner.get(f"/folders/{b}").json}
    file = owner.get(f"/files/{newest}").json
    del file["versions"]
    assert look_up(owner, "/a/Caf\u00e9/f.txt").json == {"file": file}
    assert look_up(owner, "/f.txt")["file"]["id"] == at_top


def test_a_file_as_deep_as_files_can_be_is_found_in_three_queries(owner: Client) -> None:
    *_, deepest = make_folders(owner, "/".join(["a"] * 32))
    file_id = make_file_in(owner.user, deepest, "f.txt")
    with CaptureQueriesContext(connection) as captured:
        found = look_up(owner, "/" + "a/" * 32 + "f.txt")
    assert found["file"]["id"] == file_id
    # The user's, which a process remembers, is one of them.
    assert len(captured) == 3
