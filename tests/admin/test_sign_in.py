"""Sign-in by password: how many wrong ones are taken, and from where."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client as Browser
from django.utils import timezone

from files.models import User, WrongPasswords

LOGIN = "/admin/login/"
HERE, ELSEWHERE = "192.0.2.1", "198.51.100.1"


@pytest.fixture(autouse=True)
def staff(db: None) -> User:
    return User.objects.create_superuser("owner", password="right")


def sign_in(password: str, *, name: str = "owner", address: str = HERE) -> Any:
    browser = Browser(raise_request_exception=False)
    form = {"username": name, "password": password}
    return browser.post(LOGIN, form, REMOTE_ADDR=address)


def test_a_right_password_signs_in() -> None:
    assert sign_in("right").status_code == 302


def test_ten_wrong_passwords_close_an_account_to_the_network_they_came_from() -> None:
    assert [sign_in("wrong").status_code for _ in range(10)] == [200] * 10
    for password in ("wrong", "right"):
        refused = sign_in(password, address="192.0.2.254")
        assert refused.status_code == 429
        assert 1 <= int(refused.headers["Retry-After"]) <= 900
        assert refused.json()["code"] == "throttled"
    assert sign_in("right", address=ELSEWHERE).status_code == 302
    WrongPasswords.objects.update(since=timezone.now() - timedelta(minutes=15))
    assert sign_in("right").status_code == 302


def test_a_name_in_another_case_has_no_more_tries() -> None:
    for number in range(10):
        sign_in("wrong", name="owner" if number % 2 else "OWNER")
    assert sign_in("right").status_code == 429


def test_a_hundred_wrong_passwords_close_an_account_to_everyone() -> None:
    for network in range(10):
        for _ in range(10):
            assert sign_in("wrong", address=f"192.0.{network}.1").status_code == 200
    assert sign_in("right", address=ELSEWHERE).status_code == 429


def test_a_hundred_wrong_passwords_for_whatever_names_close_sign_in_to_their_network() -> None:
    for number in range(100):
        assert sign_in("wrong", name=f"name {number}").status_code == 200
    assert sign_in("right").status_code == 429
    assert sign_in("right", address=ELSEWHERE).status_code == 302


def test_names_that_were_typed_are_not_kept() -> None:
    sign_in("wrong", name="a password typed as a name")
    kept = WrongPasswords.objects.values_list("subject", flat=True)
    assert kept
    assert not [subject for subject in kept if "password" in subject]


def test_a_refusal_is_a_page_for_a_person() -> None:
    for _ in range(10):
        sign_in("wrong")
    browser = Browser(raise_request_exception=False)
    form = {"username": "owner", "password": "right"}
    refused = browser.post(LOGIN, form, REMOTE_ADDR=HERE, headers={"Accept": "text/html"})
    assert refused.status_code == 429
    assert refused.headers["Content-Type"].startswith("text/html")
    assert "Too many attempts" in refused.content.decode()
