"""`GET /folders`: a place's folders by name, and those in the trash."""

from __future__ import annotations

from tests.support.client import Client, assert_problem
from tests.support.folders import NOBODYS, make_folder, make_folders, names, written_path


def test_nobody_lists_folders(anonymous: Client) -> None:
    assert_problem(anonymous.get("/folders"), 401, "not-authenticated")


def test_what_is_not_there_is_not_listed(owner: Client, stranger: Client) -> None:
    theirs, trashed = make_folder(stranger, "theirs"), make_folder(owner, "trashed")
    owner.delete(f"/folders/{trashed}")
    for parent_id in (theirs, trashed, NOBODYS):
        assert_problem(owner.get(f"/folders?parent_id={parent_id}"), 404, "not-found")
    for parent_id in (theirs, NOBODYS):
        in_trash = owner.get(f"/folders?trashed=true&parent_id={parent_id}")
        assert_problem(in_trash, 404, "not-found")


def test_folders_are_listed_by_name_in_their_place(owner: Client, stranger: Client) -> None:
    make_folder(stranger, "theirs")
    top = make_folder(owner, "top")
    given = ["b", "B", "a", "\u00e9", "10", "9", "z", "\N{GRINNING FACE}", "\uffee"]
    for name in given:
        make_folder(owner, name, top)
    listed = owner.get(f"/folders?parent_id={top}")
    assert names(listed) == sorted(given)
    assert [written_path(folder) for folder in listed["results"]] == [
        f"/top/{name}" for name in sorted(given)
    ]
    assert listed["results"][0] == owner.get(f"/folders/{listed['results'][0]['id']}").json
    assert names(owner.get("/folders")) == names(owner.get("/folders?parent_id=root")) == ["top"]


def test_pages_go_on_where_the_one_before_ended_whatever_comes_and_goes(owner: Client) -> None:
    ids = {name: make_folder(owner, name) for name in "abcdefg"}
    first = owner.get("/folders?page_size=3")
    assert (names(first), first["previous"]) == (["a", "b", "c"], None)
    make_folder(owner, "aa")
    owner.delete(f"/folders/{ids['c']}")
    second = owner.get(first["next"])
    assert names(second) == ["d", "e", "f"]
    assert names(owner.get(second["previous"])) == ["a", "aa", "b"]
    last = owner.get(second["next"])
    assert (names(last), last["next"]) == (["g"], None)
    wide = make_folder(owner, "\u65e5" * 255)
    owner.patch(f"/folders/{ids['a']}", {"name": "\u65e5" * 254})
    wider = owner.get("/folders?page_size=6")
    assert [row["id"] for row in owner.get(wider["next"])["results"]] == [ids["a"], wide]


def test_a_cursor_of_another_listing_is_refused(owner: Client) -> None:
    for name in "abc":
        make_folder(owner, name)
    _, _, cursor = owner.get("/folders?page_size=1")["next"].rpartition("cursor=")
    assert_problem(owner.get(f"/files?cursor={cursor}"), 400, "invalid")


def test_the_trash_has_the_folders_that_were_trashed_themselves(owner: Client) -> None:
    outer, inner, _ = make_folders(owner, "outer/inner/innermost")
    alone = make_folder(owner, "alone", outer)
    make_folder(owner, "present")
    owner.delete(f"/folders/{alone}")
    owner.delete(f"/folders/{outer}")
    trash = owner.get("/folders?trashed=true")
    assert [written_path(folder) for folder in trash["results"]] == ["/outer/alone", "/outer"]
    assert all(folder["deleted_at"] for folder in trash["results"])
    inside = owner.get(f"/folders?trashed=true&parent_id={outer}")
    assert names(inside) == ["alone", "inner"]
    assert names(owner.get("/folders?trashed=true&parent_id=root")) == ["outer"]
    assert names(owner.get(f"/folders?trashed=true&parent_id={inner}")) == ["innermost"]
