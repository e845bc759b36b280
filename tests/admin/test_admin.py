"""The admin: everything can be looked at, and no secret shows."""

from __future__ import annotations

from collections.abc import Callable
from html import unescape
from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.db.models import Model
from django.test import Client as Browser
from django.urls import reverse
from django.utils.html import escape

from files.models import (
    Change,
    File,
    FileVersion,
    Folder,
    Share,
    ShareEvent,
    SweptDay,
    Upload,
    User,
    WrongPasswords,
)
from tests.support.admin import DIGEST, NAME, Rows, html, page, root, rows
from tests.support.client import sha256

__all__ = ["root", "rows"]

TABLES = [
    User,
    File,
    FileVersion,
    Upload,
    Share,
    ShareEvent,
    WrongPasswords,
    SweptDay,
    Change,
    Folder,
]


def test_every_table_is_in_the_admin() -> None:
    tables = {model for model in apps.get_app_config("files").get_models() if not model._meta.proxy}
    assert tables == set(TABLES)
    assert tables <= admin.site._registry.keys()


def test_every_list_and_every_row_can_be_looked_at(rows: Rows, root: Browser) -> None:
    for row in rows:
        path = page(type(row), "change", row.pk)
        listing = html(root, page(type(row), "changelist"))
        assert path in listing
        assert str(row.pk) in html(root, path)
        assert str(row) in unescape(html(root, page(type(row), "history", row.pk)))
    assert "Remote Drive" in html(root, reverse("admin:index"))


def test_a_list_costs_the_same_queries_however_many_rows_it_has(
    rows: Rows, root: Browser, django_assert_max_num_queries: Callable[[int], Any]
) -> None:
    for number in range(2, 30):
        FileVersion.objects.create(
            file=rows.file,
            version=number,
            key=f"uploads/{number}",
            store_version_id="v",
            etag="e",
            size=1,
            content_type="a/b",
            checksum=sha256(b"1"),
            integrity="read",
            created_by=rows.person,
        )
    with django_assert_max_num_queries(12):
        html(root, page(FileVersion, "changelist"))


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (User, ["person"]),
        (File, ["name", "uploads/a", "person", "{file}", sha256(b"1")]),
        (FileVersion, ["uploads/a", "{file}", "{version}", sha256(b"1"), "more"]),
        (Upload, ["uploads/a", "person", "{upload}", "name"]),
        (Share, ["{share}", "{file}", "person", "name"]),
        (ShareEvent, ["{share}"]),
    ],
)
def test_a_search_finds_what_is_there_and_nothing_else(
    rows: Rows, root: Browser, table: type[Model], words: list[str]
) -> None:
    ids = {name: getattr(rows, name).pk for name in ("file", "version", "upload", "share")}
    [row] = table._default_manager.exclude(pk=User.objects.get(username="root").pk)
    link = page(table, "change", row.pk)
    for word in words:
        query = {"q": word.format(**ids)}
        response = root.get(page(table, "changelist"), query)
        assert link in response.content.decode(), word
    nothing = root.get(page(table, "changelist"), {"q": "nowhere-to-be-found"})
    assert nothing.status_code == 200
    assert link not in nothing.content.decode()


@pytest.mark.parametrize("word", ["%", "_", "'", '"', "\\", "é🙂", "a" * 5000, "\x00", "  "])
def test_a_search_for_odd_words_is_no_error(rows: Rows, root: Browser, word: str) -> None:
    for table in TABLES:
        assert root.get(page(table, "changelist"), {"q": word}).status_code in (200, 302)


@pytest.mark.parametrize("field", ["", "name", "id", "password", "no_such", "user__password"])
def test_a_row_that_is_asked_for_by_an_odd_field_is_no_error(
    rows: Rows, root: Browser, field: str
) -> None:
    for row in rows:
        path = page(type(row), "change", row.pk)
        assert root.get(path, {"_to_field": field}).status_code in (200, 302, 400)


@pytest.mark.parametrize(
    ("table", "filters"),
    [
        (File, {"integrity__exact": "read", "stage": "present"}),
        (FileVersion, {"integrity__exact": "read", "stage": "live"}),
        (Upload, {"state__exact": "committed", "multipart_id__isempty": "1"}),
        (Share, {"permission__exact": "write", "revoked_at__isempty": "1"}),
        (ShareEvent, {"what__exact": "committed"}),
    ],
)
def test_the_filters_find_the_row_and_their_opposites_do_not(
    rows: Rows, root: Browser, table: type[Model], filters: dict[str, str]
) -> None:
    [row] = table._default_manager.all()
    link = page(table, "change", row.pk)
    assert link in root.get(page(table, "changelist"), filters).content.decode()
    for name in filters:
        opposite = "0" if filters[name] == "1" else "none of these"
        shown = root.get(page(table, "changelist"), {name: opposite})
        assert shown.status_code in (200, 302)
        assert link not in shown.content.decode()


def test_the_tables_link_to_one_another(rows: Rows, root: Browser) -> None:
    links: list[tuple[Model, list[Model]]] = [
        (rows.file, [rows.person, rows.version]),
        (rows.version, [rows.file, rows.share]),
        (rows.upload, [rows.person, rows.file, rows.version, rows.share]),
        (rows.share, [rows.file, rows.person]),
        (rows.event, [rows.share]),
    ]
    for row, others in links:
        shown = html(root, page(type(row), "change", row.pk))
        for other in others:
            assert page(type(other), "change", other.pk) in shown, (row, other)


def test_what_people_named_is_escaped(rows: Rows, root: Browser) -> None:
    for row in rows:
        for path in (page(type(row), "changelist"), page(type(row), "change", row.pk)):
            assert "<i>" not in html(root, path)
    assert escape(NAME) in html(root, page(File, "changelist"))


def test_no_secret_is_in_any_page(rows: Rows, root: Browser) -> None:
    assert len(rows.secrets[2]) > 20
    for row in rows:
        for path in (
            page(type(row), "changelist"),
            page(type(row), "change", row.pk),
            page(type(row), "history", row.pk),
        ):
            shown = html(root, path)
            assert not [secret for secret in rows.secrets if secret in shown], path


def test_secrets_can_not_be_searched_or_filtered_by(rows: Rows, root: Browser) -> None:
    link = page(Share, "change", rows.share.pk)
    assert link not in root.get(page(Share, "changelist"), {"q": DIGEST}).content.decode()
    for name in ("token_digest", "password", "token_digest__startswith", "file__user__password"):
        answer = root.get(page(Share, "changelist"), {name: "d1"})
        assert answer.status_code == 400, name
