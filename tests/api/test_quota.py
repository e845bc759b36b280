"""A quota: what is reserved, used, refused and given back."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django.fixtures import Settings

from files.models import FileVersion, Upload, User
from files.services import quotas
from tests.support.client import Answer, Client, assert_problem, put, sha256
from tests.support.rows import make_file
from tests.support.shares import events, share
from tests.support.tcp_proxy import TcpProxy

pytestmark = pytest.mark.usefixtures("store")


def give(client: Client, quota: int | None) -> None:
    quotas.set_quota(user_id=client.user.pk, quota_bytes=quota)


def counters(client: Client) -> tuple[int | None, int | None]:
    """Return the bytes used and reserved, after holding them against the rows."""
    user = User.objects.get(pk=client.user.pk)
    if user.bytes_used is not None:
        versions = FileVersion.objects.filter(file__user=user, collected_at=None)
        uploads = Upload.objects.filter(user=user, reserved=True, collected_at=None)
        to_come = uploads.exclude(state="committed")
        assert user.bytes_used == sum(version.size for version in versions)
        assert user.bytes_reserved == sum(upload.size for upload in to_come)
    return user.bytes_used, user.bytes_reserved


def assert_exceeded(answer: Answer, **members: int) -> None:
    assert_problem(answer, 507, "quota-exceeded")
    assert {name: answer[name] for name in members} == members


def test_an_upload_that_does_not_fit_is_refused_with_the_numbers(owner: Client) -> None:
    give(owner, 10)
    assert owner.init(size=10).status == 201
    assert counters(owner) == (0, 10)
    assert_exceeded(owner.init(size=1), quota=10, used=0, reserved=10, needed=1)
    assert counters(owner) == (0, 10)
    assert Upload.objects.count() == 1


def test_a_quota_of_nothing_takes_empty_files_only(owner: Client) -> None:
    give(owner, 0)
    assert owner.init(size=0).status == 201
    assert_exceeded(owner.init(size=1), quota=0, used=0, reserved=0, needed=1)


def test_the_quota_of_all_holds_for_whoever_has_none_of_their_own(
    owner: Client, stranger: Client, settings: Settings
) -> None:
    settings.DEFAULT_QUOTA = 5
    give(stranger, 6)
    assert_exceeded(owner.init(size=6), quota=5, used=0, reserved=0, needed=6)
    assert stranger.init(size=6).status == 201
    assert owner.init(size=5).status == 201


def test_a_commit_turns_reserved_bytes_into_used_ones(owner: Client) -> None:
    give(owner, 10)
    committed = owner.upload(b"12345")
    assert counters(owner) == (5, 0)
    begun = owner.put(b"1234", file_id=committed["fileId"])
    assert counters(owner) == (5, 4)
    assert_exceeded(owner.init(size=2), quota=10, used=5, reserved=4, needed=2)
    assert owner.commit(begun["key"], b"1234").status == 201
    assert owner.commit(begun["key"], b"1234").status == 200
    assert counters(owner) == (9, 0)


def test_a_commit_that_fails_keeps_the_bytes_reserved(owner: Client) -> None:
    give(owner, 10)
    begun = owner.init(b"12345")
    assert_problem(owner.commit(begun["key"], b"12345"), 409, "object-missing")
    assert counters(owner) == (0, 5)


def test_neither_abort_nor_purge_nor_expiry_makes_room(owner: Client) -> None:
    give(owner, 15)
    file_id = owner.upload(b"12345")["fileId"]
    owner.delete(f"/uploads/{owner.init(size=5)['upload_id']}")
    owner.init(size=5)
    Upload.objects.filter(state="pending").update(commit_by=timezone.now() - timedelta(days=1))
    owner.delete(f"/files/{file_id}?permanent=true")
    assert counters(owner) == (5, 10)
    assert_exceeded(owner.init(size=1), quota=15, used=5, reserved=10, needed=1)


def test_what_is_collected_makes_room(owner: Client) -> None:
    give(owner, 10)
    file_id = owner.upload(b"12345")["fileId"]
    owner.delete(f"/uploads/{owner.init(size=5)['upload_id']}")
    owner.delete(f"/files/{file_id}?permanent=true")
    with transaction.atomic():
        now = timezone.now()
        FileVersion.objects.update(collected_at=now)
        Upload.objects.filter(state="aborted").update(collected_at=now)
        quotas.release(user_id=owner.user.pk, used=5, reserved=5)
    assert counters(owner) == (0, 0)
    assert owner.init(size=10).status == 201


def test_where_nothing_is_counted_nothing_is_given_back(owner: Client) -> None:
    quotas.release(user_id=owner.user.pk, used=5, reserved=5)
    assert counters(owner) == (None, None)


def test_an_upload_through_a_share_counts_for_the_owner_and_says_nothing_of_it(
    owner: Client, anonymous: Client
) -> None:
    shared = share(owner, anonymous, b"12345", permission="write")
    give(owner, 10)
    begun = shared.init(b"1234")
    assert counters(owner) == (5, 4)
    refused = shared.init(b"12")
    assert_exceeded(refused, needed=2)
    assert not {"quota", "used", "reserved"} & refused.json.keys()
    assert events(owner, shared)[-1] == ("refused", "quota-exceeded")
    assert put(begun["presigned_put_url"], b"1234").status_code == 200
    assert shared.commit(begun["key"], b"1234").status == 201
    assert counters(owner) == (9, 0)


def test_of_a_batch_what_fits_is_begun(owner: Client) -> None:
    give(owner, 10)
    sizes = [6, 5, 4, 1, 0]
    uploads = [{"filename": "a", "size": size} for size in sizes]
    results = owner.post("/files/init-upload/batch", {"uploads": uploads})["results"]
    assert [result.get("code", "begun") for result in results] == [
        *("begun", "quota-exceeded", "begun", "quota-exceeded", "begun")
    ]
    assert {name: results[1][name] for name in ("used", "reserved", "needed", "status")} == {
        "used": 0,
        "reserved": 6,
        "needed": 5,
        "status": 507,
    }
    assert counters(owner) == (0, 10)
    assert Upload.objects.count() == 3


def test_a_batch_of_commits_turns_reserved_bytes_into_used_ones(owner: Client) -> None:
    file_id = str(make_file(owner.user).id)
    early = owner.put(b"early")
    give(owner, 100)
    begun = [owner.put(b"one"), owner.put(b"next", file_id=file_id), early]
    commits = [
        {"key": each["key"], "checksum": sha256(data), "size": len(data)}
        for each, data in zip(begun, (b"one", b"next", b"early"), strict=True)
    ]
    for _ in range(2):
        results = owner.post("/files/commit/batch", {"commits": commits})["results"]
        assert all("fileId" in result for result in results)
        assert counters(owner) == (1 + 3 + 4 + 5, 0)


@pytest.mark.parametrize("batch", [False, True])
def test_a_multipart_upload_that_does_not_fit_is_aborted_in_the_store(
    owner: Client, store_proxy: TcpProxy, batch: bool
) -> None:
    give(owner, 10)
    body = {"filename": "a", "size": 40 << 20, "multipart": True}
    requests = store_proxy.requests
    if batch:
        answer = owner.post("/files/init-upload/batch", {"uploads": [body]})
        assert answer["results"][0]["code"] == "quota-exceeded"
    else:
        assert_problem(owner.post("/files/init-upload", body), 507, "quota-exceeded")
    assert store_proxy.requests - requests == 2


def test_the_same_idempotency_key_reserves_once(owner: Client) -> None:
    give(owner, 10)
    headers = {"Idempotency-Key": "same"}
    body = {"filename": "a", "size": 6}
    first, again = (owner.post("/files/init-upload", body, headers=headers) for _ in range(2))
    assert first["upload_id"] == again["upload_id"]
    assert counters(owner) == (0, 6)


def test_a_restored_version_counts_in_full(owner: Client) -> None:
    give(owner, 12)
    file_id = owner.upload(b"12345")["fileId"]
    path = f"/files/{file_id}/versions/1/restore"
    assert owner.post(path)["version"] == 2
    assert counters(owner) == (10, 0)
    assert_exceeded(owner.post(path), quota=12, used=10, reserved=0, needed=5)
    assert owner.get(f"/files/{file_id}")["version"] == 2
    assert counters(owner) == (10, 0)


# Counting


def used_before(client: Client) -> None:
    """Leave 3 + 6 bytes in versions, 5 pending and 7 aborted."""
    file_id = client.upload(b"one")["fileId"]
    client.upload(b"second", file_id=file_id)
    client.put(b"later")
    client.delete(f"/uploads/{client.init(size=7)['upload_id']}")


@pytest.mark.parametrize("how", ["init", "batch", "restore", "share"])
def test_what_was_there_before_is_counted_when_it_is_needed_first(
    owner: Client, anonymous: Client, how: str
) -> None:
    used_before(owner)
    file_id = owner.get("/files")["results"][0]["id"]
    shared = share(owner, anonymous, file_id=file_id, permission="write")
    User.objects.update(quota_bytes=22)
    assert counters(owner) == (None, None)
    too_large: Any = {"filename": "a", "size": 2}
    match how:
        case "init":
            answer = owner.init(size=2)
        case "batch":
            (result,) = owner.post("/files/init-upload/batch", {"uploads": [too_large]})["results"]
            assert result["code"] == "quota-exceeded"
        case "restore":
            answer = owner.post(f"/files/{file_id}/versions/1/restore")
        case "share":
            answer = shared.init(b"12")
    if how != "batch":
        assert_problem(answer, 507, "quota-exceeded")
    assert counters(owner) == (9, 12)
    assert owner.init(size=1).status == 201


def test_an_upload_from_before_the_quota_is_moved_by_its_commit(owner: Client) -> None:
    key = owner.put(b"later")["key"]
    give(owner, 100)
    assert counters(owner) == (0, 5)
    assert owner.commit(key, b"later").status == 201
    assert counters(owner) == (5, 0)


def test_an_upload_that_a_process_began_unaware_of_the_quota_is_used_by_its_commit(
    owner: Client,
) -> None:
    give(owner, 100)
    key = owner.put(b"later")["key"]
    # As if the process remembered the user without a quota.
    Upload.objects.update(reserved=False)
    User.objects.update(bytes_reserved=0)
    assert owner.commit(key, b"later").status == 201
    assert counters(owner) == (5, 0)


def test_a_process_that_remembers_a_quota_that_is_no_more_reserves_nothing(owner: Client) -> None:
    give(owner, 3)
    remembered = User.objects.get(pk=owner.user.pk)
    give(owner, None)
    with transaction.atomic():
        assert not quotas.reserve(remembered, 5)
        assert quotas.reserve_each(remembered, [5, 6]) == [False, False]
        quotas.use(remembered, 5)
    assert counters(owner) == (None, None)


def test_without_a_quota_nothing_is_counted(owner: Client) -> None:
    used_before(owner)
    assert counters(owner) == (None, None)
    assert not Upload.objects.filter(reserved=True).exists()


def test_a_quota_below_what_is_used_refuses_all_that_comes_next(owner: Client) -> None:
    used_before(owner)
    give(owner, 1)
    assert counters(owner) == (9, 12)
    assert_exceeded(owner.init(size=0), quota=1, used=9, reserved=12, needed=0)
    assert owner.commit(Upload.objects.get(state="pending").key, b"later").status == 201


def test_a_saved_form_does_not_set_the_counters_back(owner: Client) -> None:
    give(owner, 100)
    form = User.objects.get(pk=owner.user.pk)
    owner.init(size=5)
    form.email = "owner@example.org"
    form.save()
    assert User.objects.get(pk=owner.user.pk).email == "owner@example.org"
    assert counters(owner) == (0, 5)


def statements(captured: CaptureQueriesContext) -> list[str]:
    words = [query["sql"].split(None, 1)[0] for query in captured.captured_queries]
    return [word for word in words if word in ("SELECT", "INSERT", "UPDATE", "WITH")]


def test_a_quota_costs_init_upload_one_statement(owner: Client) -> None:
    give(owner, 100)
    owner.init(size=1)
    with CaptureQueriesContext(connection) as captured:
        assert owner.init(size=1).status == 201
    assert statements(captured) == ["SELECT", "UPDATE", "INSERT"]


def test_a_quota_costs_commit_no_round_trip_on_postgresql(owner: Client) -> None:
    give(owner, 100)
    key = owner.put(b"later")["key"]
    with CaptureQueriesContext(connection) as captured:
        assert owner.commit(key, b"later").status == 201
    one_by_one = ["INSERT"] * 2 + ["UPDATE"] * 2 + ["INSERT"]
    written = ["WITH"] if connection.vendor == "postgresql" else one_by_one
    assert statements(captured) == ["SELECT"] * 3 + written
