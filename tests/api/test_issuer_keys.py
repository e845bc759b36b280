"""Tokens of an outside issuer: its keys are fetched, kept and replaced, and nothing else opens."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import joserfc.jwt
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from joserfc.jwk import OKPKey
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm
from pytest_django.fixtures import Settings

from files import key_sets
from files.api import issuer_keys
from files.api.authentication import TokenInvalidError, valid_claims
from files.api.remembered import remembered_users
from remotedrive.fetching import Fetcher
from tests.support.client import Answer, Client, assert_problem
from tests.support.issuer import Issuer, Key, KeyServer, issuer_of, key_server
from tests.support.process import wait_for
from tests.support.tokens import NOW, ask, claims, encoded, signed

__all__ = ["key_server"]

ALGORITHMS = sorted(key_sets.ALGORITHMS - {"Ed25519"})
KEY = Key()
OTHER = Key(kid="two", number=2)
ELSEWHERE = b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"


@pytest.fixture
def issuer(key_server: KeyServer, settings: Settings) -> Iterator[Issuer]:
    """An issuer that publishes `KEY`, and the only one whose tokens are taken."""
    with issuer_of(key_server) as issuer:
        issuer.publish(KEY)
        settings.JWT_JWKS_URL, settings.JWT_SECRET = issuer.url, None
        yield issuer


def answered(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body


def refused(token: str) -> None:
    assert_problem(ask(token), 401, "token-invalid")


def wait_for_fetch() -> None:
    """Wait for the end of what was begun in the background."""
    issuer_keys.issuer_keys()._fetcher.wait(until=time.monotonic() + 30)


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_token_that_a_published_key_signed_opens_the_api(
    owner: Client, issuer: Issuer, algorithm: str, named: bool
) -> None:
    key = Key(algorithm, kid="a" if named else None)
    issuer.publish(Key("ES256" if algorithm != "ES256" else "EdDSA", kid="b"), key)
    assert ask(key.token()).status == 200


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "ES384", "ES512", "EdDSA"])
def test_a_key_that_does_not_name_its_algorithm_has_that_of_its_type(
    owner: Client, issuer: Issuer, algorithm: str
) -> None:
    key = Key(algorithm)
    issuer.publish(key.jwk(alg=None, use=None))
    assert ask(key.token()).status == 200


@pytest.mark.parametrize("published", ["Ed25519", "EdDSA", None])
def test_the_new_name_of_eddsa_is_taken_where_the_key_has_it(
    owner: Client, issuer: Issuer, published: str | None
) -> None:
    key = Key("EdDSA")
    issuer.publish(key.jwk(alg=published), OTHER)
    private = OKPKey.import_key(OKPAlgorithm.to_jwk(key.private, as_dict=True))
    header = {"alg": "Ed25519", "kid": key.kid}
    token = joserfc.jwt.encode(header, json.loads(claims()), private, algorithms=["Ed25519"])
    assert ask(token).status == (200 if published == "Ed25519" else 401)
    assert ask(key.token()).status == (401 if published == "Ed25519" else 200)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"exp": NOW - 20}, "token-expired"),
        ({"exp": None}, "token-invalid"),
        ({"sub": None}, "token-invalid"),
        ({"sub": 7}, "token-invalid"),
        ({"aud": "another"}, "token-invalid"),
        ({"iss": "https://another.example"}, "token-invalid"),
        ({"iss": None}, "token-invalid"),
        ({"sub": "nobody"}, "token-invalid"),
    ],
)
def test_a_signature_alone_is_not_enough(
    owner: Client, issuer: Issuer, settings: Settings, changes: dict[str, Any], code: str
) -> None:
    settings.JWT_ISSUER, settings.JWT_AUDIENCE = "https://issuer.example", "drive"
    good: dict[str, Any] = {"iss": "https://issuer.example", "aud": ["drive"]}
    assert ask(KEY.token(**good)).status == 200
    assert_problem(ask(KEY.token(**(good | changes))), 401, code)


# Attacks


def unsigned() -> str:
    return jwt.encode({"sub": "owner", "exp": NOW + 60}, "", "none", headers={"kid": KEY.kid})


def hmac_with(secret: bytes, **header: Any) -> str:
    named = json.dumps({"alg": "HS256", "kid": KEY.kid} | header).encode()
    return signed(claims(), secret, header=named)


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(unsigned, id="none"),
        pytest.param(lambda: hmac_with(KEY.public), id="HMAC with the PEM"),
        pytest.param(lambda: hmac_with(KEY.public.strip()), id="HMAC with the PEM, trimmed"),
        pytest.param(lambda: hmac_with(json.dumps(KEY.jwk()).encode()), id="HMAC with the JWK"),
        pytest.param(lambda: hmac_with(KEY.jwk()["x"].encode()), id="HMAC with a coordinate"),
        pytest.param(lambda: hmac_with(b""), id="HMAC with nothing"),
        pytest.param(lambda: hmac_with(b"None"), id="HMAC with no secret's name"),
        pytest.param(
            lambda: hmac_with(KEY.public, typ="remotedrive-page+jwt"), id="HMAC as the page"
        ),
        pytest.param(
            lambda: OTHER.token(header={"kid": "one", "jwk": OTHER.jwk()}), id="a key in the token"
        ),
        pytest.param(
            lambda: OTHER.token(header={"kid": "one", "x5c": ["MIIB"], "x5t": "a"}),
            id="a certificate in the token",
        ),
        pytest.param(lambda: Key(kid="one", number=2).token(), id="another key of that name"),
        pytest.param(lambda: Key("EdDSA").token(), id="another algorithm of that name"),
        pytest.param(lambda: Key(kid=None, number=2).token(), id="another key without a name"),
    ],
)
def test_what_no_published_key_signed_is_refused(owner: Client, issuer: Issuer, make: Any) -> None:
    refused(make())
    assert ask(KEY.token()).status == 200


@pytest.mark.parametrize("header", ["jku", "x5u"])
def test_no_key_is_fetched_from_where_a_token_says(
    owner: Client, issuer: Issuer, key_server: KeyServer, header: str
) -> None:
    with issuer_of(key_server) as attacker:
        attacker.publish(Key(number=2), OTHER)
        for key in (Key(number=2), OTHER):
            refused(key.token(header={header: attacker.url}))
        assert attacker.proxy.requests == 0


@pytest.mark.parametrize("algorithm", ["RS512", "PS256", "ES256"])
def test_a_token_does_not_choose_the_algorithm_of_a_key(
    owner: Client, issuer: Issuer, algorithm: str
) -> None:
    issuer.publish(Key("RS256"))
    refused(Key(algorithm).token())


@pytest.mark.parametrize(
    "changes",
    [
        {"use": "enc"},
        {"key_ops": ["encrypt"]},
        {"key_ops": "verify"},
        {"alg": "HS256"},
        {"alg": "none"},
        {"alg": ["ES256"]},
        {"alg": "ES384"},
        {"alg": "Ed25519"},
        {"crv": "P-384"},
        {"crv": "secp256k1"},
        {"x": "AA"},
        {"x": 7},
        {"kty": "oct", "k": "YQ"},
        {"kty": "RSA"},
        {"kty": ["EC"]},
        {"kty": None},
        {"kid": 7},
        {"kid": ["one"]},
    ],
)
def test_a_member_that_is_no_key_for_signatures_leaves_the_others_usable(
    owner: Client, issuer: Issuer, changes: dict[str, Any]
) -> None:
    issuer.publish(KEY.jwk(**changes), OTHER)
    assert ask(OTHER.token()).status == 200
    refused(KEY.token())


def test_a_private_key_that_was_published_verifies_nothing(owner: Client, issuer: Issuer) -> None:
    private = ECAlgorithm.to_jwk(KEY.private, as_dict=True)
    assert "d" in private
    issuer.publish(KEY.jwk(d=private["d"]), OTHER)
    assert ask(OTHER.token()).status == 200
    refused(KEY.token())


def test_a_secret_key_in_a_set_verifies_nothing(owner: Client, issuer: Issuer) -> None:
    secret = b"a secret that the issuer has published"
    oct_key = {"kty": "oct", "kid": "secret", "alg": "HS256", "k": encoded(secret).decode()}
    issuer.publish(KEY, oct_key)
    assert ask(KEY.token()).status == 200
    refused(hmac_with(secret, kid="secret"))


def test_a_key_that_is_too_short_verifies_nothing(owner: Client, issuer: Issuer) -> None:
    short = rsa.generate_private_key(65537, 1024)
    jwk = RSAAlgorithm.to_jwk(short.public_key(), as_dict=True) | {"kid": "short"}
    issuer.publish(KEY, jwk)
    assert ask(KEY.token()).status == 200
    with pytest.warns(Warning, match="1024"):
        refused(jwt.encode({"sub": "owner"}, short, "RS256", headers={"kid": "short"}))


@pytest.mark.parametrize(
    "kid",
    [
        *("7", "null", "true", "[]", '["one"]', '{"a":1}', '""', '"\\ud800"', '"one\\u0000"'),
        *('"One"', '" one"', '"../one"', '"' + "a" * 3000 + '"', '"' + "a" * (1 << 20) + '"'),
    ],
)
def test_a_kid_of_any_kind_that_is_none_of_the_set_is_refused(
    owner: Client, issuer: Issuer, kid: str
) -> None:
    assert ask(KEY.token()).status == 200
    header = b'{"alg":"ES256","kid":%s}' % kid.encode()
    refused(signed(claims(), b"x" * 40, header=header))


# Secrets beside an issuer


def test_a_secret_and_an_issuer_are_each_taken_for_their_own_algorithms(
    owner: Client, issuer: Issuer, settings: Settings
) -> None:
    settings.JWT_SECRET = "a secret beside the issuer, of 32 bytes and more"
    settings.JWT_SECRET_OLD = "the one before it, also of 32 bytes and more"
    for secret in (settings.JWT_SECRET, settings.JWT_SECRET_OLD):
        assert ask(signed(claims(), secret.encode())).status == 200
    assert ask(KEY.token()).status == 200
    refused(hmac_with(KEY.public))
    assert issuer.proxy.requests == 1


# Fetching


def test_the_keys_are_fetched_once_for_many_requests(owner: Client, issuer: Issuer) -> None:
    issuer.publish(KEY, OTHER)
    assert [ask(key.token()).status for key in (KEY, OTHER) * 3] == [200] * 6
    assert issuer.proxy.requests == 1


def test_a_key_that_the_issuer_begins_to_use_is_found_and_others_are_asked_for_once_a_minute(
    owner: Client, issuer: Issuer
) -> None:
    assert ask(KEY.token()).status == 200
    issuer.publish(KEY, OTHER)
    assert ask(OTHER.token()).status == 200
    assert issuer.proxy.requests == 2
    for number in range(5):
        refused(Key(kid=f"unknown-{number}").token())
    assert issuer.proxy.requests == 2


def test_a_new_key_without_a_name_is_found(owner: Client, issuer: Issuer) -> None:
    old, new = Key(kid=None), Key(kid=None, number=2)
    issuer.publish(old)
    assert ask(old.token()).status == 200
    issuer.publish(new)
    assert ask(new.token()).status == 200
    refused(old.token())


def test_keys_that_another_request_had_fetched_meanwhile_are_tried(issuer: Issuer) -> None:
    old, new = Key(kid=None), Key(kid=None, number=2)
    issuer.publish(old)
    keys = issuer_keys.IssuerKeys(issuer.url, waiters=2)
    first = keys.candidates(None, "ES256")
    next(first)
    issuer.publish(new)
    assert len(list(keys.candidates(None, "ES256"))) == 2
    assert len(list(first)) == 1
    assert issuer.proxy.requests == 2


def test_all_who_bring_an_unknown_key_at_once_share_one_fetch(issuer: Issuer) -> None:
    valid_claims(KEY.token())
    issuer.publish(KEY, OTHER)
    token, together = OTHER.token(), threading.Barrier(8)

    def come(_number: int) -> Any:
        together.wait(timeout=30)
        return valid_claims(token)["sub"]

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(come, range(8))) == ["owner"] * 8
    assert issuer.proxy.requests == 2


RUBBISH = {
    "nothing": answered(b""),
    "no JSON": answered(b"<html>"),
    "a list": answered(b"[]"),
    "no keys": answered(b'{"keys": []}'),
    "keys of another kind": answered(b'{"keys": "ES256"}'),
    "no usable key": answered(b'{"keys": [{"kty": "oct", "k": "YQ"}, 7, null]}'),
    "too deep": answered(b"[" * 100_000),
    "too large": answered(json.dumps({"keys": [OTHER.jwk()]}).encode() + b" " * (1 << 20)),
    "cut": answered(json.dumps({"keys": [OTHER.jwk()]}).encode())[:-20],
    "an error": b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n",
    "elsewhere": ELSEWHERE,
    "no HTTP": b"\0" * 100,
}


@pytest.mark.parametrize("rubbish", RUBBISH.values(), ids=RUBBISH)
def test_an_issuer_that_answers_rubbish_changes_nothing(
    owner: Client, issuer: Issuer, rubbish: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    issuer.proxy.answer(rubbish)
    answer = assert_unavailable(ask(KEY.token()))
    assert 1 <= int(answer.headers["Retry-After"]) <= 5
    assert_unavailable(ask(Key(kid="unknown").token()))
    assert issuer.proxy.requests == 1, "a new attempt has to wait"
    monkeypatch.setattr(issuer_keys, "RETRY_SECONDS_WITHOUT_KEYS", 0)
    issuer.proxy.pass_on()
    assert ask(KEY.token()).status == 200
    issuer.publish(OTHER)
    issuer.proxy.answer(rubbish)
    refused(OTHER.token())
    assert issuer.proxy.requests == 3
    assert ask(KEY.token()).status == 200


def assert_unavailable(answer: Answer) -> Answer:
    assert_problem(answer, 503, "unavailable")
    return answer


@pytest.mark.parametrize(
    "fault", [*(pytest.param(name, marks=pytest.mark.slow) for name in ("hold", "drip")), "refuse"]
)
def test_while_the_issuer_hangs_known_keys_go_on_and_an_unknown_one_is_refused_in_time(
    owner: Client, issuer: Issuer, fault: str
) -> None:
    assert ask(KEY.token()).status == 200
    if fault == "drip":
        issuer.proxy.drip(0.1, after=20)
    else:
        getattr(issuer.proxy, fault)()
    begun = time.monotonic()
    refused(OTHER.token())
    assert time.monotonic() - begun < 2
    assert ask(KEY.token()).status == 200


def test_of_those_with_an_unknown_key_few_wait_for_an_issuer_that_hangs(
    issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = issuer_keys.IssuerKeys(issuer.url, waiters=1)
    assert list(keys.candidates("one", "ES256"))
    issuer.proxy.hold()
    monkeypatch.setattr(issuer_keys, "WAIT_SECONDS", 60)
    with ThreadPoolExecutor(5) as threads:
        first = threads.submit(lambda: list(keys.candidates("unknown", "ES256")))
        wait_for(lambda: keys._fetcher._waiting == 1)
        others = threads.map(lambda _: list(keys.candidates("unknown", "ES256")), range(4))
        assert list(others) == [[]] * 4
        assert keys._fetcher.under_way
        assert not first.done()
        issuer.proxy.refuse()
    assert first.result() == []


def test_an_old_set_is_fetched_again_while_requests_go_on_with_it(
    owner: Client, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ask(KEY.token()).status == 200
    monkeypatch.setattr(issuer_keys, "REFRESH_SECONDS", 0.001)
    assert ask(KEY.token()).status == 200
    assert not issuer_keys.issuer_keys()._fetcher.under_way, "less than a minute after the last"
    monkeypatch.setattr(issuer_keys, "RETRY_SECONDS", 0)
    monkeypatch.setattr(issuer_keys, "WAIT_SECONDS", 0.1)
    issuer.proxy.hold()
    assert ask(KEY.token()).status == 200
    assert issuer_keys.issuer_keys()._fetcher.under_way


def test_a_key_that_the_issuer_took_back_is_refused_after_the_next_fetch_also_where_remembered(
    owner: Client, issuer: Issuer, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.AUTH_CACHE_SECONDS = 60
    issuer.publish(KEY, OTHER)
    token = KEY.token()
    assert ask(token).status == 200
    issuer.publish(OTHER)
    assert ask(token).status == 200
    assert remembered_users.get(token) is not None
    monkeypatch.setattr(issuer_keys, "REFRESH_SECONDS", 0)
    monkeypatch.setattr(issuer_keys, "RETRY_SECONDS", 0)
    assert ask(OTHER.token()).status == 200
    wait_for_fetch()
    monkeypatch.undo()
    refused(token)
    remembered_users.forget_everyone()


def test_a_set_that_nobody_used_for_long_is_not_used_before_it_is_fetched_again(
    owner: Client, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ask(KEY.token()).status == 200
    issuer.publish(OTHER)
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + 2 * issuer_keys.REFRESH_SECONDS)
    monkeypatch.setattr(issuer_keys, "WAIT_SECONDS", 30)
    refused(KEY.token())


@pytest.mark.once
def test_only_so_many_wait_for_a_fetch_and_the_others_a_moment() -> None:
    go_on = threading.Event()
    fetcher = Fetcher(lambda: go_on.wait(60), what="a test", waiters=1)
    assert fetcher.begin(at_most_every=0)
    far = time.monotonic() + 60
    first = threading.Thread(target=fetcher.wait, kwargs={"until": far})
    first.start()
    while not fetcher._waiting:
        time.sleep(0.001)
    fetcher.wait(until=far)
    assert fetcher.under_way
    assert first.is_alive()
    go_on.set()
    first.join(30)
    assert fetcher.latest is True


def test_a_token_that_was_being_verified_when_its_key_went_is_not_remembered(
    owner: Client,
) -> None:
    saves = remembered_users.saves()
    remembered_users.forget_everyone()
    remembered_users.add("token", owner.user, expires_at=time.time() + 60, saves=saves)
    assert remembered_users.get("token") is None


def test_an_invalid_token_is_refused_without_asking_for_keys(owner: Client, issuer: Issuer) -> None:
    for token in (unsigned(), hmac_with(KEY.public), "a.b.c"):
        with pytest.raises(TokenInvalidError):
            valid_claims(token)
    assert issuer.proxy.requests == 0
