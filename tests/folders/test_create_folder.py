"""`POST /folders` and `GET /folders/{id}`."""

from __future__ import annotations

import pytest

from files.models import Change, Folder
from tests.support.client import Client, assert_problem
from tests.support.folders import NOBODYS, make_folder, make_folders, written_path

MEMBERS = {"id", "name", "parent_id", "path", "created_at", "updated_at", "deleted_at"}


def test_nobody_makes_a_folder(anonymous: Client) -> None:
    assert_problem(anonymous.post("/folders", {"name": "a"}), 401, "not-authenticated")


def test_a_folder_is_not_made_in_what_is_not_there(owner: Client, stranger: Client) -> None:
    theirs = make_folder(stranger, "theirs")
    trashed, below = make_folders(owner, "trashed/below")
    purged = make_folder(owner, "purged")
    assert owner.delete(f"/folders/{trashed}").status == 204
    assert owner.delete(f"/folders/{purged}?permanent=true").status == 204
    for parent_id in (theirs, trashed, below, purged, NOBODYS):
        made = owner.post("/folders", {"name": "a", "parent_id": parent_id})
        assert_problem(made, 404, "not-found")
        if parent_id != theirs:
            assert_problem(owner.get(f"/folders/{parent_id}"), 404, "not-found")
    assert Folder.objects.filter(name="a").count() == 0


def test_a_name_is_taken_once_in_each_place(owner: Client, stranger: Client) -> None:
    first = make_folder(owner, "Cafe\u0301")
    taken = owner.post("/folders", {"name": "Caf\u00e9"})
    assert_problem(taken, 409, "name-taken")
    assert taken["folder_id"] == first
    inner = make_folder(owner, "Caf\u00e9", first)
    taken = owner.post("/folders", {"name": "Caf\u00e9", "parent_id": first})
    assert_problem(taken, 409, "name-taken")
    assert taken["folder_id"] == inner
    make_folder(owner, "CAF\u00c9")
    make_folder(stranger, "Caf\u00e9")
    assert owner.delete(f"/folders/{inner}").status == 204
    make_folder(owner, "Caf\u00e9", first)


def test_a_new_folder_is_shown_with_its_path(owner: Client) -> None:
    reports = owner.post("/folders", {"name": "Reports", "parent_id": None})
    assert reports.status == 201
    assert reports.json.keys() == MEMBERS
    assert (reports["parent_id"], reports["deleted_at"]) == (None, None)
    year = owner.post("/folders", {"name": "2026", "parent_id": reports["id"]})
    assert year["path"] == [
        {"id": reports["id"], "name": "Reports"},
        {"id": year["id"], "name": "2026"},
    ]
    assert owner.get(f"/folders/{year['id']}").json == year.json
    assert owner.get(f"/folders/{reports['id']}").json == reports.json
    assert written_path(year) == "/Reports/2026"
    kinds = Change.objects.order_by("seq").values_list("kind", "folder_id")
    assert [(kind, str(pk)) for kind, pk in kinds] == [
        ("folder-created", reports["id"]),
        ("folder-created", year["id"]),
    ]


def test_folders_are_nested_32_deep_and_no_deeper(owner: Client) -> None:
    *_, deepest = make_folders(owner, "/".join(["a"] * 32))
    assert len(owner.get(f"/folders/{deepest}")["path"]) == 32
    deeper = owner.post("/folders", {"name": "a", "parent_id": deepest})
    assert_problem(deeper, 409, "folder-too-deep")


@pytest.mark.parametrize("verb", ["PUT", "DELETE"])
def test_what_all_folders_cannot_be_asked_for_is_not_allowed(owner: Client, verb: str) -> None:
    assert_problem(owner.call(verb, "/folders", {"name": "a"}), 405, "method-not-allowed")
