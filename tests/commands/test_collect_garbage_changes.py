"""The collector and the feed of changes: what it trims, and what it records."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db.models import F
from pytest_django.fixtures import Settings

from files.models import Change, User
from tests.support.client import Client, assert_problem
from tests.support.garbage import collect
from tests.support.rows import make_file

pytest_plugins = ["tests.support.garbage_fixtures"]
pytestmark = [pytest.mark.usefixtures("bucket"), pytest.mark.django_db]

DAY = timedelta(days=1)


def make_changes(user: User, *ages: int) -> None:
    """Add a change for each age (days) to the user's feed."""
    file_id = make_file(user).pk
    for days in ages:
        User.objects.filter(pk=user.pk).update(change_seq=F("change_seq") + 1)
        seq = User.objects.get(pk=user.pk).change_seq
        change = Change.objects.create(user=user, seq=seq, kind="file-renamed", file_id=file_id)
        Change.objects.filter(pk=change.pk).update(at=change.at - days * DAY)


def numbers(user: User) -> list[int]:
    return list(Change.objects.visible_to(user).order_by("seq").values_list("seq", flat=True))


def trim(**options: object) -> int:
    return collect(**options)[0]["changes_trimmed"]  # type: ignore[arg-type]


def test_changes_are_trimmed_after_their_days(
    owner: Client, stranger: Client, settings: Settings
) -> None:
    settings.CHANGES_DAYS = 7
    make_changes(owner.user, 9, 8, 6, 0)
    make_changes(stranger.user, 1)
    assert trim(dry_run=True) == 2
    assert numbers(owner.user) == [1, 2, 3, 4]
    assert trim() == 2
    assert (numbers(owner.user), numbers(stranger.user)) == ([3, 4], [1])
    assert trim() == 0
    for path in ("/changes", "/changes?after=0", "/changes?after=1"):
        assert_problem(owner.get(path), 410, "changes-expired")
    assert [each["seq"] for each in owner.get("/changes?after=2")["results"]] == [3, 4]


def test_only_a_beginning_is_trimmed_where_a_clock_was_behind(owner: Client) -> None:
    make_changes(owner.user, 40, 2, 40, 1)
    assert trim() == 1
    assert numbers(owner.user) == [2, 3, 4]


def test_the_newest_change_stays_so_that_an_expired_cursor_is_known(
    owner: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("files.services.retention._CHANGES_AT_ONCE", 2)
    make_changes(owner.user, *[40] * 6)
    assert trim(after=100 * DAY, dry_run=True) == 5
    assert trim(after=100 * DAY) == 5
    assert numbers(owner.user) == [6]
    assert trim(after=200 * DAY) == 0
    assert_problem(owner.get("/changes?after=4"), 410, "changes-expired")
    assert owner.get("/changes?after=6").json == {"results": [], "next": 6, "has_more": False}
    make_changes(owner.user, 0)
    assert trim() == 1
    assert [each["seq"] for each in owner.get("/changes?after=6")["results"]] == [7]


def test_what_retention_purges_is_recorded_for_each_owner(
    owner: Client, stranger: Client, settings: Settings
) -> None:
    settings.KEEP_VERSIONS = 1
    trashed = [str(make_file(owner.user).pk) for _ in range(2)]
    for file_id in trashed:
        owner.delete(f"/files/{file_id}")
    versions = str(make_file(stranger.user, versions=3).pk)
    collect(after=31 * DAY)
    purged = owner.get("/changes?after=2")["results"]
    assert [(each["kind"], each["by"]) for each in purged] == [("file-purged", None)] * 2
    assert sorted(each["file_id"] for each in purged) == sorted(trashed)
    results = stranger.get("/changes")["results"]
    assert [(each["kind"], each["file_id"], each["version"]) for each in results] == [
        ("version-purged", versions, 1),
        ("version-purged", versions, 2),
    ]
