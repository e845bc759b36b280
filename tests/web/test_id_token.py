"""ID tokens that do not vouch for anyone (OpenID Connect Core 1.0, section 3.1.3.7).

The provider's answers are replaced on the line: its tokens, and where its keys are.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import joserfc.jwt
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from joserfc.jwk import OKPKey

from files.models import User
from tests.support import oidc_provider
from tests.support.oidc_provider import Provider
from tests.support.tcp_proxy import TcpProxy, response
from tests.web.conftest import Person

pytestmark = pytest.mark.once

KEYS: dict[str, Any] = {
    "RS256": rsa.generate_private_key(public_exponent=65537, key_size=2048),
    "ES256": ec.generate_private_key(ec.SECP256R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate(),
}
OTHER = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PUBLIC = KEYS["RS256"].public_key()
PEM = PUBLIC.public_bytes(
    serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
)
Claims = dict[str, Any]
Ends = Callable[..., Any]


def published(*jwks: Any, **private: Any) -> bytes:
    """Return the response with `jwks`, and the public part of these keys, each under its name."""
    made = [*jwks]
    for name, key in private.items():
        algorithm = jwt.get_algorithm_by_name(name if name in KEYS else "RS256")
        jwk: Any = algorithm.to_jwk(key.public_key(), as_dict=True)
        made.append(jwk | {"kid": name, "use": "sig"})
    return response("200 OK", json.dumps({"keys": made}).encode())


@pytest.fixture
def keys(provider: Provider) -> Iterator[TcpProxy]:
    """Where the keys are."""
    with TcpProxy(provider.address) as proxy:
        proxy.answer(published(**KEYS))
        yield proxy


@pytest.fixture
def ends(person: Person, line: TcpProxy, keys: TcpProxy, db: None) -> Ends:
    """Sign in, where the provider answers with what a function makes of the right claims."""
    User.of_subject("owner")
    metadata = {
        "issuer": line.endpoint,
        "authorization_endpoint": f"{line.endpoint}/oauth2/authorize",
        "token_endpoint": f"{line.endpoint}/oauth2/token",
        "jwks_uri": f"{keys.endpoint}/jwks",
        "id_token_signing_alg_values_supported": ["none", "HS256", "RS512", *KEYS],
    }

    def run(token_of: Callable[[Claims], Any], **members: Any) -> Any:
        described = response("200 OK", json.dumps(metadata).encode())
        line.answer(described, only=b"GET /.well-known/openid-configuration")
        person.start()
        address = oidc_provider.sign_in(person.address, "owner")
        now = int(time.time())
        claims = {
            "iss": line.endpoint,
            "aud": "drive",
            "sub": "owner",
            "iat": now,
            "exp": now + 60,
            "nonce": person.query()["nonce"],
        }
        answer = {"access_token": "a", "token_type": "Bearer", "id_token": token_of(claims)}
        body = json.dumps(answer | members).encode()
        line.answer(response("200 OK", body), only=b"POST /oauth2/token")
        return person.come_back(address)

    return run


def signed(
    claims: Claims, algorithm: str = "RS256", key: Any = None, kid: str | None = None
) -> str:
    key = key or KEYS[algorithm]
    return jwt.encode(claims, key, algorithm=algorithm, headers={"kid": kid or algorithm})


def without(claims: Claims, name: str) -> Claims:
    return {key: value for key, value in claims.items() if key != name}


def hmac_by(key: bytes, kid: str = "RS256") -> Callable[[Claims], str]:
    """Return what signs with HMAC, also with a key that PyJWT takes for a public one."""

    def token_of(claims: Claims) -> str:
        # PyJWT refuses a PEM as the secret of HMAC; the bytes are what counts.
        registered = jwt.get_algorithm_by_name("HS256")
        head, payload = (
            jwt.utils.base64url_encode(json.dumps(part).encode())
            for part in ({"alg": "HS256", "kid": kid}, claims)
        )
        signing_input = head + b"." + payload
        signature = registered.sign(signing_input, key)
        return (signing_input + b"." + jwt.utils.base64url_encode(signature)).decode()

    return token_of


@pytest.mark.parametrize("algorithm", KEYS)
def test_a_right_token_signs_in(ends: Ends, person: Person, algorithm: str) -> None:
    assert ends(lambda claims: signed(claims, algorithm)).status_code == 200
    assert person.is_signed_in()


BRAINPOOL = {"kty": "EC", "crv": "brainpoolP256r1", "kid": "a", "x": "AA", "y": "AA"}
SHORT = rsa.generate_private_key(public_exponent=65537, key_size=1024)


def test_keys_that_cannot_be_used_leave_the_others_usable(ends: Ends, keys: TcpProxy) -> None:
    good: Any = jwt.get_algorithm_by_name("ES256")
    members = good.to_jwk(KEYS["ES256"].public_key(), as_dict=True)
    more: list[Any] = [7, None, BRAINPOOL, members | {"kid": 7}, members | {"x5c": 7}]
    more += [members | {"kid": "a", "use": "enc"}, {"kty": "oct", "kid": "a", "k": "YQ"}]
    keys.answer(published(*more, **KEYS, short=SHORT))
    assert ends(signed).status_code == 200
    with pytest.warns(Warning, match="1024"):
        refused = ends(lambda claims: signed(claims, key=SHORT, kid="short"))
    assert refused.status_code == 400


def test_the_new_name_of_eddsa_signs_in(ends: Ends, keys: TcpProxy) -> None:
    key = OKPKey.import_key(KEYS["EdDSA"])
    keys.answer(published(key.as_dict(private=False) | {"alg": "Ed25519", "kid": "a"}))
    header = {"alg": "Ed25519", "kid": "a"}

    def token_of(claims: Claims) -> str:
        return joserfc.jwt.encode(header, claims, key, algorithms=["Ed25519"])

    assert ends(token_of).status_code == 200


def test_a_key_that_is_new_is_read_at_once(ends: Ends, keys: TcpProxy) -> None:
    assert ends(signed).status_code == 200
    keys.answer(published(new=OTHER))
    assert ends(lambda claims: signed(claims, key=OTHER, kid="new")).status_code == 200
    assert keys.requests == 2
    assert ends(lambda claims: signed(claims, key=OTHER, kid="new")).status_code == 200
    assert keys.requests == 2


def test_an_audience_of_several_names_the_client(ends: Ends) -> None:
    several = {"aud": ["drive", "other"], "azp": "drive"}
    assert ends(lambda claims: signed(claims | several)).status_code == 200


WRONG: dict[str, Callable[[Claims], Any]] = {
    "another issuer": lambda claims: signed(claims | {"iss": "http://127.0.0.1:1"}),
    "an issuer with a slash": lambda claims: signed(claims | {"iss": claims["iss"] + "/"}),
    "no issuer": lambda claims: signed(without(claims, "iss")),
    "another audience": lambda claims: signed(claims | {"aud": "other"}),
    "another audience, our azp": lambda claims: signed(claims | {"aud": "other", "azp": "drive"}),
    "no audience": lambda claims: signed(without(claims, "aud")),
    "an empty audience": lambda claims: signed(claims | {"aud": []}),
    "several audiences, no azp": lambda claims: signed(claims | {"aud": ["drive", "other"]}),
    "another azp": lambda claims: signed(claims | {"azp": "other"}),
    "expired": lambda claims: signed(claims | {"exp": claims["iat"] - 60}),
    "no end": lambda claims: signed(without(claims, "exp")),
    "an end that is text": lambda claims: signed(claims | {"exp": "tomorrow"}),
    "made tomorrow": lambda claims: signed(claims | {"iat": claims["iat"] + 86_400}),
    "not yet valid": lambda claims: signed(claims | {"nbf": claims["iat"] + 86_400}),
    "another nonce": lambda claims: signed(claims | {"nonce": "another"}),
    "no nonce": lambda claims: signed(without(claims, "nonce")),
    "no sub": lambda claims: signed(without(claims, "sub")),
    "a blank sub": lambda claims: signed(claims | {"sub": " "}),
    "a hash of another access token": lambda claims: signed(claims | {"at_hash": "AAAA"}),
    "no signature": lambda claims: jwt.encode(claims, "", algorithm="none"),
    "no signature, a kid": lambda claims: jwt.encode(
        claims, "", algorithm="none", headers={"kid": "RS256"}
    ),
    "HMAC with the public key": hmac_by(PEM),
    "HMAC with the client's secret": hmac_by(b"our-secret"),
    "HMAC with nothing": hmac_by(b""),
    "another key": lambda claims: signed(claims, key=OTHER),
    "an unknown key": lambda claims: signed(claims, key=OTHER, kid="other"),
    "the key of another algorithm": lambda claims: signed(claims, kid="ES256"),
    "an algorithm that is not allowed": lambda claims: signed(claims, "RS512", KEYS["RS256"]),
    "no token": lambda claims: "a.b.c",
    "a number": lambda claims: 1,
    "null": lambda claims: None,
}


QUICK = (
    *("another issuer", "another audience", "expired", "another nonce", "no signature, a kid"),
    *("HMAC with the public key", "another key"),
)


@pytest.mark.parametrize(
    "token_of",
    [
        pytest.param(make, id=name, marks=[] if name in QUICK else [pytest.mark.slow])
        for name, make in WRONG.items()
    ],
)
def test_a_wrong_token_signs_nobody_in(
    ends: Ends, person: Person, token_of: Callable[[Claims], Any], caplog: pytest.LogCaptureFixture
) -> None:
    refused = ends(token_of)
    assert refused.status_code == 400
    assert "The sign-in could not be confirmed." in refused.content.decode()
    assert "sessionid" not in refused.cookies
    assert not person.is_signed_in()
    assert "eyJ" not in caplog.text


@pytest.mark.parametrize(
    "members",
    [
        {"error": "invalid_grant", "error_description": "eyJ<script>"},
        {"error": ["a", {}]},
        {"expires_in": "never"},
    ],
)
def test_an_answer_that_is_no_token_signs_nobody_in(
    ends: Ends, members: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    refused = ends(signed, **members)
    assert refused.status_code == 400
    assert "script" not in refused.content.decode()
    assert "eyJ" not in caplog.text
