"""Sign-in to the drive: the page, its form, the session, and how wrong passwords are counted."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client as Browser

from files.models import User, WrongPasswords
from tests.support.bad_values import HOSTILE_NAMES

HERE, ELSEWHERE = "192.0.2.1", "198.51.100.1"


@pytest.fixture
def owner(db: None) -> User:
    return User.objects.create_user("owner", password="right")


@pytest.fixture
def browser() -> Browser:
    return Browser(raise_request_exception=False)


def sign_in(browser: Browser, password: str, name: str = "owner", address: str = HERE) -> Any:
    form = {"username": name, "password": password}
    return browser.post("/sign-in", form, REMOTE_ADDR=address)


def test_whoever_is_not_signed_in_gets_the_form(browser: Browser, db: None) -> None:
    page = browser.get("/")
    assert page.status_code == 200
    assert 'action="/sign-in"' in page.content.decode()
    assert "no-store" in page.headers["Cache-Control"]
    policy = page.headers["Content-Security-Policy"]
    assert "script-src" not in policy
    assert "form-action 'self'" in policy


@pytest.mark.parametrize(("name", "password"), [("owner", "wrong"), ("nobody", "right"), ("", "")])
def test_a_wrong_password_or_name_gives_the_form_again(
    browser: Browser, owner: User, name: str, password: str
) -> None:
    page = sign_in(browser, password, name)
    assert page.status_code == 403
    assert "The user name or the password is not right." in page.content.decode()
    assert "sessionid" not in browser.cookies


@pytest.mark.parametrize("name", [*HOSTILE_NAMES, "\0", "a" * 256])
def test_a_name_that_was_typed_is_text_and_nothing_else(
    browser: Browser, db: None, name: str
) -> None:
    page = sign_in(browser, "wrong", name)
    assert page.status_code == 403
    assert "<img" not in page.content.decode()
    assert "<script" not in page.content.decode()


def test_an_inactive_user_and_one_without_a_password_are_refused(
    browser: Browser, owner: User
) -> None:
    User.of_subject("program")
    assert sign_in(browser, "", "program").status_code == 403
    User.objects.update(is_active=False)
    assert sign_in(browser, "right").status_code == 403


def test_a_form_without_its_csrf_token_is_refused_with_the_form_in_plain_words(
    owner: User,
) -> None:
    browser = Browser(enforce_csrf_checks=True, raise_request_exception=False)
    refused = sign_in(browser, "right")
    assert refused.status_code == 403
    assert "The form was out of date" in refused.content.decode()
    assert 'action="/sign-in"' in refused.content.decode()
    assert "sessionid" not in browser.cookies


def test_a_form_that_is_older_than_a_sign_in_opens_the_drive(owner: User) -> None:
    browser = Browser(enforce_csrf_checks=True, raise_request_exception=False)
    browser.force_login(owner)
    answer = sign_in(browser, "right")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/")


def test_too_many_wrong_passwords_are_refused_as_those_of_the_admin_are(
    browser: Browser, owner: User
) -> None:
    assert [sign_in(browser, "wrong").status_code for _ in range(10)] == [403] * 10
    refused = sign_in(browser, "right")
    assert refused.status_code == 429
    assert 1 <= int(refused.headers["Retry-After"]) <= 900
    assert "Wait 15 minutes" in refused.content.decode()
    admin = {"username": "owner", "password": "right"}
    assert browser.post("/admin/login/", admin, REMOTE_ADDR=HERE).status_code == 429
    assert sign_in(browser, "right", address=ELSEWHERE).status_code == 303
    assert WrongPasswords.objects.filter(subject="sign-in", count=10).exists()


def test_a_right_password_opens_the_drive(browser: Browser, owner: User) -> None:
    answer = sign_in(browser, "right")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/")
    for name, same_site in (("sessionid", "Strict"), ("csrftoken", "Lax")):
        assert browser.cookies[name]["httponly"]
        assert browser.cookies[name]["samesite"] == same_site
    page = browser.get("/")
    assert 'id="drive"' in page.content.decode()
    assert "no-store" in page.headers["Cache-Control"]


def test_signing_out_ends_the_session(browser: Browser, owner: User) -> None:
    sign_in(browser, "right")
    assert browser.get("/sign-out").status_code == 405
    assert browser.post("/sign-out").status_code == 303
    assert 'action="/sign-in"' in browser.get("/").content.decode()


def test_a_new_password_ends_the_sessions_of_the_old_one(browser: Browser, owner: User) -> None:
    sign_in(browser, "right")
    owner.set_password("new")
    owner.save()
    assert 'action="/sign-in"' in browser.get("/").content.decode()
