"""The admin: who gets in, and that nothing of the drive can be changed but what is meant to be."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.db.models import Model
from django.test import Client as Browser
from django.urls import reverse

from files.models import Change, File, FileVersion, Folder, Share, ShareEvent, Upload, User
from files.services import folders
from tests.support import wire
from tests.support.admin import Rows, html, page, root, rows
from tests.support.client import Client

__all__ = ["root", "rows"]

READ_ONLY: list[type[Model]] = [File, FileVersion, Upload, Share, ShareEvent, Change]


def snapshot() -> list[dict[str, Any]]:
    return [row for table in READ_ONLY for row in table._default_manager.values()]


def test_nothing_of_the_drive_can_be_added_changed_or_deleted(rows: Rows, root: Browser) -> None:
    before = snapshot()
    for row in [row for row in rows if type(row) in READ_ONLY]:
        table = type(row)
        delete = {
            "action": "delete_selected",
            "_selected_action": str(row.pk),
            "post": "yes",
        }
        forms = [
            (page(table, "add"), {"name": "x"}, 403),
            (page(table, "change", row.pk), {"name": "x", "_save": "Save"}, 403),
            (page(table, "delete", row.pk), {"post": "yes"}, 403),
        ]
        for path, form, status in forms:
            response = root.post(path, form)
            assert response.status_code == status, path
            assert response.headers["Content-Type"] == "application/problem+json"
            assert response.json()["code"] == "permission-denied"
        assert root.post(page(table, "changelist"), delete).status_code < 500
        assert root.get(page(table, "add")).status_code == 403
        assert root.get(page(table, "delete", row.pk)).status_code == 403
        shown = html(root, page(table, "change", row.pk))
        assert 'name="_save"' not in shown
        assert "deletelink" not in shown
    assert snapshot() == before


def test_a_user_without_files_is_deleted_with_the_feed(root: Browser) -> None:
    gone = User.objects.create_user("gone", subject="gone")
    folders.create_folder(user=gone, name="folder")
    Folder.objects.all().delete()
    assert Change.objects.filter(user=gone).exists()
    assert root.post(page(User, "delete", gone.pk), {"post": "yes"}).status_code == 302
    assert not Change.objects.filter(user=gone).exists()


def test_a_user_with_files_can_not_be_deleted(rows: Rows, root: Browser) -> None:
    answer = root.post(page(User, "delete", rows.person.pk), {"post": "yes"})
    assert answer.status_code in (200, 403)
    assert User.objects.filter(pk=rows.person.pk).exists()


def new_user(**changes: str) -> dict[str, str]:
    password = "correct horse battery"
    form = {"username": "new", "subject": "", "email": "", "usable_password": "true"}
    return form | {"password1": password, "password2": password} | changes


def test_a_user_can_be_added_and_its_subject_is_its_name_by_default(root: Browser) -> None:
    assert root.post(page(User, "add"), new_user()).status_code == 302
    assert User.objects.get(username="new").subject == "new"
    assert root.post(page(User, "add"), new_user(username="b", subject="c")).status_code == 302
    assert User.objects.get(username="b").subject == "c"


def test_a_subject_that_is_taken_is_said_to_be(rows: Rows, root: Browser) -> None:
    User.objects.filter(pk=rows.person.pk).update(subject="new")
    for form in (new_user(), new_user(username="other", subject="new")):
        answer = root.post(page(User, "add"), form)
        assert answer.status_code == 200
        assert "already exists" in answer.content.decode()


def test_a_user_can_be_made_inactive(rows: Rows, root: Browser) -> None:
    form = {"username": "person", "subject": "person", "email": ""}
    assert root.post(page(User, "change", rows.person.pk), form).status_code == 302
    rows.person.refresh_from_db()
    assert not rows.person.is_active


def test_shares_can_be_revoked_and_only_by_those_who_may_change_them(
    rows: Rows, root: Browser
) -> None:
    act = {"action": "revoke", "_selected_action": str(rows.share.pk)}
    viewer = User.objects.create_user("viewer", is_staff=True)
    viewer.user_permissions.add(Permission.objects.get(codename="view_share"))
    looking = Browser()
    looking.force_login(viewer)
    looking.post(page(Share, "changelist"), act)
    rows.share.refresh_from_db()
    assert rows.share.revoked_at is None
    answer = root.post(page(Share, "changelist"), act, follow=True)
    assert "1 of 1 shares were revoked." in answer.content.decode()
    rows.share.refresh_from_db()
    revoked_at = rows.share.revoked_at
    assert revoked_at is not None
    root.post(page(Share, "changelist"), act)
    rows.share.refresh_from_db()
    assert rows.share.revoked_at == revoked_at
    changes = Change.objects.visible_to(rows.person).filter(kind="share-revoked")
    assert [(each.file_id, str(each.by_user)) for each in changes] == [(rows.file.pk, "root")]


# Who gets in


def test_the_admin_is_for_staff_only(rows: Rows) -> None:
    browser = Browser()
    for path in (reverse("admin:index"), page(File, "changelist")):
        response = browser.get(path)
        assert response.status_code == 302
        assert response.headers["Location"].startswith("/admin/login/")
    browser.force_login(rows.person)
    assert browser.get(page(File, "changelist")).status_code == 302


def test_a_bearer_token_opens_nothing_in_the_admin(db: None) -> None:
    root = Client(User.objects.create_superuser("root"))
    assert root.get("/admin/").status == 302


def test_the_login_page_lets_in_by_password_and_csrf_token_only(db: None) -> None:
    User.objects.create_superuser("root", password="correct horse")
    browser = Browser(enforce_csrf_checks=True)
    shown = html(browser, "/admin/login/")
    found = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', shown)
    assert found
    form = {"username": "root", "password": "correct horse", "next": "/admin/"}
    assert browser.post("/admin/login/", form).status_code == 403
    form["csrfmiddlewaretoken"] = found[1]
    wrong = browser.post("/admin/login/", form | {"password": "wrong"})
    assert wrong.status_code == 200
    assert "sessionid" not in browser.cookies
    right = browser.post("/admin/login/", form)
    assert (right.status_code, right.headers["Location"]) == (302, "/admin/")
    assert browser.get("/admin/").status_code == 200
    assert browser.cookies["sessionid"]["httponly"]


def test_a_login_does_not_lead_to_another_site(db: None) -> None:
    User.objects.create_superuser("root", password="correct horse")
    form = {"username": "root", "password": "correct horse", "next": "https://evil.example/"}
    response = Browser().post("/admin/login/", form)
    assert response.status_code == 302
    assert "evil" not in response.headers["Location"]


def test_the_static_files_that_the_login_page_names_are_served(db: None) -> None:
    shown = html(Browser(), "/admin/login/")
    named = re.findall(r'(?:href|src)="(/static/[^"]+)"', shown)
    assert len(named) > 3
    for path in named:
        answer = wire.send("GET", path)
        assert answer.status == 200, path
        assert len(answer.content) > 100
        kind = {"css": "text/css", "js": "text/javascript"}[path.rsplit(".")[-1]]
        assert answer.headers["Content-Type"].startswith(kind)
    assert wire.send("HEAD", named[0]).status == 200


@pytest.mark.parametrize(
    "path", ["/static/", "/static/admin/", "/static/../files/models/", "/static/%2e%2e/manage.py"]
)
def test_nothing_but_static_files_is_served_as_one(db: None, path: str) -> None:
    assert wire.send("GET", path).status == 404
