"""`PATCH /folders/{id}`: another name, another place."""

from __future__ import annotations

from files.models import Change
from tests.support.client import Client, assert_invalid, assert_problem
from tests.support.folders import NOBODYS, drive, make_file_in, make_folder, make_folders


def kinds() -> list[str]:
    """Return what the feed says of folders that were there before."""
    rows = Change.objects.exclude(kind="folder-created").order_by("seq")
    return list(rows.values_list("kind", flat=True))


def test_nobody_changes_a_folder(anonymous: Client, owner: Client) -> None:
    folder = make_folder(owner, "a")
    assert_problem(anonymous.patch(f"/folders/{folder}", {"name": "b"}), 401, "not-authenticated")


def test_only_name_and_place_can_be_changed(owner: Client) -> None:
    folder = make_folder(owner, "a")
    assert_invalid(owner.patch(f"/folders/{folder}", {}), "name")
    assert_invalid(owner.patch(f"/folders/{folder}", {"name": None}), "name")
    for member in ("id", "path", "deleted_at", "user"):
        assert_invalid(owner.patch(f"/folders/{folder}", {"name": "b", member: "1"}), member)


def test_a_folder_is_not_moved_to_what_is_not_there(owner: Client, stranger: Client) -> None:
    folder, trashed = make_folder(owner, "a"), make_folder(owner, "trashed")
    owner.delete(f"/folders/{trashed}")
    for parent_id in (make_folder(stranger, "theirs"), trashed, NOBODYS):
        moved = owner.patch(f"/folders/{folder}", {"parent_id": parent_id})
        assert_problem(moved, 404, "not-found")
    assert_problem(owner.patch(f"/folders/{trashed}", {"name": "b"}), 404, "not-found")


def test_a_folder_is_not_moved_into_itself(owner: Client) -> None:
    ids = make_folders(owner, "a/b/c")
    for parent_id in ids:
        moved = owner.patch(f"/folders/{ids[0]}", {"parent_id": parent_id})
        assert_problem(moved, 409, "folder-loop")
    assert drive(owner).keys() == {"/", "/a", "/a/b", "/a/b/c"}
    assert kinds() == []


def test_a_folder_with_what_is_below_it_is_not_moved_too_deep(owner: Client) -> None:
    deep = make_folders(owner, "/".join(["d"] * 29))
    high = make_folders(owner, "h/h/h/h")
    for parent_id, status in ((deep[-1], 409), (deep[-2], 200)):
        moved = owner.patch(f"/folders/{high[0]}", {"parent_id": parent_id})
        assert moved.status == status
    assert len(owner.get(f"/folders/{high[-1]}")["path"]) == 32


def test_a_name_that_is_taken_there_is_refused(owner: Client) -> None:
    a, b = make_folder(owner, "a"), make_folder(owner, "b")
    inner = make_folder(owner, "b", a)
    for folder, change, other in (
        (a, {"name": "b"}, b),
        (inner, {"parent_id": None}, b),
        (b, {"parent_id": a}, inner),
    ):
        changed = owner.patch(f"/folders/{folder}", change)
        assert_problem(changed, 409, "name-taken")
        assert changed["folder_id"] == other
    assert owner.patch(f"/folders/{inner}", {"parent_id": None, "name": "c"}).status == 200


def test_a_folder_moves_with_all_that_is_in_it(owner: Client) -> None:
    a, b, c = make_folders(owner, "a/b/c")
    target = make_folder(owner, "target")
    make_file_in(owner.user, c, "deep.txt")
    make_file_in(owner.user, b, "near.txt")
    before = owner.get(f"/folders/{b}")
    moved = owner.patch(f"/folders/{b}", {"parent_id": target, "name": "moved"})
    assert moved.status == 200
    assert moved["path"] == [{"id": target, "name": "target"}, {"id": b, "name": "moved"}]
    assert moved["updated_at"] > before["updated_at"]
    assert owner.get(f"/folders/{b}").json == moved.json
    assert drive(owner) == {
        "/": [],
        "/a": [],
        "/target": [],
        "/target/moved": ["near.txt"],
        "/target/moved/c": ["deep.txt"],
    }
    assert owner.patch(f"/folders/{b}", {"parent_id": None})["parent_id"] is None
    assert kinds() == ["folder-renamed", "folder-moved", "folder-moved"]
    assert owner.get(f"/folders/{a}").status == 200


def test_the_name_and_the_place_that_it_has_change_nothing(owner: Client) -> None:
    a, b = make_folders(owner, "a/b")
    before = owner.get(f"/folders/{b}").json
    assert owner.patch(f"/folders/{b}", {"name": "b", "parent_id": a}).json == before
    assert owner.get(f"/folders/{b}").json == before
    assert kinds() == []
