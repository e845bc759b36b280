"""`DELETE /folders/{id}` and `POST /folders/{id}/restore`: to the trash and back, as a whole."""

from __future__ import annotations

from django.db import connection
from django.test.utils import CaptureQueriesContext

from files.models import Change, File, Folder
from tests.support.client import Client, assert_invalid, assert_problem
from tests.support.folders import (
    drive,
    make_file_in,
    make_folder,
    make_folders,
    names,
    written_path,
)


def kinds() -> list[str]:
    rows = Change.objects.exclude(kind="folder-created").order_by("seq")
    return list(rows.values_list("kind", flat=True))


def test_nobody_trashes_or_restores_a_folder(anonymous: Client, owner: Client) -> None:
    folder = make_folder(owner, "a")
    assert_problem(anonymous.delete(f"/folders/{folder}"), 401, "not-authenticated")
    assert_problem(anonymous.post(f"/folders/{folder}/restore"), 401, "not-authenticated")


def test_what_is_in_the_trash_is_not_there_to_be_trashed(owner: Client) -> None:
    outer, inner = make_folders(owner, "outer/inner")
    assert owner.delete(f"/folders/{outer}").status == 204
    for folder in (outer, inner):
        assert_problem(owner.delete(f"/folders/{folder}"), 404, "not-found")
        assert_problem(owner.get(f"/folders/{folder}"), 404, "not-found")
    assert_invalid(owner.delete(f"/folders/{outer}?permanent=1"), "permanent")
    assert_invalid(owner.post(f"/folders/{outer}/restore", {"name": "b"}), "name")


def test_a_folder_goes_and_comes_back_with_exactly_what_was_in_it(owner: Client) -> None:
    outer, inner, innermost = make_folders(owner, "outer/inner/innermost")
    alone = make_folder(owner, "alone", outer)
    ids = [make_file_in(owner.user, place, "f.txt") for place in (None, outer, inner, innermost)]
    by_itself = make_file_in(owner.user, inner, "by itself.txt")
    make_file_in(owner.user, alone, "with alone.txt")
    owner.delete(f"/files/{by_itself}")
    owner.delete(f"/folders/{alone}")
    before = drive(owner)
    Change.objects.all().delete()

    trashed = owner.delete(f"/folders/{outer}")
    assert (trashed.status, trashed.content) == (204, b"")
    assert drive(owner) == {"/": ["f.txt"]}
    for file_id in ids[1:]:
        assert_problem(owner.get(f"/files/{file_id}"), 404, "not-found")
        assert_problem(owner.get(f"/files/{file_id}/download"), 404, "not-found")
    assert names(owner.get("/files?trashed=true")) == ["by itself.txt"]
    assert len(owner.get(f"/files?trashed=true&within={outer}")["results"]) == 5
    assert names(owner.get(f"/files?trashed=true&folder_id={innermost}")) == ["f.txt"]
    assert names(owner.get("/folders?trashed=true")) == ["alone", "outer"]

    restored = owner.post(f"/folders/{outer}/restore")
    assert (restored.status, written_path(restored)) == (200, "/outer")
    assert drive(owner) == before
    assert names(owner.get("/files?trashed=true")) == ["by itself.txt"]
    assert names(owner.get("/folders?trashed=true")) == ["alone"]
    assert kinds() == ["folder-trashed", "folder-restored"]
    assert owner.post(f"/folders/{outer}/restore").json == owner.get(f"/folders/{outer}").json
    assert len(kinds()) == 2
    assert owner.post(f"/folders/{alone}/restore").status == 200
    assert drive(owner) == before | {"/outer/alone": ["with alone.txt"]}


def test_a_folder_whose_parent_is_gone_comes_back_at_the_top(owner: Client) -> None:
    outer, inner = make_folders(owner, "outer/inner")
    make_file_in(owner.user, inner, "f.txt")
    owner.delete(f"/folders/{inner}")
    owner.delete(f"/folders/{outer}")
    assert written_path(owner.post(f"/folders/{inner}/restore")) == "/inner"
    assert drive(owner) == {"/": [], "/inner": ["f.txt"]}
    owner.patch(f"/folders/{inner}", {"name": "again"})
    owner.post(f"/folders/{outer}/restore")
    assert drive(owner).keys() == {"/", "/again", "/outer"}


def test_a_part_of_what_was_trashed_comes_back_by_itself_at_the_top(owner: Client) -> None:
    outer, inner, innermost = make_folders(owner, "outer/inner/innermost")
    near = make_file_in(owner.user, inner, "near.txt")
    make_file_in(owner.user, innermost, "deep.txt")
    make_file_in(owner.user, outer, "outer.txt")
    owner.delete(f"/folders/{outer}")
    file = owner.post(f"/files/{near}/restore")
    assert (file["folder_id"], file["deleted_at"]) == (None, None)
    assert written_path(owner.post(f"/folders/{inner}/restore")) == "/inner"
    assert drive(owner) == {"/": ["near.txt"], "/inner": [], "/inner/innermost": ["deep.txt"]}
    owner.post(f"/folders/{outer}/restore")
    assert drive(owner)["/outer"] == ["outer.txt"]
    assert not File.objects.exclude(trashed_with=None).exists()
    assert not Folder.objects.exclude(trashed_with=None).exists()


def test_a_file_comes_back_into_its_folder_while_that_is_there(owner: Client) -> None:
    folder = make_folder(owner, "a")
    file_id = make_file_in(owner.user, folder)
    owner.delete(f"/files/{file_id}")
    assert owner.post(f"/files/{file_id}/restore")["folder_id"] == folder
    owner.delete(f"/files/{file_id}")
    owner.delete(f"/folders/{folder}")
    assert owner.post(f"/files/{file_id}/restore")["folder_id"] is None


def test_a_name_that_was_taken_meanwhile_keeps_a_folder_in_the_trash(owner: Client) -> None:
    folder = make_folder(owner, "a")
    owner.delete(f"/folders/{folder}")
    other = make_folder(owner, "a")
    refused = owner.post(f"/folders/{folder}/restore")
    assert_problem(refused, 409, "name-taken")
    assert refused["folder_id"] == other
    assert names(owner.get("/folders?trashed=true")) == ["a"]
    owner.patch(f"/folders/{other}", {"name": "b"})
    assert owner.post(f"/folders/{folder}/restore").status == 200


def test_a_folder_does_not_come_back_too_deep(owner: Client) -> None:
    deep = make_folders(owner, "/".join(["d"] * 20))
    target, *_, below = make_folders(owner, "/".join(["t"] * 11))
    lost = make_folders(owner, "l/l")
    owner.patch(f"/folders/{lost[0]}", {"parent_id": below})
    owner.delete(f"/folders/{lost[0]}")
    owner.patch(f"/folders/{target}", {"parent_id": deep[-1]})
    assert_problem(owner.post(f"/folders/{lost[0]}/restore"), 409, "folder-too-deep")
    owner.patch(f"/folders/{target}", {"parent_id": deep[-2]})
    assert len(owner.post(f"/folders/{lost[0]}/restore")["path"]) == 31


def test_much_is_trashed_and_restored_in_as_many_statements_as_little(owner: Client) -> None:
    counts = []
    for size in (1, 12):
        top = make_folder(owner, f"top {size}")
        for number in range(size):
            inner = make_folder(owner, str(number), top)
            for _ in range(size):
                make_file_in(owner.user, inner)
        with CaptureQueriesContext(connection) as trashed:
            assert owner.delete(f"/folders/{top}").status == 204
        with CaptureQueriesContext(connection) as restored:
            assert owner.post(f"/folders/{top}/restore").status == 200
        counts.append((len(trashed), len(restored)))
    assert counts[0] == counts[1]
