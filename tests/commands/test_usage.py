"""`manage.py usage`: what each user has, the most bytes first."""

from __future__ import annotations

import json
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django.fixtures import Settings

from files.models import File, FileVersion, User
from tests.support.rows import make_file

pytestmark = pytest.mark.django_db


def usage(*arguments: str) -> str:
    output = StringIO()
    call_command("usage", *arguments, stdout=output)
    return output.getvalue()


@pytest.fixture
def people() -> dict[str, User]:
    """Users with one file of three versions (6 bytes), two of one (2 bytes), and nothing."""
    people = {name: User.objects.create_user(name) for name in ("owner", "grantee", "stranger")}
    make_file(people["owner"], versions=3)
    make_file(people["grantee"])
    make_file(people["grantee"])
    return people


def test_users_are_shown_by_their_bytes_and_summed_up(
    people: dict[str, User], settings: Settings
) -> None:
    settings.DEFAULT_QUOTA = 2048
    User.objects.filter(username="grantee").update(quota_bytes=1 << 40)
    lines = usage().splitlines()
    assert [line.split() for line in lines] == [
        ["files", "versions", "bytes", "quota", "subject"],
        ["1", "3", "6", "bytes", "2.0", "KiB", "owner"],
        ["2", "2", "2", "bytes", "1.0", "TiB", "grantee"],
        ["0", "0", "0", "bytes", "2.0", "KiB", "stranger"],
        ["3", "5", "8", "bytes", "3", "users"],
    ]
    only = usage("--limit=1").splitlines()
    assert only == [lines[0], lines[1], lines[-1]]


def test_json_has_bytes_and_the_totals_of_all(people: dict[str, User]) -> None:
    shown: dict[str, Any] = json.loads(usage("--json", "--limit=2"))
    assert shown["users"][0] == {
        "subject": "owner",
        "files": 1,
        "versions": 3,
        "bytes": 6,
        "quota_bytes": None,
    }
    assert [user["subject"] for user in shown["users"]] == ["owner", "grantee"]
    assert shown["total"] == {"users": 3, "files": 3, "versions": 5, "bytes": 8}
    assert json.loads(usage("--json", "--limit=1"))["total"] == shown["total"]


def test_bytes_count_until_they_are_collected_and_files_until_they_are_purged(
    people: dict[str, User],
) -> None:
    now = timezone.now()
    File.objects.filter(user=people["grantee"]).update(deleted_at=now)
    File.objects.filter(user=people["owner"]).update(deleted_at=now, purged_at=now)
    versions = FileVersion.objects.filter(file__user=people["owner"])
    versions.update(purged_at=now)
    versions.filter(version=3).update(collected_at=now)
    owner, grantee, _ = json.loads(usage("--json"))["users"]
    assert (owner["files"], owner["versions"], owner["bytes"]) == (0, 2, 3)
    assert (grantee["files"], grantee["versions"], grantee["bytes"]) == (2, 2, 2)


def test_all_users_are_one_query(people: dict[str, User]) -> None:
    with CaptureQueriesContext(connection) as captured:
        usage()
    assert len([query for query in captured if "file_versions" in query["sql"]]) == 1


def test_a_subject_is_one_line_whatever_is_in_it(people: dict[str, User]) -> None:
    User.objects.filter(username="owner").update(subject="a\n\x1b[31mb")
    lines = usage().splitlines()
    assert len(lines) == 5
    assert lines[1].endswith(r"'a\n\x1b[31mb'")


@pytest.mark.parametrize("limit", ["0", "-1", "x", "１"])
def test_a_limit_is_a_whole_number_from_one(limit: str) -> None:
    with pytest.raises(CommandError):
        usage("--limit", limit)
