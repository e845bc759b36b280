"""`DELETE /folders/{id}?permanent=true`, the emptied trash, retention, and the rows after that."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django.fixtures import Settings

from files.models import Change, File, Folder, Upload
from tests.support.client import Client, assert_problem
from tests.support.folders import drive, make_file_in, make_folder, make_folders, names
from tests.support.garbage import collect

pytest_plugins = ["tests.support.garbage_fixtures"]
pytestmark = pytest.mark.usefixtures("store")


def entries() -> list[tuple[str, str]]:
    """Return what was purged, as the feed says it."""
    rows = Change.objects.filter(kind__endswith="purged").order_by("seq")
    return [
        (kind, str(folder or file))
        for kind, folder, file in rows.values_list("kind", "folder_id", "file_id")
    ]


@pytest.mark.parametrize("trashed", [False, True])
def test_a_folder_is_purged_with_all_that_is_in_it(owner: Client, trashed: bool) -> None:
    outer, inner = make_folders(owner, "outer/inner")
    inside = make_file_in(owner.user, inner, "in.txt")
    by_itself = make_file_in(owner.user, inner, "by itself.txt")
    alone = make_folder(owner, "alone", inner)
    owner.delete(f"/files/{by_itself}")
    owner.delete(f"/folders/{alone}")
    into = owner.init(b"x", folder_id=inner)["upload_id"]
    version = owner.init(b"x", file_id=inside)["upload_id"]
    elsewhere = owner.init(b"x")["upload_id"]
    if trashed:
        owner.delete(f"/folders/{outer}")
    purged = owner.delete(f"/folders/{outer}?permanent=true")
    assert (purged.status, purged.content) == (204, b"")
    assert drive(owner) == {"/": []}
    for folder in (outer, inner):
        for answer in (
            owner.get(f"/folders/{folder}"),
            owner.delete(f"/folders/{folder}?permanent=true"),
            owner.post(f"/folders/{folder}/restore"),
        ):
            assert_problem(answer, 404, "not-found")
    assert_problem(owner.post(f"/files/{inside}/restore"), 404, "not-found")
    states = {str(pk): state for pk, state in Upload.objects.values_list("pk", "state")}
    assert states == {into: "aborted", version: "aborted", elsewhere: "pending"}
    # What had been trashed by itself is still in the trash, and has no folder any more.
    (left,) = owner.get("/folders?trashed=true")["results"]
    assert (left["parent_id"], [step["name"] for step in left["path"]]) == (None, ["alone"])
    assert [row["folder_id"] for row in owner.get("/files?trashed=true")["results"]] == [None]
    assert owner.post(f"/files/{by_itself}/restore")["folder_id"] is None
    assert owner.post(f"/folders/{alone}/restore")["parent_id"] is None
    assert drive(owner) == {"/": ["by itself.txt"], "/alone": []}
    assert entries() == [("folder-purged", outer)]


def test_the_emptied_trash_has_neither_files_nor_folders(owner: Client, stranger: Client) -> None:
    outer, inner = make_folders(owner, "outer/inner")
    make_file_in(owner.user, inner, "with outer.txt")
    alone = make_file_in(owner.user, None, "alone.txt")
    kept = make_folder(owner, "kept")
    lost = make_file_in(owner.user, kept, "lost.txt")
    make_file_in(owner.user, kept, "kept.txt")
    upload = owner.init(b"x", folder_id=inner)["upload_id"]
    theirs = make_folder(stranger, "theirs")
    stranger.delete(f"/folders/{theirs}")
    for path in (f"/files/{alone}", f"/files/{lost}", f"/folders/{outer}"):
        owner.delete(path)
    assert owner.delete("/files?trashed=true").status == 204
    assert owner.get("/files?trashed=true")["results"] == []
    assert owner.get("/folders?trashed=true")["results"] == []
    assert drive(owner) == {"/": [], "/kept": ["kept.txt"]}
    assert Upload.objects.get(pk=upload).state == "aborted"
    assert names(stranger.get("/folders?trashed=true")) == ["theirs"]
    assert sorted(entries()) == sorted(
        [("file-purged", alone), ("file-purged", lost), ("folder-purged", outer)]
    )


@pytest.mark.usefixtures("bucket")
def test_retention_purges_a_folder_whole(owner: Client, settings: Settings) -> None:
    settings.TRASH_DAYS = 30
    old, inner = make_folders(owner, "old/inner")
    for place in (old, inner):
        make_file_in(owner.user, place)
    young = make_folder(owner, "young")
    for folder in (old, young):
        owner.delete(f"/folders/{folder}")
    long_ago = timezone.now() - timedelta(days=31)
    Folder.objects.exclude(pk=young).update(deleted_at=long_ago)
    File.objects.update(deleted_at=long_ago)
    expected, _ = collect(dry_run=True)
    counts, _ = collect()
    assert counts == expected
    assert (counts["folders_purged"], counts["files_purged"]) == (2, 2)
    assert names(owner.get("/folders?trashed=true")) == ["young"]
    assert entries() == [("folder-purged", old)]


@pytest.mark.usefixtures("bucket")
def test_the_rows_of_a_folder_go_after_those_of_its_files(
    owner: Client, settings: Settings
) -> None:
    settings.GC_DELAY = settings.CLOCK_SKEW = 0
    outer, inner = make_folders(owner, "outer/inner")
    owner.upload(b"bytes", folder_id=inner)
    owner.init(b"x", folder_id=outer)
    Upload.objects.update(urls_expire_at=timezone.now())
    owner.delete(f"/folders/{outer}?permanent=true")
    removed = []
    for _ in range(2):
        expected, _ = collect(dry_run=True)
        counts, _ = collect()
        assert counts == expected
        removed.append((counts["files_removed"], counts["folders_removed"]))
    assert removed == [(1, 1), (0, 1)]
    assert not Folder.objects.exists()
    assert Upload.objects.get().folder is None
