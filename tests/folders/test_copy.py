"""`POST /files/{id}/copy`: another file with the same bytes, which nobody moves."""

from __future__ import annotations

import pytest
from django.utils import timezone

from files.models import Change, File, FileVersion
from files.services.auditing import Audit, audit
from files.services.quotas import set_quota
from files.services.versions import settle_integrity
from tests.support.client import FILE_MEMBERS, Client, assert_problem, fetch
from tests.support.folders import NOBODYS, make_file_in, make_folder
from tests.support.garbage import LATER, collect, stored

pytest_plugins = ["tests.support.garbage_fixtures"]
pytestmark = pytest.mark.usefixtures("store")
DATA = b"hello"


def copy(client: Client, file_id: str, **members: object) -> str:
    made = client.post(f"/files/{file_id}/copy", members)
    assert made.status == 201, made.json
    return str(made["id"])


def test_nobody_copies(anonymous: Client, owner: Client) -> None:
    copied = anonymous.post(f"/files/{make_file_in(owner.user, None)}/copy")
    assert_problem(copied, 401, "not-authenticated")


def test_what_is_not_there_is_not_copied(owner: Client, stranger: Client) -> None:
    file_id, trashed = make_file_in(owner.user, None), make_file_in(owner.user, None)
    owner.delete(f"/files/{trashed}")
    assert_problem(stranger.post(f"/files/{file_id}/copy"), 404, "not-found")
    assert_problem(owner.post(f"/files/{trashed}/copy"), 404, "not-found")
    theirs, gone = make_folder(stranger, "theirs"), make_folder(owner, "gone")
    owner.delete(f"/folders/{gone}")
    for folder_id in (theirs, gone, NOBODYS):
        copied = owner.post(f"/files/{file_id}/copy", {"folder_id": folder_id})
        assert_problem(copied, 404, "not-found")
    assert File.objects.count() == 2


def test_corrupt_bytes_are_not_copied(owner: Client) -> None:
    file_id = make_file_in(owner.user, None)
    FileVersion.objects.update(integrity="corrupt")
    assert_problem(owner.post(f"/files/{file_id}/copy"), 409, "corrupt")


def test_a_copy_does_not_exceed_the_quota(owner: Client) -> None:
    file_id = owner.upload(DATA)["fileId"]
    set_quota(user_id=owner.user.pk, quota_bytes=9)
    refused = owner.post(f"/files/{file_id}/copy")
    assert_problem(refused, 507, "quota-exceeded")
    assert (refused["used"], refused["needed"]) == (5, 5)
    set_quota(user_id=owner.user.pk, quota_bytes=10)
    copy(owner, file_id)
    assert owner.get("/me")["bytes_used"] == 10
    assert File.objects.count() == 2


@pytest.mark.usefixtures("bucket")
def test_a_copy_is_a_file_of_its_own_with_the_newest_bytes(owner: Client) -> None:
    folder, other = make_folder(owner, "a"), make_folder(owner, "b")
    file_id = owner.upload(b"old", folder_id=folder)["fileId"]
    owner.upload(DATA, file_id=file_id, content_type="text/csv")
    source = owner.get(f"/files/{file_id}").json
    Change.objects.all().delete()
    before = stored()
    made = owner.post(f"/files/{file_id}/copy")
    assert (made.status, made.json.keys()) == (201, FILE_MEMBERS)
    same = FILE_MEMBERS - {"id", "version", "created_at", "updated_at"}
    assert {name: made[name] for name in same} == {name: source[name] for name in same}
    assert (made["version"], made["created_at"] == made["updated_at"]) == (1, True)
    shown = owner.get(f"/files/{made['id']}").json
    assert {**made.json, "versions": shown["versions"]} == shown
    assert shown["versions"][0]["created_by"] == {"user": "owner"}
    for place, name in ((other, "b.txt"), (None, "c.txt")):
        placed = owner.post(f"/files/{file_id}/copy", {"name": name, "folder_id": place})
        assert (placed["name"], placed["folder_id"]) == (name, place)
        assert owner.read(placed["id"]) == DATA
    assert stored() == before
    rows = Change.objects.values_list("kind", "file_id", "version").order_by("seq")
    assert [(kind, version) for kind, _, version in rows] == [("file-created", 1)] * 3
    owner.upload(b"next", file_id=made["id"])
    assert (owner.read(made["id"]), owner.read(file_id)) == (b"next", DATA)


def test_what_a_check_finds_holds_for_all_copies(owner: Client) -> None:
    file_id = owner.upload(DATA)["fileId"]
    copied, moved_on = copy(owner, file_id), copy(owner, file_id)
    owner.upload(b"next", file_id=moved_on)
    version = FileVersion.objects.get(file__pk=copied)
    assert settle_integrity(version=version, integrity="corrupt")  # type: ignore[arg-type]
    for each in (file_id, copied):
        assert owner.get(f"/files/{each}")["integrity"] == "corrupt"
        assert_problem(owner.get(f"/files/{each}/download"), 409, "corrupt")
    assert owner.get(f"/files/{moved_on}")["integrity"] != "corrupt"
    assert owner.get(f"/files/{moved_on}/versions/1")["integrity"] == "corrupt"


@pytest.mark.usefixtures("bucket")
@pytest.mark.parametrize("first", ["source", "copy"])
def test_the_bytes_stay_until_the_last_of_source_and_copy_is_purged(
    owner: Client, first: str
) -> None:
    set_quota(user_id=owner.user.pk, quota_bytes=100)
    source = owner.upload(DATA)["fileId"]
    copied = copy(owner, source)
    gone, kept = (source, copied) if first == "source" else (copied, source)
    owner.delete(f"/files/{gone}?permanent=true")
    collect(after=LATER, every_day=True)
    assert File.objects.count() == 1
    assert owner.get("/me")["bytes_used"] == 5
    download = owner.get(f"/files/{kept}/download")["presigned_get_url"]
    assert fetch(download).content == DATA
    said: list[str] = []
    audit(run=Audit(now=timezone.now() + LATER, say=said.append))
    assert said == []
    again = copy(owner, kept)
    owner.delete(f"/files/{kept}?permanent=true")
    owner.delete(f"/files/{again}?permanent=true")
    collect(after=LATER)
    assert stored() == set()
    assert owner.get("/me")["bytes_used"] == 0
