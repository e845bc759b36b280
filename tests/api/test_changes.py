"""`GET /changes` and `GET /changes/latest`: every change, once, in the order of commits."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from files.models import Change
from files.models.changes import Entry
from files.services import changes
from files.services.changes import Kind
from tests.support.client import Client, assert_invalid, assert_problem, put, sha256
from tests.support.rows import make_file
from tests.support.shares import Shared, share

pytestmark = pytest.mark.usefixtures("store")

MEMBERS = {"seq", "at", "kind", "file_id", "folder_id", "version", "by"}


def feed(client: Client, after: int = 0) -> list[tuple[str, str, int | None]]:
    """Return kind, file and version of each change after a number; all are the client's own."""
    answer = client.get(f"/changes?after={after}&limit=1000")
    assert answer.status == 200, answer.json
    results = answer["results"]
    assert [each["seq"] for each in results] == list(range(after + 1, after + 1 + len(results)))
    return [(each["kind"], each["file_id"], each["version"]) for each in results]


def latest(client: Client) -> int:
    return int(client.get("/changes/latest")["next"])


def make_changes(client: Client, number: int) -> None:
    """Record so many changes, as if each were committed by itself."""
    entries = [Entry(Kind.FILE_RENAMED, file_id=make_file(client.user).pk)] * number
    with transaction.atomic():
        changes.record_many(user_id=client.user.pk, by=client.user, entries=entries)


def trim(client: Client, upto: int) -> None:
    Change.objects.filter(user=client.user, seq__lte=upto).delete()


def test_nobody_reads_changes(anonymous: Client, owner: Client) -> None:
    make_changes(owner, 1)
    for path in ("/changes", "/changes/latest"):
        assert_problem(anonymous.get(path), 401, "not-authenticated")


def test_another_person_sees_nothing_of_them(owner: Client, stranger: Client) -> None:
    make_changes(owner, 3)
    assert stranger.get("/changes").json == {"results": [], "next": 0, "has_more": False}
    assert latest(stranger) == 0
    assert_invalid(stranger.get("/changes?after=3"), "after")
    make_changes(stranger, 1)
    assert len(feed(stranger)) == 1
    assert (latest(stranger), latest(owner)) == (1, 3)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("after=-1", "after"),
        ("after=", "after"),
        ("after=x", "after"),
        ("after=1.0", "after"),
        ("after=%D9%A1", "after"),
        ("after=3", "after"),
        ("after=9223372036854775807", "after"),
        ("after=9223372036854775808", "after"),
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("limit=ten", "limit"),
        ("cursor=1", "cursor"),
        ("after=1&after=1", "after"),
    ],
)
def test_a_query_that_is_not_valid_is_refused_by_name(
    owner: Client, query: str, field: str
) -> None:
    make_changes(owner, 2)
    assert_invalid(owner.get(f"/changes?{query}"), field)
    assert_invalid(owner.get("/changes/latest?after=1"), "after")


def test_the_feed_is_read_in_parts(owner: Client) -> None:
    make_changes(owner, 5)
    found: list[int] = []
    cursor, more = 0, True
    while more:
        answer = owner.get(f"/changes?after={cursor}&limit=2")
        assert all(each.keys() == MEMBERS for each in answer["results"])
        found += [each["seq"] for each in answer["results"]]
        cursor, more = answer["next"], answer["has_more"]
        assert cursor == found[-1]
    assert found == [1, 2, 3, 4, 5]
    assert owner.get("/changes?after=5").json == {"results": [], "next": 5, "has_more": False}
    assert latest(owner) == 5
    assert owner.get("/changes?after=3&limit=2")["has_more"] is False


@pytest.mark.parametrize("trimmed", [1, 3])
def test_a_cursor_before_what_is_kept_has_expired_and_no_other(owner: Client, trimmed: int) -> None:
    make_changes(owner, 4)
    trim(owner, trimmed)
    for after in range(trimmed):
        assert_problem(owner.get(f"/changes?after={after}"), 410, "changes-expired")
    assert_problem(owner.get("/changes"), 410, "changes-expired")
    for after in range(trimmed, 5):
        assert len(feed(owner, after)) == 4 - after
    assert_invalid(owner.get("/changes?after=5"), "after")


@pytest.mark.parametrize("number", [1, 500])
def test_reading_the_feed_costs_one_query_beside_that_of_the_user(
    owner: Client, number: int
) -> None:
    make_changes(owner, number)
    for path in (f"/changes?after={number}", "/changes?after=0&limit=1000", "/changes/latest"):
        with CaptureQueriesContext(connection) as captured:
            assert owner.get(path).status == 200
        assert len(captured) == 2, captured.captured_queries


def test_each_change_of_a_file_is_an_entry(owner: Client) -> None:
    before = timezone.now()
    file_id = owner.upload(b"1")["fileId"]
    path = f"/files/{file_id}"
    owner.upload(b"2", file_id=file_id)
    steps: list[tuple[Callable[[], Any], str, int | None]] = [
        (lambda: owner.post(f"{path}/versions/1/restore"), "version-added", 3),
        (lambda: owner.patch(path, {"name": "b.txt"}), "file-renamed", None),
        (lambda: owner.delete(f"{path}/versions/1"), "version-purged", 1),
        (lambda: owner.delete(path), "file-trashed", None),
        (lambda: owner.post(f"{path}/restore"), "file-restored", None),
        (lambda: owner.delete(f"{path}?permanent=true"), "file-purged", None),
    ]
    for step, _, _ in steps:
        assert step().status in (200, 201, 204)
    expected: list[tuple[str, int | None]] = [("file-created", 1), ("version-added", 2)]
    expected += [(kind, version) for _, kind, version in steps]
    assert feed(owner) == [(kind, file_id, version) for kind, version in expected]
    for each in owner.get("/changes")["results"]:
        assert (each["folder_id"], each["by"]) == (None, {"user": owner.user.subject})
        assert before < datetime.fromisoformat(each["at"]) < timezone.now()


def test_each_file_of_a_trash_that_is_emptied_is_an_entry(owner: Client) -> None:
    ids = [str(make_file(owner.user).id) for _ in range(3)]
    make_file(owner.user)
    for file_id in ids:
        owner.delete(f"/files/{file_id}")
    assert owner.delete("/files?trashed=true").status == 204
    purged = feed(owner, after=3)
    assert sorted(purged) == [("file-purged", file_id, None) for file_id in sorted(ids)]


def test_each_change_of_a_share_is_an_entry_of_its_file(owner: Client, anonymous: Client) -> None:
    shared = share(owner, anonymous)
    owner.patch(f"/shares/{shared.id}", {"permission": "write"})
    assert shared.upload(b"through the share").status == 201
    owner.delete(f"/shares/{shared.id}")
    assert feed(owner) == [
        ("file-created", shared.file_id, 1),
        ("share-created", shared.file_id, None),
        ("share-changed", shared.file_id, None),
        ("version-added", shared.file_id, 2),
        ("share-revoked", shared.file_id, None),
    ]
    makers = [each["by"] for each in owner.get("/changes")["results"]]
    own = {"user": owner.user.subject}
    assert makers == [own, own, own, {"share": shared.id}, own]


def test_a_batch_records_each_commit_once(owner: Client) -> None:
    known = owner.upload(b"known")
    new, repeated = owner.put(b"new")["key"], owner.put(b"repeated")["key"]
    next_version = owner.put(b"next", file_id=known["fileId"])["key"]
    commits = [
        {"key": key, "size": len(data), "checksum": sha256(data)}
        for key, data in [
            (known["key"], b"known"),
            (new, b"new"),
            (repeated, b"repeated"),
            (repeated, b"repeated"),
            (next_version, b"next"),
            (new, b"NEW"),
        ]
    ]
    for _ in range(2):
        results = owner.post("/files/commit/batch", {"commits": commits})["results"]
        ids = [each.get("fileId") for each in results]
        assert ids[2] == ids[3]
        assert ids[5] is None
        assert feed(owner, after=1) == [
            ("file-created", ids[1], 1),
            ("file-created", ids[2], 1),
            ("version-added", known["fileId"], 2),
        ]


def test_what_changes_nothing_is_no_entry(
    owner: Client, stranger: Client, anonymous: Client
) -> None:
    shared: Shared = share(owner, anonymous, permission="write")
    path = f"/files/{shared.file_id}"
    owner.upload(b"2", file_id=shared.file_id)
    committed = owner.put(b"3", file_id=shared.file_id, base_version=2)
    assert owner.commit(committed["key"], b"3").status == 201
    assert owner.delete(f"{path}/versions/1").status == 204
    revoked = share(owner, anonymous, file_id=shared.file_id)
    assert owner.delete(f"/shares/{revoked.id}").status == 204
    stale = owner.put(b"4", file_id=shared.file_id, base_version=2)
    trashed = make_file(owner.user).id
    owner.delete(f"/files/{trashed}")
    before = feed(owner)
    name = owner.get(path)["name"]
    updated_at = owner.get(path)["updated_at"]
    calls = [
        owner.commit(committed["key"], b"3"),
        owner.commit(committed["key"], b"?"),
        owner.commit(stale["key"], b"4"),
        owner.patch(path, {"name": name}),
        owner.post(f"{path}/restore"),
        owner.delete(f"{path}/versions/1"),
        owner.post(f"{path}/versions/1/restore"),
        owner.delete(f"{path}/versions/3"),
        owner.delete(f"/files/{trashed}"),
        owner.patch(f"/shares/{shared.id}", {"permission": "write"}),
        owner.delete(f"/shares/{revoked.id}"),
        owner.patch(f"/shares/{revoked.id}", {"permission": "write"}),
        stranger.delete(path),
        stranger.delete("/files?trashed=true"),
        owner.init(b"begun"),
        owner.get(f"{path}/download"),
        shared.download(),
    ]
    statuses = [200, 409, 412, 200, 200, 204, 410, 409, 404, 200, 204, 410, 404, 204, 201, 200, 200]
    assert [answer.status for answer in calls] == statuses
    assert (feed(owner), feed(stranger)) == (before, [])
    assert owner.get(path)["updated_at"] == updated_at


def test_changing_the_password_of_a_share_is_a_change(owner: Client, anonymous: Client) -> None:
    shared = share(owner, anonymous, password="same")
    for _ in range(2):
        owner.patch(f"/shares/{shared.id}", {"password": "same"})
    assert [kind for kind, _, _ in feed(owner, after=2)] == ["share-changed"] * 2


def test_a_put_is_no_change_before_it_is_committed(owner: Client) -> None:
    begun = owner.init(b"1")
    put(begun["presigned_put_url"], b"1", begun["headers"])
    owner.delete(f"/uploads/{begun['upload_id']}")
    assert feed(owner) == []
