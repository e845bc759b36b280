"""The admin on quotas, and on what is purged and waits to be collected."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.db.models import Model
from django.test import Client as Browser
from django.utils import timezone

from files.models import File, FileVersion, Upload, User
from files.services import quotas
from tests.support.admin import Rows, html, page, root, rows

__all__ = ["root", "rows"]


def form_of(user: User, **changes: Any) -> dict[str, Any]:
    form = {"username": user.username, "subject": user.subject, "email": user.email}
    return form | {"is_active": "on"} | changes


def save(browser: Browser, user: User, **changes: Any) -> User:
    answer = browser.post(page(User, "change", user.pk), form_of(user, **changes))
    assert answer.status_code == 302, answer.content.decode()
    return User.objects.get(pk=user.pk)


def test_who_may_only_change_users_changes_no_quota(rows: Rows) -> None:
    staff = User.objects.create_user("staff", is_staff=True)
    staff.user_permissions.set(Permission.objects.filter(codename__in=["change_user", "view_user"]))
    browser = Browser()
    browser.force_login(staff)
    assert 'name="quota_bytes"' not in html(browser, page(User, "change", rows.person.pk))
    assert save(browser, rows.person, quota_bytes="5").quota_bytes is None


def test_a_quota_below_nothing_is_refused(rows: Rows, root: Browser) -> None:
    form = form_of(rows.person, quota_bytes="-1")
    assert root.post(page(User, "change", rows.person.pk), form).status_code == 200
    assert User.objects.get(pk=rows.person.pk).quota_bytes is None


def test_another_quota_has_the_bytes_counted_again_when_they_are_needed(
    rows: Rows, root: Browser
) -> None:
    quotas.set_quota(user_id=rows.person.pk, quota_bytes=100)
    changed = save(root, rows.person, quota_bytes="200")
    assert (changed.quota_bytes, changed.bytes_used, changed.bytes_reserved) == (200, None, None)


def test_another_address_leaves_the_counters_as_they_are(rows: Rows, root: Browser) -> None:
    quotas.set_quota(user_id=rows.person.pk, quota_bytes=100)
    changed = save(root, rows.person, quota_bytes="100", email="person@example.org")
    assert (changed.quota_bytes, changed.bytes_used, changed.bytes_reserved) == (100, 1, 0)


def test_what_a_user_has_is_shown_with_the_quota(rows: Rows, root: Browser) -> None:
    path = page(User, "change", rows.person.pk)
    assert "1 bytes used, 0 bytes reserved for uploads, no quota; 1 files" in html(root, path)
    quotas.set_quota(user_id=rows.person.pk, quota_bytes=20 << 30)
    File.objects.update(deleted_at=timezone.now(), purged_at=timezone.now())
    shown = html(root, path)
    assert "of 20.0 GiB; 0 files, 1 bytes waiting to be collected" in shown


@pytest.mark.parametrize(
    ("table", "stage", "changes"),
    [
        (File, "in the trash", {"deleted_at": timezone.now()}),
        (File, "purged", {"deleted_at": timezone.now(), "purged_at": timezone.now()}),
        (FileVersion, "waiting to be collected", {"purged_at": timezone.now()}),
        (FileVersion, "collected", {"collected_at": timezone.now()}),
        (
            Upload,
            "waiting to be collected",
            {"state": "aborted", "file_version": None},
        ),
        (Upload, "waiting to be collected", {"state": "pending", "file_version": None}),
        (Upload, "collected", {"collected_at": timezone.now()}),
    ],
)
def test_rows_are_found_by_how_far_they_are(
    rows: Rows, root: Browser, table: type[Model], stage: str, changes: dict[str, Any]
) -> None:
    [row] = table._default_manager.all()
    link, listing = page(table, "change", row.pk), page(table, "changelist")
    assert link not in root.get(listing, {"stage": stage}).content.decode()
    table._default_manager.update(**changes)
    assert link in root.get(listing, {"stage": stage}).content.decode()


def test_versions_of_a_purged_file_wait_to_be_collected(rows: Rows, root: Browser) -> None:
    File.objects.update(deleted_at=timezone.now(), purged_at=timezone.now())
    listing, link = page(FileVersion, "changelist"), page(FileVersion, "change", rows.version.pk)
    assert link in root.get(listing, {"stage": "waiting to be collected"}).content.decode()
    assert link not in root.get(listing, {"stage": "live"}).content.decode()
