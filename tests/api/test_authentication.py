"""Bearer tokens: what is taken for one, and everything that only looks like one."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import jwt
import pytest
from pytest_django.fixtures import Settings

from files.models import User
from files.services.tokens import mint
from tests.support import wire
from tests.support.client import Client, assert_problem
from tests.support.tokens import LATER, NOW, ask, claims, encoded, signed, with_header

PUBLIC_KEY = """-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=
-----END PUBLIC KEY-----
"""


@pytest.fixture
def key(settings: Settings) -> bytes:
    return bytes(settings.JWT_SECRET.encode())


def with_exp(text: str) -> bytes:
    return b'{"sub":"owner","exp":%s}' % text.encode()


def test_a_good_token_is_accepted(owner: Client, key: bytes) -> None:
    assert ask(signed(claims(), key)).status == 200


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        pytest.param(claims(exp=NOW - 20), "token-expired", id="20 seconds ago"),
        pytest.param(with_exp("-1"), "token-expired", id="negative"),
        pytest.param(with_exp("0.5"), "token-expired", id="a float, long ago"),
        pytest.param(claims(exp=None), "token-invalid", id="missing"),
        pytest.param(with_exp("null"), "token-invalid", id="null"),
        pytest.param(with_exp(f'"{LATER}"'), "token-invalid", id="a string"),
        pytest.param(with_exp('"soon"'), "token-invalid", id="a word"),
        pytest.param(with_exp("true"), "token-expired", id="true"),
        pytest.param(with_exp(f"[{LATER}]"), "token-invalid", id="a list"),
        pytest.param(with_exp("{}"), "token-invalid", id="an object"),
        pytest.param(with_exp("1" + "0" * 400), "token-invalid", id="10^400"),
        pytest.param(with_exp("1" + "0" * 5000), "token-invalid", id="10^5000"),
        pytest.param(with_exp("1e400"), "token-invalid", id="1e400"),
        pytest.param(with_exp("Infinity"), "token-invalid", id="Infinity"),
        pytest.param(with_exp("NaN"), "token-invalid", id="NaN"),
        pytest.param(with_exp("253402300800"), "token-invalid", id="year 10000"),
    ],
)
def test_an_exp_that_is_past_or_no_time_is_refused(
    owner: Client, key: bytes, payload: bytes, code: str
) -> None:
    assert_problem(ask(signed(payload, key)), 401, code)


def test_an_exp_with_a_fraction_is_a_time(owner: Client, key: bytes) -> None:
    assert ask(signed(with_exp(f"{LATER}.5"), key)).status == 200


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"nbf": LATER}, id="nbf ahead"),
        pytest.param({"nbf": "soon"}, id="nbf a word"),
        pytest.param({"nbf": [0]}, id="nbf a list"),
        pytest.param({"nbf": 10**400}, id="nbf 10^400"),
        pytest.param({"nbf": float("inf")}, id="nbf Infinity"),
        pytest.param({"iat": LATER}, id="iat ahead"),
        pytest.param({"iat": "yesterday"}, id="iat a word"),
        pytest.param({"iat": {}}, id="iat an object"),
        pytest.param({"iat": float("nan")}, id="iat NaN"),
        pytest.param({"jti": 7}, id="jti a number"),
    ],
)
def test_other_registered_claims_that_cannot_be_are_refused(
    owner: Client, key: bytes, changes: dict[str, Any]
) -> None:
    assert_problem(ask(signed(claims(**changes), key)), 401, "token-invalid")


@pytest.mark.parametrize("changes", [{"nbf": NOW - 1}, {"iat": NOW - 1}, {"name": ["anything"]}])
def test_claims_that_are_in_order_or_not_ours_do_no_harm(
    owner: Client, key: bytes, changes: dict[str, Any]
) -> None:
    assert ask(signed(claims(**changes), key)).status == 200


def test_a_token_without_a_signature_is_refused(owner: Client) -> None:
    unsigned = jwt.encode({"sub": "owner", "exp": LATER}, "", algorithm="none")
    assert_problem(ask(unsigned), 401, "token-invalid")


@pytest.mark.parametrize(
    "header",
    [
        b'{"alg":"none"}',
        b'{"alg":"None"}',
        b'{"alg":"HS384"}',
        b'{"alg":"HS512"}',
        b'{"alg":"RS256"}',
        b'{"alg":"EdDSA"}',
        b'{"alg":""}',
        b'{"alg":null}',
        b'{"alg":["HS256"]}',
        b'{"typ":"JWT"}',
        b"{}",
        b"[]",
        b"null",
        b"",
        b"\xff",
        b'{"alg":"HS256","crit":["unknown"]}',
        b'{"alg":"HS256","crit":[]}',
        b'{"alg":"HS256","crit":"exp"}',
        b'{"alg":"HS256","crit":["unknown"],"unknown":1}',
        b'{"alg":"HS256","crit":["b64"],"b64":false}',
        b'{"alg":"HS256","b64":false}',
        b'{"alg":"HS256","kid":7}',
        b'{"alg":"HS256","x":' + b"[" * 4000 + b"]" * 1000 + b"}",
        b'{"alg":"HS256","x":' + b"1" * 5000 + b"}",
    ],
)
def test_a_header_that_names_another_way_of_signing_is_refused(
    owner: Client, key: bytes, header: bytes
) -> None:
    assert_problem(ask(signed(claims(), key, header=header)), 401, "token-invalid")


@pytest.mark.parametrize("digest", ["sha384", "sha512"])
def test_another_hmac_with_the_right_key_is_refused(owner: Client, key: bytes, digest: str) -> None:
    header = b'{"alg":"HS%s"}' % digest[3:].encode()
    assert_problem(ask(signed(claims(), key, header=header, digest=digest)), 401, "token-invalid")


@pytest.mark.parametrize(
    "other_key",
    [
        pytest.param(b"another key, also long enough, of 32+ bytes", id="another key"),
        pytest.param(b"", id="an empty key"),
        pytest.param(PUBLIC_KEY.encode(), id="a public key as the secret"),
        pytest.param(hashlib.sha256(PUBLIC_KEY.encode()).digest(), id="a hash of a public key"),
    ],
)
def test_a_token_signed_with_another_key_is_refused(owner: Client, other_key: bytes) -> None:
    assert_problem(ask(signed(claims(), other_key)), 401, "token-invalid")


def test_a_key_within_the_token_is_not_trusted(owner: Client) -> None:
    own = b"a key that whoever made the token chose"
    jwk = {"kty": "oct", "k": encoded(own).decode()}
    header = json.dumps({"alg": "HS256", "jwk": jwk, "jku": "http://localhost/keys"}).encode()
    assert_problem(ask(signed(claims(), own, header=header)), 401, "token-invalid")


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param(b"[" * 4000, id="a bomb of brackets"),
        pytest.param(b'{"a":' * 1000 + b"1" + b"}" * 1000, id="a bomb of objects"),
        pytest.param(b"[]", id="a list"),
        pytest.param(b'"owner"', id="a string"),
        pytest.param(b"null", id="null"),
        pytest.param(b"", id="empty"),
        pytest.param(b"\xff\xfe", id="not UTF-8"),
        pytest.param(b"{", id="broken"),
    ],
)
def test_a_payload_that_is_no_claims_is_refused(owner: Client, key: bytes, payload: bytes) -> None:
    assert_problem(ask(signed(payload, key)), 401, "token-invalid")


def test_a_changed_payload_or_signature_is_refused(owner: Client, key: bytes) -> None:
    header, payload, signature = signed(claims(), key).split(".")
    other = encoded(claims(sub="admin")).decode()
    for token in (
        f"{header}.{other}.{signature}",
        f"{header}.{payload}.{signature[::-1]}",
        f"{header}.{payload}.",
        f"{header}.{payload}",
        f"{header}.{payload}.{signature}.",
        f"{header}.{payload}.{signature}.{signature}",
        f".{payload}.{signature}",
        "..",
        "a",
    ):
        assert_problem(ask(token), 401, "token-invalid")


def test_a_token_of_a_megabyte_is_refused(owner: Client, key: bytes) -> None:
    long = signed(claims(padding="x" * (1 << 20)), key)
    assert len(long) > 1 << 20
    assert_problem(ask(long), 401, "token-invalid")


@pytest.mark.parametrize("name", ["Bearer", "bearer", "BEARER", "bEaReR"])
def test_the_scheme_may_be_written_in_any_case(owner: Client, name: str) -> None:
    assert with_header(f"{name} {owner.token}").status == 200


@pytest.mark.parametrize(
    "form",
    [
        "Bearer",
        "Bearer ",
        "Bearer{0}",
        "Bearer {0} {0}",
        "Bearer {0},{0}",
        "Bearer {0}, Bearer {0}",
        "Bearer,{0}",
        'Bearer "{0}"',
        "Bearer token={0}",
        "Bearer\t{0}",
        "Bearer {0}\xe9",
    ],
)
def test_a_bearer_header_of_another_form_is_refused(owner: Client, form: str) -> None:
    assert_problem(with_header(form.format(owner.token)), 401, "token-invalid")


@pytest.mark.parametrize("others", ["Bearer {0}", "bearer x", "Basic b3duZXI6cHc="])
def test_two_authorization_headers_are_refused(owner: Client, others: str) -> None:
    first, second = f"Bearer {owner.token}", others.format(owner.token)
    for pair in ((first, second), (second, first)):
        answer = wire.send("GET", "/files", [("authorization", value) for value in pair])
        assert answer.status == 401


@pytest.mark.parametrize("value", ["Basic b3duZXI6cHc=", "Digest a=b", "Token {0}", "{0}", ""])
def test_another_scheme_is_no_authentication(owner: Client, value: str) -> None:
    assert_problem(with_header(value.format(owner.token)), 401, "not-authenticated")


def test_a_token_in_the_query_or_a_cookie_is_no_authentication(owner: Client) -> None:
    for target, headers in (
        (f"/files?access_token={owner.token}", []),
        ("/files", [("cookie", f"access_token={owner.token}; Authorization=Bearer")]),
    ):
        assert_problem(wire.send("GET", target, headers), 401, "not-authenticated")


def test_a_session_of_the_admin_is_no_authentication(db: None) -> None:
    from django.test import Client as DjangoClient

    browser = DjangoClient()
    browser.force_login(User.objects.create_superuser("root"))
    assert browser.get("/files").status_code == 401


def test_the_challenge_says_whether_a_token_was_there(anonymous: Client) -> None:
    without = anonymous.get("/files")
    assert_problem(without, 401, "not-authenticated")
    assert without.headers["WWW-Authenticate"] == 'Bearer realm="remotedrive"'
    wrong = ask("a.b.c")
    expected = 'Bearer realm="remotedrive", error="invalid_token"'
    assert wrong.headers["WWW-Authenticate"] == expected


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/files/init-upload"),
        ("POST", "/files/commit"),
        ("GET", "/files"),
        ("GET", "/files/{id}"),
        ("PATCH", "/files/{id}"),
        ("DELETE", "/files/{id}"),
        ("POST", "/files/{id}/restore"),
        ("GET", "/files/{id}/download"),
        ("GET", "/files/{id}/versions"),
        ("GET", "/files/{id}/versions/1"),
        ("GET", "/files/{id}/versions/1/download"),
        ("GET", "/uploads"),
        ("GET", "/uploads/{id}"),
        ("DELETE", "/uploads/{id}"),
        ("POST", "/uploads/{id}/urls"),
        ("POST", "/shares"),
        ("GET", "/shares"),
        ("GET", "/shares/{id}"),
        ("DELETE", "/shares/{id}"),
        ("GET", "/shares/{id}/events"),
    ],
)
def test_everything_of_the_api_asks_for_a_token(anonymous: Client, method: str, path: str) -> None:
    path = path.format(id="01890a5d-ac96-774b-bcce-b302099a8057")
    assert_problem(anonymous.call(method, path), 401, "not-authenticated")


# A secret that is being replaced


@pytest.fixture
def old_key(settings: Settings) -> bytes:
    settings.JWT_SECRET_OLD = "the secret before this one, of 32 bytes and more"
    return bytes(settings.JWT_SECRET_OLD.encode())


def test_while_the_secret_is_replaced_both_verify(
    owner: Client, key: bytes, old_key: bytes
) -> None:
    assert ask(signed(claims(), old_key)).status == 200
    assert ask(signed(claims(), key)).status == 200


def test_what_the_old_secret_signed_ends_with_it(
    owner: Client, old_key: bytes, settings: Settings
) -> None:
    settings.JWT_SECRET_OLD = None
    assert_problem(ask(signed(claims(), old_key)), 401, "token-invalid")


@pytest.mark.parametrize("which", ["old", "new"])
def test_an_expired_token_is_expired_whichever_secret_signed_it(
    owner: Client, key: bytes, old_key: bytes, which: str
) -> None:
    token = signed(claims(exp=NOW - 20), old_key if which == "old" else key)
    assert_problem(ask(token), 401, "token-expired")


def test_an_old_secret_lets_no_third_one_in(owner: Client, old_key: bytes) -> None:
    other = b"another key, also long enough, of 32+ bytes"
    for payload in (claims(), claims(exp=NOW - 20)):
        assert_problem(ask(signed(payload, other)), 401, "token-invalid")
    unsigned = jwt.encode({"sub": "owner", "exp": LATER}, "", algorithm="none")
    assert_problem(ask(unsigned), 401, "token-invalid")


def test_a_new_token_is_signed_with_the_new_secret(key: bytes, old_key: bytes) -> None:
    token = mint(subject="owner", ttl=60)
    assert jwt.decode(token, key, algorithms=["HS256"])["sub"] == "owner"
    with pytest.raises(jwt.InvalidSignatureError):
        jwt.decode(token, old_key, algorithms=["HS256"])
