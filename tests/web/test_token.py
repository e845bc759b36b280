"""`POST /token`: a bearer token of ten minutes for the page of whoever is signed in."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from django.test import Client as Browser
from pytest_django.fixtures import Settings

from files.api.authentication import valid_claims
from files.models import User
from files.services.tokens import (
    PAGE_AUDIENCE,
    PAGE_ISSUER,
    PAGE_TYPE,
    mint_for_page,
    page_key,
)
from tests.support.client import Client, assert_problem
from tests.support.tokens import ask, claims, signed


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
    claimed = valid_claims(answer.json()["token"])
    assert claimed["sub"] == owner.user.subject
    assert claimed["exp"] - claimed["iat"] == 600


def test_the_page_needs_no_secret_for_tokens(
    browser: Browser, owner: Client, settings: Settings
) -> None:
    settings.JWT_SECRET, settings.JWT_JWKS_URL = None, "http://127.0.0.1:1/keys"
    settings.JWT_ISSUER, settings.JWT_AUDIENCE = "https://issuer.example", "drive"
    answer = token(browser, **{"X-CSRFToken": csrf(browser)})
    assert ask(answer.json()["token"]).status == 200


def test_a_token_of_the_page_and_another_are_never_taken_for_each_other(
    owner: Client, settings: Settings
) -> None:
    secret = settings.JWT_SECRET.encode()
    page = {"iss": PAGE_ISSUER, "aud": PAGE_AUDIENCE}
    header = {"alg": "HS256", "typ": PAGE_TYPE}
    assert ask(signed(claims(**page), page_key(), header=json.dumps(header).encode())).status == 200
    for payload, key, typ in (
        (claims(), page_key(), PAGE_TYPE),
        (claims(**(page | {"aud": "another"})), page_key(), PAGE_TYPE),
        (claims(**(page | {"iss": "another"})), page_key(), PAGE_TYPE),
        (claims(**page), secret, PAGE_TYPE),
        (claims(**page), settings.SECRET_KEY.encode(), PAGE_TYPE),
        (claims(**page), page_key(), "JWT"),
        (claims(**page), page_key(), PAGE_TYPE.upper()),
    ):
        answer = ask(signed(payload, key, header=json.dumps(header | {"typ": typ}).encode()))
        assert_problem(answer, 401, "token-invalid")


def test_another_secret_key_ends_the_tokens_of_the_page(owner: Client, settings: Settings) -> None:
    issued = mint_for_page(subject="owner", ttl=60)
    assert ask(issued).status == 200
    settings.SECRET_KEY = "another secret key of the service, of 50 characters"
    assert_problem(ask(issued), 401, "token-invalid")


def test_the_api_takes_no_session(browser: Browser) -> None:
    assert browser.get("/files").status_code == 401
