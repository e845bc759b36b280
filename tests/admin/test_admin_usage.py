"""The figures on the admin's first page: what they say, and to whom."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission
from django.db import OperationalError, connection
from django.test import Client as Browser
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from files.models import File, FileVersion, Upload, User
from files.services import usage
from remotedrive.database.limits import time_limit
from tests.support.admin import Rows, html, root, rows
from tests.support.rows import make_file

__all__ = ["root", "rows"]

INDEX = "/admin/"
TITLES = {
    "uploads": "Uploads by state",
    "days": "Committed, by day",
    "owners": "Biggest owners",
    "integrity": "Versions to be checked, or corrupt",
    "waiting": "Waiting to be collected",
}


@pytest.fixture(autouse=True)
def nothing_remembered() -> Iterator[None]:
    usage._figures._known.clear()
    yield
    usage._figures._known.clear()


def tables(page: str) -> dict[str, list[tuple[str, str]]]:
    """Return the rows of each figure's table, as (label, value), by the figure's name."""
    sections = re.findall(r'<section class="module usage-(\w+)"(.*?)</section>', page, re.DOTALL)
    row = r'<th scope="row">(.*?)</th><td>(.*?)</td>'
    return {name: re.findall(row, section) for name, section in sections}


def staff(name: str, *permissions: str) -> Browser:
    user = User.objects.create_user(name, is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    browser = Browser()
    browser.force_login(user)
    return browser


def test_a_superuser_sees_every_figure_as_picture_and_as_text(rows: Rows, root: Browser) -> None:
    now = timezone.now()
    common = {"user": rows.person, "filename": "a", "content_type": "text/plain", "size": 1000}
    for number, (state, late) in enumerate(
        [("pending", 1), ("pending", -1), ("aborted", 1), ("aborted", 1)]
    ):
        Upload.objects.create(
            key=f"k{number}", state=state, commit_by=now + timedelta(hours=late), **common
        )
    other = make_file(rows.person, versions=2)
    FileVersion.objects.filter(file=other, version=1).update(
        created_at=now - timedelta(days=29), purged_at=now
    )
    FileVersion.objects.filter(file=rows.file).update(integrity="corrupt")
    old = make_file(rows.person)
    FileVersion.objects.filter(file=old).update(
        created_at=now - timedelta(days=30), purged_at=now, collected_at=now
    )
    page = html(root, INDEX)
    shown = tables(page)
    assert shown["uploads"] == [
        *(("pending", "1"), ("committed", "1"), ("aborted", "2"), ("expired", "1"))
    ]
    days = dict(shown["days"])
    assert len(days) == 30
    today = now.date().isoformat()
    assert list(days)[-1] == today
    assert days.pop(today) == "2 versions, 3 bytes"
    assert days.pop((now - timedelta(days=29)).date().isoformat()) == "1 versions, 1 bytes"
    assert set(days.values()) == {"0 versions, 0 bytes"}
    assert shown["owners"] == [("person", "3 versions, 4 bytes")]
    assert shown["integrity"] == [
        ("declared", "2 versions, 3 bytes"),
        ("corrupt", "1 versions, 1 bytes"),
    ]
    assert shown["waiting"] == [
        ("purged versions", "1 versions, 1 bytes"),
        ("ended uploads", "3 uploads, 2.9 KiB"),
    ]
    assert page.count('<rect class="bar"') == 4 + 30 + 1 + 2 + 2
    assert 'width="50.0"' in page, "a pending upload beside two aborted ones"
    drawn = re.findall(r"<section class=.module usage-.*?</section>", page, re.DOTALL)
    assert len(drawn) == len(TITLES)
    assert not re.search(r"<script|\sstyle=|\son\w+=", "".join(drawn))
    assert all(title in part for title, part in zip(TITLES.values(), drawn, strict=True))


def test_staff_see_figures_only_of_tables_that_they_may_view(rows: Rows) -> None:
    for permissions, names in {
        (): set(),
        ("view_file", "view_user", "change_share"): set(),
        ("view_upload",): {"uploads", "waiting"},
        ("view_fileversion",): {"days", "owners", "integrity", "waiting"},
    }.items():
        browser = staff("-".join(permissions) or "none", *permissions)
        with CaptureQueriesContext(connection) as captured:
            shown = tables(html(browser, INDEX))
        assert shown.keys() == names
        read = {"view_upload": "uploads", "view_fileversion": "file_versions"}
        for permission, table in read.items():
            if permission not in permissions:
                assert not [q for q in captured if f'"{table}"' in q["sql"]]
    assert [label for label, _ in shown["waiting"]] == ["purged versions"]


def test_subjects_of_owners_are_for_those_who_may_view_users(rows: Rows, root: Browser) -> None:
    User.objects.filter(pk=rows.person.pk).update(subject="<b>&person</b>")
    make_file(User.objects.get(username="root"), versions=3)
    versions, both = staff("one", "view_fileversion"), staff("two", "view_fileversion", "view_user")
    labels = {
        name: [label for label, _ in tables(html(browser, INDEX))["owners"]]
        for name, browser in {"versions": versions, "both": both, "root": root}.items()
    }
    escaped = "&lt;b&gt;&amp;person&lt;/b&gt;"
    assert labels == {
        "versions": ["no. 1", "no. 2"],
        "both": ["no. 1", escaped],
        "root": ["root", escaped],
    }


def test_the_figures_of_a_minute_are_computed_once(rows: Rows, root: Browser) -> None:
    first = html(root, INDEX)
    make_file(rows.person)
    with CaptureQueriesContext(connection) as captured:
        assert tables(html(root, INDEX)) == tables(first)
    assert not [query for query in captured if '"file_versions"' in query["sql"]]


def test_a_service_without_files_has_figures_of_nothing(root: Browser) -> None:
    shown = tables(html(root, INDEX))
    assert shown.keys() == TITLES.keys()
    assert shown["owners"] == []
    assert {value for _, value in shown["days"]} == {"0 versions, 0 bytes"}


def test_when_the_time_of_a_page_is_over_no_more_is_asked_until_the_next(
    rows: Rows, root: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as changed, CaptureQueriesContext(connection) as captured:
        changed.setattr(usage, "PAGE_SECONDS", 0.0)
        page = html(root, INDEX)
    assert page.count("Not available at the moment") == len(TITLES)
    assert not [query for query in captured if '"file_versions"' in query["sql"]]
    assert "Not available" not in html(root, INDEX)


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has no time limit")
def test_a_figure_that_takes_too_long_is_not_available_and_the_others_are(
    root: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = User.objects.get()
    make_file(owner)
    common = {"key": "k", "filename": "a", "content_type": "text/plain", "size": 1}
    Upload.objects.create(user=owner, state="aborted", commit_by=timezone.now(), **common)
    monkeypatch.setattr(usage, "FIGURE_SECONDS", 0.2)
    with connection.cursor() as cursor:
        # Every row of this table takes half a second to read.
        cursor.execute("ALTER TABLE uploads RENAME TO slow")
        cursor.execute("CREATE VIEW uploads AS SELECT slow.* FROM slow, pg_sleep(0.5)")
    try:
        page = html(root, INDEX)
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP VIEW uploads")
            cursor.execute("ALTER TABLE slow RENAME TO uploads")
    shown = tables(page)
    assert page.count("Not available at the moment") == 2
    assert (shown["uploads"], shown["waiting"]) == ([], [])
    assert page.count("<h2 id=") == len(TITLES)
    assert shown["owners"] == [("root", "1 versions, 1 bytes")]
    assert File.objects.count() == 1, "the connection has its own time limit again"


@pytest.mark.django_db
@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has no time limit")
def test_the_statements_of_a_figure_have_one_time_limit_together() -> None:
    def limit() -> int:
        """Return the limit (ms) of a statement that takes some of it."""
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT setting::int, pg_sleep(0.01) FROM pg_settings"
                " WHERE name = 'statement_timeout'"
            )
            return int(cursor.fetchone()[0])

    with time_limit(5):
        first = limit()
        assert limit() < first < 5000
    # Less than a millisecond is not 0, which would be none.
    with pytest.raises(OperationalError), time_limit(0.0001), connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(5)")
