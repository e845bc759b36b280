"""`POST /token`: a bearer token of ten minutes for the page of whoever is signed in."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client as Browser
from pytest_django.fixtures import Settings

from files.api.authentication import valid_claims
from files.models import User
from tests.support.client import Client


@pytest.fixture
def browser(owner: Client) -> Browser:
    browser = Browser(enforce_csrf_checks=True, raise_request_exception=False)
    browser.force_login(owner.user)
    return browser


def token(browser: Browser, **headers: str) -> Any:
    return browser.post("/token", headers=headers)


def csrf(browser: Browser) -> str:
    found = re.search(r'data-csrf="(\w+)"', browser.get("/").content.decode())
    assert found
    return found[1]


def test_nobody_gets_none(db: None) -> None:
    answer = token(Browser(raise_request_exception=False))
    assert answer.status_code == 401
    assert answer.json()["code"] == "not-authenticated"


def test_a_bearer_token_is_no_session(owner: Client) -> None:
    browser = Browser(raise_request_exception=False)
    assert token(browser, Authorization=f"Bearer {owner.token}").status_code == 401


def test_a_session_without_the_csrf_token_is_refused(browser: Browser) -> None:
    answer = token(browser)
    assert answer.status_code == 403
    assert answer.json()["code"] == "permission-denied"
    assert browser.get("/token").status_code == 405


def test_a_session_that_ended_is_refused(browser: Browser) -> None:
    sent = csrf(browser)
    User.objects.update(is_active=False)
    assert token(browser, **{"X-CSRFToken": sent}).status_code == 401


def test_the_page_gets_a_token_of_ten_minutes_for_its_user(
    browser: Browser, owner: Client, settings: Settings
) -> None:
    settings.JWT_ISSUER, settings.JWT_AUDIENCE = "https://issuer.example", "drive"
    answer = token(browser, **{"X-CSRFToken": csrf(browser)})
    assert answer.status_code == 200
    assert answer.json().keys() == {"token", "expires_in"}
    assert answer.json()["expires_in"] == 600
    assert "no-store" in answer.headers["Cache-Control"]
    claims = valid_claims(answer.json()["token"])
    assert claims["sub"] == owner.user.subject
    assert claims["exp"] - claims["iat"] == 600


def test_the_api_takes_no_session(browser: Browser) -> None:
    assert browser.get("/files").status_code == 401
