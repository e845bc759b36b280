"""What the collector deletes and when, rule by rule; the command is in test_collect_garbage_run."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django.fixtures import Settings

from files.models import File, FileVersion, Share, ShareEvent, SweptDay, Upload, WrongPasswords
from files.services import quotas
from tests.support.client import Answer, Client, put
from tests.support.garbage import LATER, collect, multipart_uploads, pinned, stored
from tests.support.object_store import make_s3
from tests.support.shares import share

pytest_plugins = ["tests.support.garbage_fixtures"]
pytestmark = [pytest.mark.usefixtures("bucket"), pytest.mark.django_db]

DAY = timedelta(days=1)
SOON = timedelta(hours=2)
"""When URLs, of 15 minutes, have expired by any clock, and the time to commit is not over."""


def put_again(begun: Answer, data: bytes) -> None:
    """PUT by a URL that is still valid: late, or a second time."""
    assert put(begun["presigned_put_url"], data, begun["headers"]).status_code == 200


def purge(owner: Client, file_id: str) -> None:
    assert owner.delete(f"/files/{file_id}?permanent=true").status == 204


# Uploads


def test_an_aborted_upload_is_collected_when_its_urls_have_expired(owner: Client) -> None:
    begun = owner.put(b"aborted")
    assert owner.delete(f"/uploads/{begun['upload_id']}").status == 204
    before = stored()
    assert len(before) == 1
    collect(after=timedelta(minutes=29))
    assert stored() == before
    counts, names = collect(after=timedelta(minutes=31))
    assert stored() == set()
    assert counts["uploads_collected"] == counts["objects_deleted"] == 1
    assert names == [" ".join(*before)]
    assert Upload.objects.get().collected_at is not None


def test_a_pending_upload_is_collected_when_the_time_to_commit_it_is_over(owner: Client) -> None:
    begun = owner.put(b"expired")
    put_again(begun, b"expired")
    collect(after=DAY + timedelta(minutes=29))
    assert (len(stored()), Upload.objects.get().state) == (2, "pending")
    counts, _ = collect(after=DAY + timedelta(minutes=31))
    assert (len(stored()), Upload.objects.get().state) == (0, "aborted")
    assert counts["objects_deleted"] == 2


def test_an_upload_of_before_the_column_waits_for_the_time_to_commit(owner: Client) -> None:
    begun = owner.put(b"old row")
    owner.delete(f"/uploads/{begun['upload_id']}")
    Upload.objects.update(urls_expire_at=None)
    collect(after=SOON)
    assert len(stored()) == 1
    collect(after=DAY + SOON)
    assert stored() == set()


def test_a_multipart_upload_is_aborted_with_its_upload(owner: Client) -> None:
    owner.init(b"", size=20 << 20, multipart=True)
    assert len(multipart_uploads()) == 1
    counts, names = collect(after=2 * DAY)
    assert multipart_uploads() == set()
    assert counts["multipart_uploads_aborted"] == len(names) == 1


def test_a_delete_marker_is_deleted_and_none_is_made(owner: Client, bucket: str) -> None:
    begun = owner.put(b"x")
    make_s3().delete_object(Bucket=bucket, Key=begun["key"])
    assert len(stored()) == 2
    collect(after=2 * DAY)
    assert stored() == set()


def test_a_committed_upload_is_left_alone(owner: Client) -> None:
    committed = owner.upload(b"kept")
    collect(after=LATER)
    assert stored() == pinned()
    assert owner.read(committed["fileId"]) == b"kept"


def test_rows_of_ended_uploads_go_after_the_history(owner: Client) -> None:
    owner.upload(b"committed")
    owner.put(b"expired")
    collect(after=2 * DAY)
    collect(after=29 * DAY)
    assert Upload.objects.count() == 2
    collect(after=31 * DAY)
    assert Upload.objects.get().state == "aborted"
    counts, _ = collect(after=33 * DAY)
    assert (counts["uploads_forgotten"], Upload.objects.count()) == (1, 0)
    assert stored() == pinned()


# Versions and files


def test_a_purged_version_is_collected_after_the_delay(owner: Client) -> None:
    first = owner.upload(b"first")
    owner.upload(b"second", file_id=first["fileId"])
    assert owner.delete(f"/files/{first['fileId']}/versions/1").status == 204
    collect(after=timedelta(hours=23))
    assert len(stored()) == 2
    counts, _ = collect(after=timedelta(hours=25))
    assert counts["versions_collected"] == counts["objects_deleted"] == 1
    assert stored() == pinned()
    assert FileVersion.objects.get(version=1).collected_at is not None
    assert owner.read(first["fileId"]) == b"second"


def test_a_purged_version_waits_for_the_last_url_of_its_key(
    owner: Client, settings: Settings
) -> None:
    settings.GC_DELAY, settings.PRESIGN_PUT_TTL = 0, 7200
    purge(owner, owner.upload(b"first")["fileId"])
    collect(after=timedelta(minutes=134))
    assert len(stored()) == 1
    collect(after=timedelta(minutes=136))
    assert stored() == set()


def test_the_pin_of_a_restored_version_is_kept(owner: Client) -> None:
    first = owner.upload(b"first")
    owner.upload(b"second", file_id=first["fileId"])
    assert owner.post(f"/files/{first['fileId']}/versions/1/restore").status == 201
    owner.delete(f"/files/{first['fileId']}/versions/1")
    counts, _ = collect(after=2 * DAY)
    assert (counts["versions_collected"], counts["objects_deleted"]) == (1, 0)
    assert stored() == pinned()
    assert owner.read(first["fileId"]) == b"first"


def test_a_pin_is_kept_while_another_purge_of_it_is_recent(owner: Client) -> None:
    first = owner.upload(b"first")
    owner.upload(b"second", file_id=first["fileId"])
    owner.post(f"/files/{first['fileId']}/versions/1/restore")
    owner.delete(f"/files/{first['fileId']}/versions/1")
    purge(owner, first["fileId"])
    FileVersion.objects.filter(version=1).update(purged_at=timezone.now() - 2 * DAY)
    counts, _ = collect(after=SOON)
    assert (counts["versions_collected"], counts["objects_deleted"]) == (1, 0)
    collect(after=2 * DAY)
    assert stored() == set()


def test_all_rows_of_a_purged_file_go_with_its_bytes(owner: Client, anonymous: Client) -> None:
    file_id = owner.upload(b"first")["fileId"]
    owner.upload(b"second", file_id=file_id)
    shared = share(owner, anonymous, file_id=file_id, permission="write", password="right")
    assert shared.upload(b"third", "right").status == 201
    assert shared.download("wrong").status == 401
    assert WrongPasswords.objects.exists()
    shared.init(b"pending", "right")
    owner.init(b"pending", file_id=file_id)
    purge(owner, file_id)
    kept = owner.upload(b"another file")
    counts, _ = collect(after=timedelta(hours=25))
    assert counts["files_removed"] == 1
    assert [str(file.pk) for file in File.objects.all()] == [kept["fileId"]]
    assert FileVersion.objects.count() == Upload.objects.count() == 1
    for model in (Share, ShareEvent, WrongPasswords):
        assert not model.objects.exists()
    assert stored() == pinned()


def test_a_purged_file_stays_while_an_upload_of_it_has_not_ended(owner: Client) -> None:
    file_id = owner.upload(b"first")["fileId"]
    owner.put(b"second", file_id=file_id)
    purge(owner, file_id)
    # As when it began at the very moment of the purge.
    Upload.objects.filter(file_version=None).update(
        state="pending", commit_by=timezone.now() + 3 * DAY
    )
    collect(after=2 * DAY)
    assert (File.objects.count(), len(stored())) == (1, 1)
    collect(after=4 * DAY)
    assert (File.objects.count(), Upload.objects.count(), stored()) == (0, 0, set())


# Retention


def test_files_are_purged_after_their_days_in_the_trash(owner: Client, settings: Settings) -> None:
    settings.TRASH_DAYS = 3
    trashed, present = owner.upload(b"trashed"), owner.upload(b"present")
    begun = owner.put(b"next", file_id=trashed["fileId"])
    assert owner.delete(f"/files/{trashed['fileId']}").status == 204
    collect(after=2 * DAY)
    assert not File.objects.filter(purged_at__isnull=False).exists()
    now = timezone.now() + 3 * DAY + SOON
    counts, _ = collect(now=now)
    assert counts["files_purged"] == 1
    assert File.objects.get(pk=trashed["fileId"]).purged_at == now
    assert Upload.objects.get(key=begun["key"]).state == "aborted"
    collect(after=5 * DAY)
    assert [str(file.pk) for file in File.objects.all()] == [present["fileId"]]
    assert stored() == pinned()


def test_without_trash_days_the_trash_is_kept(owner: Client, settings: Settings) -> None:
    settings.TRASH_DAYS = 0
    owner.delete(f"/files/{owner.upload(b'trashed')['fileId']}")
    collect(after=1000 * DAY)
    assert stored() == pinned() != set()


def test_versions_beyond_the_newest_ones_are_purged(owner: Client, settings: Settings) -> None:
    settings.KEEP_VERSIONS = 2
    file_id = owner.upload(b"1")["fileId"]
    for data in (b"2", b"3", b"4"):
        owner.upload(data, file_id=file_id)
    counts, _ = collect()
    assert counts["versions_purged"] == 2
    live = FileVersion.objects.live().order_by("version")
    assert list(live.values_list("version", flat=True)) == [3, 4]
    assert collect()[0]["versions_purged"] == 0
    collect(after=2 * DAY)
    assert stored() == pinned()
    assert owner.read(file_id, 3) == b"3"


# The sweep


def test_the_sweep_finds_late_puts_when_no_url_can_be_valid(owner: Client) -> None:
    begun = owner.put(b"kept")
    owner.commit(begun["key"], b"kept")
    put_again(begun, b"kept")
    aborted = owner.put(b"aborted")
    owner.delete(f"/uploads/{aborted['upload_id']}")
    collect(after=2 * DAY)
    put_again(aborted, b"aborted")
    assert len(stored()) == 3
    collect(after=8 * DAY)
    assert len(stored()) == 3
    counts, _ = collect(after=10 * DAY)
    assert (counts["days_swept"], counts["objects_deleted"]) == (1, 2)
    assert stored() == pinned()
    assert SweptDay.objects.count() == 1


def test_a_late_put_onto_a_purged_key_is_swept(owner: Client) -> None:
    owner.upload(b"another of that day")
    begun = owner.put(b"purged")
    purge(owner, owner.commit(begun["key"], b"purged")["fileId"])
    collect(after=2 * DAY)
    assert not Upload.objects.filter(key=begun["key"]).exists()
    put_again(begun, b"purged")
    collect(after=10 * DAY)
    assert stored() == pinned() != set()


def test_a_day_is_swept_once_a_day_until_a_week_is_over(owner: Client) -> None:
    begun = owner.put(b"kept")
    owner.commit(begun["key"], b"kept")
    collect(after=10 * DAY)
    put_again(begun, b"kept")
    collect(after=10 * DAY)
    assert len(stored()) == 2
    collect(after=11 * DAY)
    assert len(stored()) == 1
    put_again(begun, b"kept")
    collect(after=20 * DAY)
    assert stored() == pinned()
    put_again(begun, b"kept")
    collect(after=22 * DAY)
    assert len(stored()) == 2
    collect(after=22 * DAY, every_day=True)
    assert stored() == pinned()


def test_a_day_is_swept_until_its_last_upload_is_settled(owner: Client) -> None:
    begun = owner.put(b"renewed for weeks")
    Upload.objects.update(
        commit_by=timezone.now() + 30 * DAY, urls_expire_at=timezone.now() + 29 * DAY
    )
    for day in (10, 20, 28):
        collect(after=day * DAY)
    owner.commit(begun["key"], b"renewed for weeks")
    put_again(begun, b"renewed for weeks")
    collect(after=35 * DAY)
    assert stored() == pinned()


def test_a_day_whose_rows_are_all_gone_is_swept(owner: Client) -> None:
    begun = owner.put(b"the only one")
    purge(owner, owner.commit(begun["key"], b"the only one")["fileId"])
    collect(after=3 * DAY)
    assert (stored(), File.objects.count()) == (set(), 0)
    put_again(begun, b"the only one")
    collect(after=10 * DAY)
    assert stored() == set()


def test_the_sweep_leaves_what_an_upload_may_still_commit(owner: Client) -> None:
    begun = owner.put(b"renewed for weeks")
    Upload.objects.update(commit_by=timezone.now() + 12 * DAY)
    collect(after=11 * DAY)
    assert len(stored()) == 1
    assert owner.commit(begun["key"], b"renewed for weeks").status == 201


def test_keys_of_nobody_and_their_multipart_uploads_are_swept(owner: Client, bucket: str) -> None:
    owner.init(b"known of that day")
    today = f"{timezone.now():%Y/%m/%d}"
    s3 = make_s3()
    s3.put_object(Bucket=bucket, Key=f"uploads/{today}/nobody", Body=b"x")
    s3.create_multipart_upload(Bucket=bucket, Key=f"uploads/{today}/nobody-in-parts")
    s3.put_object(Bucket=bucket, Key="uploads/2020/1/1/no-day", Body=b"x")
    s3.put_object(Bucket=bucket, Key="uploads/2020/02/31/no-day", Body=b"x")
    collect(after=8 * DAY)
    assert (len(stored()), len(multipart_uploads())) == (3, 1)
    collect(after=10 * DAY)
    assert {key for key, _ in stored()} == {"uploads/2020/1/1/no-day", "uploads/2020/02/31/no-day"}
    assert multipart_uploads() == set()


def test_a_day_of_which_the_database_has_no_row_is_swept_with_all_only(bucket: str) -> None:
    make_s3().put_object(Bucket=bucket, Key=f"uploads/{timezone.now():%Y/%m/%d}/a", Body=b"x")
    counts, _ = collect(after=LATER)
    assert (counts["days_unknown"], counts["days_swept"], len(stored())) == (1, 0, 1)
    counts, _ = collect(after=LATER, every_day=True)
    assert (counts["days_unknown"], counts["days_swept"], len(stored())) == (0, 1, 0)


# Quota


def test_quota_is_released_when_the_bytes_are_gone_and_not_before(
    owner: Client, settings: Settings
) -> None:
    settings.DEFAULT_QUOTA = 10_000
    file_id = owner.upload(bytes(1000))["fileId"]
    owner.upload(bytes(200), file_id=file_id)
    owner.post(f"/files/{file_id}/versions/1/restore")
    begun = owner.put(bytes(30))
    owner.put(bytes(4))
    owner.delete(f"/uploads/{begun['upload_id']}")
    purge(owner, file_id)

    def usage() -> tuple[int, int]:
        found = quotas.usage(user=owner.user)
        return found.bytes_used, found.bytes_reserved

    collect(after=timedelta(minutes=29))
    assert usage() == (2200, 34)
    collect(after=SOON)
    assert usage() == (2200, 4)
    collect(after=DAY + SOON)
    assert usage() == (0, 0)
    quotas.set_quota(user_id=owner.user.pk, quota_bytes=10_000)
    assert usage() == (0, 0)
