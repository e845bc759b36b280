"""A provider that is down, hangs, or answers something else: plain words, 503, and no more."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from pytest_django.fixtures import Settings

from files.exceptions import BusyError
from files.models import User
from files.services import openid
from tests.support import oidc_provider
from tests.support.oidc_provider import Provider
from tests.support.process import wait_for
from tests.support.tcp_proxy import TcpProxy, response
from tests.web.conftest import Person

Break = Callable[[TcpProxy], None]

pytestmark = pytest.mark.once

CALLBACK = "/sign-in/oidc/callback"
WELL_KNOWN = "/.well-known/openid-configuration"
BREAKS: dict[str, Break] = {
    "stopped": lambda line: line.refuse(),
    "hangs": lambda line: line.hold(),
    "drips its head": lambda line: line.drip(0.05),
    "drips its body": lambda line: line.drip(0.05, after=250),
    "ends within its head": lambda line: line.cut(30),
    "ends within its body": lambda line: line.cut(300),
    "resets": lambda line: line.cut(0, reset=True),
    "is no HTTP": lambda line: line.answer(b"SSH-2.0-OpenSSH_9.2\r\n"),
    "fails": lambda line: line.answer(response("500 Internal Server Error")),
    "is not found": lambda line: line.answer(response("404 Not Found")),
    "redirects": lambda line: line.answer(
        b"HTTP/1.1 307 Temporary Redirect\r\nLocation: http://127.0.0.1:1/\r\n"
        b"Content-Length: 0\r\nConnection: close\r\n\r\n"
    ),
    "is too large": lambda line: line.answer(response("200 OK", b" " * (2 << 20))),
    "is zipped badly": lambda line: line.answer(
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc"
    ),
}
NONSENSE: dict[str, Break] = {
    "is a page": lambda line: line.answer(response("200 OK", b"<html>")),
    "is a list": lambda line: line.answer(response("200 OK", b"[]")),
    "is nested deeply": lambda line: line.answer(response("200 OK", b"[" * 100_000)),
}


def each(breaks: dict[str, Break], quick: tuple[str, ...] = ()) -> pytest.MarkDecorator:
    cases = [
        pytest.param(break_, id=name, marks=[] if name in quick else [pytest.mark.slow])
        for name, break_ in breaks.items()
    ]
    return pytest.mark.parametrize("break_", cases)


def assert_away(answer: Any) -> None:
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "60"
    said = answer.content.decode()
    assert "The sign-in service does not answer. Try again in a minute." in said
    assert "sessionid" not in answer.cookies


@each(BREAKS | NONSENSE, quick=("stopped", "hangs", "is nested deeply"))
def test_a_provider_that_does_not_answer_is_said_so_on_the_sign_in_page(
    person: Person, line: TcpProxy, db: None, break_: Break, monkeypatch: pytest.MonkeyPatch
) -> None:
    break_(line)
    monkeypatch.setattr(openid, "_SECONDS", 0.3)
    away = person.start()
    assert_away(away)
    assert 'type="password"' in away.content.decode()
    assert "oidc" not in away.cookies
    line.pass_on()
    monkeypatch.undo()
    assert person.start().status_code == 200


@each(BREAKS, quick=("stopped",))
@pytest.mark.parametrize("step", ["token", "keys"])
def test_a_provider_that_goes_away_meanwhile_is_said_so_on_the_way_back(
    person: Person,
    line: TcpProxy,
    db: None,
    break_: Break,
    step: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    User.of_subject("owner")
    person.start()
    address = oidc_provider.sign_in(person.address, "owner")
    break_(line)
    line._fault.only = b"POST /oauth2/token" if step == "token" else b"GET /jwks"
    monkeypatch.setattr(openid, "_SECONDS", 1)
    assert_away(person.come_back(address))
    line.pass_on()
    monkeypatch.undo()
    assert person.sign_in("owner").status_code == 200


@each(NONSENSE)
@pytest.mark.parametrize("step", ["token", "keys"])
def test_nonsense_on_the_way_back_signs_nobody_in(
    person: Person, line: TcpProxy, db: None, break_: Break, step: str
) -> None:
    User.of_subject("owner")
    person.start()
    address = oidc_provider.sign_in(person.address, "owner")
    break_(line)
    line._fault.only = b"POST /oauth2/token" if step == "token" else b"GET /jwks"
    refused = person.come_back(address)
    assert refused.status_code in (400, 503)
    assert "sessionid" not in refused.cookies


WRONG_METADATA: tuple[dict[str, Any], ...] = (
    {"issuer": "http://127.0.0.1:1"},
    {"issuer": None},
    {"authorization_endpoint": None},
    {"authorization_endpoint": "javascript:alert(1)"},
    {"authorization_endpoint": "http://provider.example/authorize"},
    {"token_endpoint": 1},
    {"token_endpoint": "http://provider.example/token"},
    {"jwks_uri": ["http://127.0.0.1:1"]},
)


def test_metadata_of_another_issuer_or_without_https_is_not_taken(
    person: Person, line: TcpProxy, db: None
) -> None:
    endpoints = ("authorization_endpoint", "token_endpoint", "jwks_uri")
    right = {"issuer": line.endpoint} | {name: f"{line.endpoint}/{name}" for name in endpoints}
    for changes in WRONG_METADATA:
        line.answer(response("200 OK", json.dumps(right | changes).encode()))
        assert_away(person.start())
    # Authlib would take its own options from there, as `verify` for certificates.
    more = {"verify": False, "code_challenge_method": "plain", "scope": "all", "response_type": "x"}
    line.answer(response("200 OK", json.dumps(right | more).encode()))
    assert person.start().status_code == 200
    query = person.query()
    assert [query[name] for name in ("scope", "code_challenge_method", "response_type")] == [
        *("openid", "S256", "code")
    ]


def test_metadata_and_keys_are_asked_for_once(person: Person, line: TcpProxy, db: None) -> None:
    User.of_subject("owner")
    line.received = []
    for _ in range(3):
        assert person.sign_in("owner").status_code == 200
    asked = [request.split(b" ", 2)[1].partition(b"?")[0] for request in line.received]
    assert asked.count(WELL_KNOWN.encode()) == 1
    assert asked.count(b"/jwks") == 1
    assert asked.count(b"/oauth2/token") == 3


@pytest.mark.slow
def test_new_keys_of_a_provider_that_does_not_name_them_are_read_by_the_next_sign_in(
    person: Person, line: TcpProxy, db: None, provider: Provider
) -> None:
    User.of_subject("owner")
    assert person.sign_in("owner").status_code == 200
    provider.stop()
    assert_away(person.browser.get(f"{CALLBACK}?code=a&state={began(person)}"))
    provider.start()
    assert [person.sign_in("owner").status_code for _ in range(3)] == [400, 200, 200]


def began(person: Person) -> str:
    """Begin a sign-in, for which nothing is asked any more, and return its state."""
    assert person.start().status_code == 200
    return person.query()["state"]


def asked_from(address: str, seed: str) -> type[Exception]:
    """Come back to the service with a code that is none; return what is raised."""
    try:
        openid.subject_of_code(openid.Attempt.of(seed), "none", address)
    except Exception as error:
        return type(error)
    raise AssertionError


def test_one_network_keeps_nobody_else_from_a_provider_that_hangs(
    line: TcpProxy, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.THREADS = 16
    monkeypatch.setattr(openid, "_SECONDS", 30)
    openid.authorization_url(openid.Attempt.of("first"), "192.0.2.1")
    line.hold()
    with ThreadPoolExecutor(4) as threads:
        same = [threads.submit(asked_from, f"192.0.2.{i}", f"same {i}") for i in range(4)]
        wait_for(lambda: sum(each.done() for each in same) == 2)
        assert {each.result() for each in same if each.done()} == {BusyError}
        assert openid.authorization_url(openid.Attempt.of("start"), "192.0.2.1")
        line.pass_on()
        assert asked_from("198.51.100.1", "other") is openid.SignInRejectedError
        line.refuse()


def test_few_threads_wait_for_a_provider_that_hangs(
    line: TcpProxy, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.THREADS = 16
    monkeypatch.setattr(openid, "_SECONDS", 30)
    monkeypatch.setattr(openid._places(), "_seconds", 0.1)
    line.hold()
    outcomes: list[type[Exception]] = []

    def ask(number: int) -> None:
        try:
            openid.authorization_url(openid.Attempt.of("seed"), f"192.0.{number}.1")
        except Exception as error:
            outcomes.append(type(error))

    with ThreadPoolExecutor(8) as threads:
        waiting = [threads.submit(ask, number) for number in range(8)]
        wait_for(lambda: len(outcomes) == 6)
        assert outcomes == [BusyError] * 6
        line.refuse()
    assert all(each.done() for each in waiting)
    assert outcomes[6:] == [openid.ProviderUnavailableError] * 2


def test_with_few_threads_one_may_wait_for_a_place(line: TcpProxy, settings: Settings) -> None:
    settings.THREADS = 2
    openid.authorization_url(openid.Attempt.of("first"), "192.0.2.1")
    with ThreadPoolExecutor(1) as threads:
        with openid._places().hold({}):
            waits = threads.submit(asked_from, "192.0.2.1", "few threads")
            wait_for(lambda: bool(openid._places()._waiting) or waits.done())
        assert waits.result() is openid.SignInRejectedError


def test_a_browser_is_told_when_too_many_wait(
    person: Person,
    line: TcpProxy,
    settings: Settings,
    db: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings.THREADS = 2
    monkeypatch.setattr(openid._places(), "_seconds", 0.1)
    with openid._places().hold({}):
        busy = person.start()
    assert busy.status_code == 503
    assert busy.headers["Retry-After"] == "1"
    assert "The service is busy." in busy.content.decode()
