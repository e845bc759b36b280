"""Sign-in to the drive at an OpenID provider: the way there, the way back, and who is let in."""

from __future__ import annotations

import base64
import hashlib
import re
import time
from typing import Any
from urllib.parse import parse_qs

import pytest
from django.contrib.auth.hashers import make_password
from django.contrib.sessions.backends.db import SessionStore
from django.test import Client as Browser
from pytest_django.fixtures import Settings

from files.models import User
from files.services import openid
from tests.support import oidc_provider
from tests.support.tcp_proxy import TcpProxy
from tests.web.conftest import Person, moves_on_to

CALLBACK = "/sign-in/oidc/callback"


@pytest.fixture
def owner(db: None) -> User:
    return User.of_subject("owner")


def words(answer: Any) -> str:
    return " ".join(answer.content.decode().split())


def starts_again(answer: Any, status: int) -> bool:
    """Return whether an answer is the page that refuses, and has nothing of a session."""
    assert answer.status_code == status, answer.content
    assert "The sign-in did not work" in words(answer)
    assert '<a href="/">Start again</a>' in words(answer)
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert "no-store" in answer.headers["Cache-Control"]
    return "sessionid" not in answer.cookies


# The way there


@pytest.mark.parametrize("path", ["/sign-in/oidc", CALLBACK])
def test_without_a_provider_there_is_no_such_page(db: None, path: str) -> None:
    browser = Browser(raise_request_exception=False)
    assert browser.get(path).status_code == 404
    assert browser.post("/sign-in/oidc").status_code == 404
    assert 'action="/sign-in/oidc"' not in browser.get("/").content.decode()


def test_the_page_offers_the_provider_and_the_password(
    person: Person, line: TcpProxy, db: None
) -> None:
    page = person.browser.get("/")
    assert f"Sign in at 127.0.0.1:{line.port}" in words(page)
    assert 'action="/sign-in/oidc"' in words(page)
    assert 'action="/sign-in"' in words(page)
    assert "form-action 'self';" in page.headers["Content-Security-Policy"]
    by_address = person.browser.get("/sign-in/oidc")
    assert (by_address.status_code, by_address.headers["Location"]) == (303, "/")
    assert person.browser.post(CALLBACK).status_code == 405
    assert line.requests == 0


def test_a_start_without_its_csrf_token_is_refused_with_the_page(line: TcpProxy, db: None) -> None:
    browser = Browser(enforce_csrf_checks=True, raise_request_exception=False)
    refused = browser.post("/sign-in/oidc")
    assert refused.status_code == 403
    assert "The form was out of date" in words(refused)
    assert 'action="/sign-in/oidc"' in words(refused)
    assert line.requests == 0


def test_the_browser_is_sent_to_the_provider_with_a_challenge(
    person: Person, line: TcpProxy, db: None
) -> None:
    answer = person.start()
    assert person.address.startswith(f"{line.endpoint}/oauth2/authorize?")
    query = person.query()
    assert len(query.pop("code_challenge")) == 43
    assert len({query.pop("state"), query.pop("nonce")}) == 2
    assert query == {
        "response_type": "code",
        "client_id": "drive",
        "redirect_uri": "http://testserver/sign-in/oidc/callback",
        "scope": "openid",
        "code_challenge_method": "S256",
    }
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert "script-src" not in answer.headers["Content-Security-Policy"]
    cookie = answer.cookies["oidc"]
    kept = [cookie[name] for name in ("samesite", "httponly", "path", "max-age")]
    assert kept == ["Lax", True, "/sign-in/oidc", 600]
    first = person.query()
    person.start()
    for secret in ("state", "nonce", "code_challenge"):
        assert person.query()[secret] != first[secret]


# The way back


def test_a_callback_that_no_sign_in_began_starts_again(
    person: Person, line: TcpProxy, db: None
) -> None:
    for query in (
        "",
        "?code=a",
        "?code=a&state=b",
        "?state=",
        "?error=access_denied",
        "?state=%00",
    ):
        assert starts_again(person.browser.get(CALLBACK + query), 400)
    person.browser.cookies["oidc"] = "made:up:cookie"
    assert starts_again(person.browser.get(f"{CALLBACK}?code=a&state=b"), 400)
    assert line.requests == 0


def test_a_callback_without_a_code_asks_nobody(person: Person, line: TcpProxy, db: None) -> None:
    person.start()
    before = line.requests
    answer = person.browser.get(f"{CALLBACK}?state={person.query()['state']}&code=")
    assert starts_again(answer, 400)
    assert line.requests == before


def test_a_callback_of_another_browser_or_attempt_starts_again_and_keeps_the_one_under_way(
    person: Person, line: TcpProxy, owner: User
) -> None:
    other = Person()
    other.start()
    stolen = oidc_provider.sign_in(other.address, "stranger")
    person.start()
    mine = oidc_provider.sign_in(person.address, "owner")
    before = line.requests
    assert starts_again(person.come_back(stolen), 400)
    assert starts_again(Person().come_back(mine), 400)
    assert line.requests == before
    assert person.come_back(mine).status_code == 200


def test_a_callback_after_ten_minutes_starts_again(
    person: Person, line: TcpProxy, owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.time()
    with monkeypatch.context() as earlier:
        earlier.setattr("time.time", lambda: now - 601)
        person.start()
    assert starts_again(person.come_back(oidc_provider.sign_in(person.address, "owner")), 400)


def test_a_callback_works_once(person: Person, line: TcpProxy, owner: User) -> None:
    person.start()
    cookie = person.browser.cookies["oidc"].value
    address = oidc_provider.sign_in(person.address, "owner")
    assert person.come_back(address).status_code == 200
    person.browser.logout()
    assert starts_again(person.come_back(address), 400)
    # Whoever has kept the cookie cannot have the provider asked again.
    before = line.requests
    for code in ("", "made-up"):
        person.browser.cookies["oidc"] = cookie
        assert starts_again(person.come_back(f"{address}{code}"), 400)
    assert line.requests == before


@pytest.mark.once
def test_of_the_attempts_that_were_tried_the_latest_are_known_until_they_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(openid, "_TRIED_MAX", 2)
    tried, (first, second, third) = openid._Tried(), map(openid.Attempt.of, "abc")
    assert [tried.add(each) for each in (first, second, second)] == [True, True, False]
    assert [tried.add(each) for each in (third, second, first)] == [True, False, True]
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + openid.ATTEMPT_SECONDS + 1)
    assert tried.add(second)
    assert len(tried._ends) == 1


def test_a_provider_that_refuses_is_told_in_our_words(
    person: Person, line: TcpProxy, owner: User, caplog: pytest.LogCaptureFixture
) -> None:
    refused = person.sign_in(None)
    # This provider leaves the state away.
    assert starts_again(refused, 400)
    assert "The sign-in was cancelled" in words(refused)
    theirs = "&error=<b>theirs</b>&error_description=<script>stolen()</script>&code=a"
    refused = person.browser.get(f"{CALLBACK}?state={person.query()['state']}{theirs}")
    assert starts_again(refused, 403)
    for text in ("theirs", "stolen", "<script"):
        assert text not in words(refused)
        assert text not in caplog.text
    person.start()
    state = person.query()["state"]
    assert starts_again(person.browser.get(f"{CALLBACK}?state={state}&error=access_denied"), 403)
    assert "refused a sign-in: access_denied" in caplog.text


def test_the_user_of_the_sub_is_signed_in_by_a_page_that_moves_on(
    person: Person, line: TcpProxy, owner: User, caplog: pytest.LogCaptureFixture
) -> None:
    line.sent = bytearray()
    person.start()
    challenge = person.query()["code_challenge"]
    address = oidc_provider.sign_in(person.address, "owner")
    answer = person.come_back(address)
    assert answer.status_code == 200
    assert moves_on_to(answer) == "/"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert "no-store" in answer.headers["Cache-Control"]
    assert answer.cookies["sessionid"]["samesite"] == "Strict"
    assert answer.cookies["oidc"]["max-age"] == 0
    assert person.is_signed_in()
    token = person.browser.post("/token").json()["token"]
    me = person.browser.get("/me", headers={"Authorization": f"Bearer {token}"})
    assert me.json()["subject"] == "owner"
    head, _, body = bytes(line.sent).partition(b"POST /oauth2/token ")[2].partition(b"\r\n\r\n")
    verifier = re.findall(rb"code_verifier=([\w-]{43})", body)[0]
    digest = hashlib.sha256(verifier).digest()
    assert base64.urlsafe_b64encode(digest).decode().rstrip("=") == challenge
    proof = base64.b64encode(b"drive:our-secret")
    assert b"Authorization: Basic " + proof in head
    code = parse_qs(address.partition("?")[2])["code"][0]
    assert str(owner.pk) in caplog.text
    for secret in (code, verifier.decode(), person.query()["state"], person.query()["nonce"]):
        assert secret not in caplog.text
        assert secret not in words(answer)
    person.browser.post("/sign-out")
    assert not person.is_signed_in()


def test_a_public_client_has_no_proof_but_the_verifier(
    person: Person,
    line: TcpProxy,
    owner: User,
    settings: Settings,
    caplog: pytest.LogCaptureFixture,
) -> None:
    settings.OIDC_CLIENT_SECRET = None
    line.sent = bytearray()
    # The provider takes clients with a secret only.
    assert starts_again(person.sign_in("owner"), 400)
    assert "refused a sign-in: invalid_client" in caplog.text
    head, _, body = bytes(line.sent).partition(b"POST /oauth2/token ")[2].partition(b"\r\n\r\n")
    assert b"authorization" not in head.lower()
    form = parse_qs(body.decode())
    assert form["client_id"] == ["drive"]
    assert len(form["code_verifier"][0]) == 43


def test_a_session_that_was_there_before_is_not_taken_over(
    person: Person, line: TcpProxy, owner: User
) -> None:
    planted = SessionStore()
    planted["planted"] = True
    planted.create()
    key = str(planted.session_key)
    person.browser.cookies["sessionid"] = key
    assert person.sign_in("owner").status_code == 200
    assert person.browser.cookies["sessionid"].value != key
    assert not planted.exists(key)


# Who is let in


def test_an_unknown_sub_is_refused_whatever_else_is_the_same(
    person: Person, line: TcpProxy, db: None
) -> None:
    User.objects.create_user("owner", subject="another", email="owner")
    refused = person.sign_in("owner")
    assert starts_again(refused, 403)
    assert "You have no account here." in words(refused)
    assert User.objects.count() == 1


@pytest.mark.parametrize("sub", ["", " owner", "a\nb", "x" * 256])
def test_a_sub_that_no_token_may_have_is_refused(
    person: Person, line: TcpProxy, db: None, settings: Settings, sub: str
) -> None:
    settings.JWT_CREATE_USERS = True
    assert starts_again(person.sign_in(sub), 400)
    assert not User.objects.exists()


def test_an_inactive_user_is_refused(person: Person, line: TcpProxy, owner: User) -> None:
    User.objects.update(is_active=False)
    refused = person.sign_in("owner")
    assert starts_again(refused, 403)
    assert "Your account is not active." in words(refused)


def test_a_user_is_made_of_an_unknown_sub_where_tokens_make_one(
    person: Person, line: TcpProxy, db: None, settings: Settings
) -> None:
    settings.JWT_CREATE_USERS = True
    assert person.sign_in("newcomer").status_code == 200
    assert person.is_signed_in()
    user = User.objects.get(subject="newcomer")
    assert not user.has_usable_password()


@pytest.mark.parametrize("right", ["is_staff", "is_superuser"])
def test_staff_with_a_password_is_refused_until_the_password_is_gone(
    person: Person, line: TcpProxy, owner: User, right: str
) -> None:
    User.objects.update(**{right: True, "password": make_password("right")})
    refused = person.sign_in("owner")
    assert starts_again(refused, 403)
    assert "This account has rights in the admin and a password" in words(refused)
    User.objects.update(password=make_password(None))
    assert person.sign_in("owner").status_code == 200
    assert person.is_signed_in()
    if right == "is_superuser":
        User.objects.update(is_staff=True)
        assert person.browser.get("/admin/").status_code == 200


def test_a_session_of_the_provider_ends_with_rights_of_the_admin_or_without_the_provider(
    person: Person, line: TcpProxy, owner: User, settings: Settings
) -> None:
    User.objects.update(password=make_password("right"))
    assert person.sign_in("owner").status_code == 200
    assert person.is_signed_in()
    User.objects.update(is_staff=True)
    assert person.browser.get("/admin/").status_code == 302
    assert not person.is_signed_in()
    User.objects.update(is_staff=False)
    assert person.sign_in("owner").status_code == 200
    settings.AUTHENTICATION_BACKENDS = settings.AUTHENTICATION_BACKENDS[:-1]
    assert not person.is_signed_in()


def test_without_passwords_the_page_has_the_provider_only(
    person: Person, line: TcpProxy, settings: Settings, db: None
) -> None:
    User.objects.create_user("owner", password="right")
    settings.PASSWORD_SIGN_IN = False
    page = words(person.browser.get("/"))
    assert 'action="/sign-in/oidc"' in page
    assert 'type="password"' not in page
    refused = person.browser.post("/sign-in", {"username": "owner", "password": "right"})
    assert refused.status_code == 403
    assert "Passwords are not taken here." in words(refused)
    assert "sessionid" not in refused.cookies
