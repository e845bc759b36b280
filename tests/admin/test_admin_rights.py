"""What each permission in the admin does at most: nobody gains what they did not have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission
from django.test import Client as Browser
from django.urls import reverse

from files.models import User
from tests.support.admin import Rows, html, page, root, rows

__all__ = ["root", "rows"]

PASSWORD = "correct horse battery"
NOT_THERE = "doesn’t exist"

Member = Callable[..., tuple[User, Browser]]


@pytest.fixture
def staff(db: None) -> Member:
    """Make a member of staff with these permissions on users and groups."""

    def make(*codenames: str) -> tuple[User, Browser]:
        user = User.objects.create_user("staff", password=PASSWORD, is_staff=True)
        found = Permission.objects.filter(codename__in=codenames)
        assert len(found) == len(codenames)
        user.user_permissions.set(found)
        browser = Browser(raise_request_exception=False)
        browser.force_login(user)
        return user, browser

    return make


def account(user: User) -> dict[str, Any]:
    return dict(User.objects.filter(pk=user.pk).values().get())


def form_of(user: User, **changes: Any) -> dict[str, Any]:
    form = {"username": user.username, "subject": user.subject, "email": user.email}
    return form | {"is_active": "on"} | changes


def everything(user: User, **changes: Any) -> dict[str, Any]:
    """A forged form with all that gives rights."""
    rights = [str(each.pk) for each in Permission.objects.all()]
    return form_of(
        user, is_staff="on", is_superuser="on", user_permissions=rights, groups=["1"], **changes
    )


def test_change_user_gives_nobody_rights_by_form_or_forged_post(rows: Rows, staff: Member) -> None:
    member, browser = staff("view_user", "change_user", "add_user")
    Group.objects.create(pk=1, name="all").permissions.set(Permission.objects.all())
    for user in (member, rows.person):
        shown = html(browser, page(User, "change", user.pk))
        for name in ("is_superuser", "is_staff", "user_permissions", "groups", "confirm_subject"):
            assert f'name="{name}"' not in shown
        before = account(user)
        permissions = set(user.get_all_permissions())
        answer = browser.post(page(User, "change", user.pk), everything(user, email="a@b.example"))
        assert answer.status_code == 302
        assert account(user) == before | {"email": "a@b.example"}
        again = User.objects.get(pk=user.pk)
        assert set(again.get_all_permissions()) == permissions
        assert not again.groups.exists()


def test_add_user_makes_nobody_with_rights(rows: Rows, staff: Member) -> None:
    _, browser = staff("add_user", "change_user")
    passwords = {"usable_password": "true", "password1": PASSWORD, "password2": PASSWORD}
    new = User(username="new", subject="")
    assert browser.post(page(User, "add"), everything(new) | passwords).status_code == 302
    made = User.objects.get(username="new")
    assert (made.is_staff, made.is_superuser) == (False, False)
    assert not made.get_all_permissions()


def test_a_superuser_is_not_there_for_staff(staff: Member, root: Browser) -> None:
    _, browser = staff("view_user", "change_user", "delete_user")
    boss = User.objects.get(username="root")
    before = account(boss)
    assert str(boss.pk) not in html(browser, page(User, "changelist"))
    for name in ("change", "delete", "history"):
        answer = browser.get(page(User, name, boss.pk), follow=True)
        assert NOT_THERE in answer.content.decode()
    browser.post(page(User, "change", boss.pk), form_of(boss, is_active="", username="taken"))
    browser.post(page(User, "delete", boss.pk), {"post": "yes"})
    chosen = {"action": "delete_selected", "_selected_action": str(boss.pk), "post": "yes"}
    browser.post(page(User, "changelist"), chosen)
    set_password(browser, boss)
    assert account(boss) == before


def set_password(browser: Browser, user: User) -> int:
    form = {"usable_password": "true", "password1": "another horse", "password2": "another horse"}
    path = reverse("admin:auth_user_password_change", args=[user.pk])
    return browser.post(path, form | {"set-password": "x"}).status_code


def test_only_a_superuser_sets_the_password_of_another(
    rows: Rows, staff: Member, root: Browser
) -> None:
    member, browser = staff("view_user", "change_user")
    for user in (member, rows.person):
        before = account(user)
        assert set_password(browser, user) == 403
        assert account(user) == before
    assert set_password(root, rows.person) == 302
    assert User.objects.get(pk=rows.person.pk).check_password("another horse")


def test_staff_set_their_own_password_by_the_old_one(staff: Member) -> None:
    member, browser = staff("change_user")
    form = {
        "old_password": PASSWORD,
        "new_password1": "a new horse",
        "new_password2": "a new horse",
    }
    wrong = browser.post(reverse("admin:password_change"), form | {"old_password": "guess"})
    assert wrong.status_code == 200
    assert browser.post(reverse("admin:password_change"), form).status_code == 302
    assert User.objects.get(pk=member.pk).check_password("a new horse")


def test_staff_move_no_subject_from_one_person_to_another(rows: Rows, staff: Member) -> None:
    member, browser = staff("view_user", "change_user")
    forged = {"confirm_subject": "on"}
    browser.post(page(User, "change", member.pk), form_of(member, subject="given-up", **forged))
    browser.post(
        page(User, "change", rows.person.pk), form_of(rows.person, subject="staff", **forged)
    )
    assert account(member)["subject"] == "staff"
    assert account(rows.person)["subject"] == "person"


def test_a_superuser_is_asked_to_confirm_another_subject(rows: Rows, root: Browser) -> None:
    path = page(User, "change", rows.person.pk)
    answer = root.post(path, form_of(rows.person, subject="other"))
    assert answer.status_code == 200
    assert "Confirm that the subject is to change." in answer.content.decode()
    assert account(rows.person)["subject"] == "person"
    confirmed = form_of(rows.person, subject="other", confirm_subject="on")
    assert root.post(path, confirmed).status_code == 302
    assert account(rows.person)["subject"] == "other"


def test_only_a_superuser_sees_or_filters_by_rights(staff: Member, root: Browser) -> None:
    _, browser = staff("view_user", "change_user")
    path = page(User, "changelist")
    assert "is_superuser" in html(root, path)
    shown = html(browser, path)
    assert "is_superuser" not in shown
    assert "is_staff" not in shown
    for name in ("is_superuser", "is_staff__exact", "groups", "groups__id__exact"):
        assert root.get(path, {name: "1"}).status_code == 200, name
        assert browser.get(path, {name: "1"}).status_code == 400, name
    assert browser.get(path, {"user_permissions": "1"}).status_code == 400


def test_groups_are_for_superusers(staff: Member, root: Browser) -> None:
    member, browser = staff("view_group", "add_group", "change_group", "delete_group")
    group = Group.objects.create(name="mine")
    group.user_set.add(member)
    rights = [str(each.pk) for each in Permission.objects.all()]
    change = reverse("admin:auth_group_change", args=[group.pk])
    for path, form in (
        (reverse("admin:auth_group_add"), {"name": "new", "permissions": rights}),
        (change, {"name": "mine", "permissions": rights}),
        (reverse("admin:auth_group_delete", args=[group.pk]), {"post": "yes"}),
    ):
        assert browser.post(path, form).status_code == 403
    assert browser.get(change).status_code == 403
    assert not Group.objects.get(name="mine").permissions.exists()
    assert root.post(change, {"name": "mine", "permissions": rights}).status_code == 302


def test_delete_user_deletes_no_superuser_in_a_batch(staff: Member, root: Browser) -> None:
    _, browser = staff("view_user", "delete_user")
    other = User.objects.create_user("other")
    boss = User.objects.get(username="root")
    chosen = {"action": "delete_selected", "_selected_action": [str(other.pk), str(boss.pk)]}
    browser.post(page(User, "changelist"), chosen | {"post": "yes"})
    assert list(User.objects.order_by("username").values_list("username", flat=True)) == [
        "root",
        "staff",
    ]


def test_staff_touch_no_account_of_other_staff(staff: Member) -> None:
    _, browser = staff("view_user", "change_user", "delete_user")
    colleague = User.objects.create_user("colleague", is_staff=True)
    before = account(colleague)
    assert browser.get(page(User, "change", colleague.pk)).status_code == 200
    taken = form_of(colleague, username="taken", is_active="")
    assert browser.post(page(User, "change", colleague.pk), taken).status_code == 403
    assert browser.post(page(User, "delete", colleague.pk), {"post": "yes"}).status_code == 403
    chosen = {"action": "delete_selected", "_selected_action": str(colleague.pk), "post": "yes"}
    browser.post(page(User, "changelist"), chosen)
    assert account(colleague) == before
