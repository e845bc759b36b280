"""A folder with thousands of files: trashed and restored by one call each."""

from __future__ import annotations

import time
from secrets import token_hex
from uuid import UUID

import pytest

from files.models import File, Folder
from tests.support.client import Client
from tests.support.folders import make_folder

pytestmark = [pytest.mark.slow, pytest.mark.django_db]

FOLDERS, FILES = 100, 10_000


def places() -> set[tuple[object, ...]]:
    return set(File.objects.values_list("pk", "folder", "deleted_at", "trashed_with"))


def test_ten_thousand_files_in_a_hundred_folders_go_to_the_trash_and_come_back(
    owner: Client,
) -> None:
    top = make_folder(owner, "top")
    inner = [Folder(user=owner.user, name=str(n), parent_id=top) for n in range(FOLDERS - 1)]
    Folder.objects.bulk_create(inner)
    ids: list[UUID | str] = [top, *(folder.pk for folder in inner)]
    File.objects.bulk_create(
        File(
            user=owner.user,
            # As different as names can be: an index of their letters costs most then.
            name=f"{token_hex(16)}.txt",
            folder_id=ids[number % FOLDERS],
            content_type="text/plain",
            size=0,
            version_current=1,
            integrity="store",
        )
        for number in range(FILES)
    )
    alone = File.objects.filter(folder=inner[0]).first()
    assert alone is not None
    assert owner.delete(f"/files/{alone.pk}").status == 204
    before = places()
    began = time.perf_counter()
    assert owner.delete(f"/folders/{top}").status == 204
    trashed = time.perf_counter()
    assert not File.objects.present().exists()
    assert File.objects.filter(trashed_with=top).count() == FILES - 1
    restoring = time.perf_counter()
    assert owner.post(f"/folders/{top}/restore").status == 200
    print(
        f"trashed in {trashed - began:.2f} s, restored in {time.perf_counter() - restoring:.2f} s"
    )
    assert places() == before
