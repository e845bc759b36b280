"""The members of a JWK Set by which an outside issuer's signatures are verified.

RFC 7517, RFC 7518 §3.1, RFC 8037 §3.1, RFC 9864 §2.2. Keys for HMAC are not among them, so that
public and secret keys never mix (RFC 8725 §3.2).
"""

from __future__ import annotations

from typing import Any

from jwt import PyJWK

ALGORITHMS = frozenset(
    {
        *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
        *("ES256", "ES384", "ES512", "EdDSA", "Ed25519"),
    }
)
"""Of public keys only."""


def usable_key(jwk: Any) -> PyJWK | None:
    """Return the key of a set's member, or None where it is none to verify signatures with.

    Its `algorithm_name` is the one it is for: its own `alg`, else what its type and curve say.
    """
    if not isinstance(jwk, dict):
        return None
    operations = jwk.get("key_ops", ["verify"])
    if (
        jwk.get("kty") not in ("RSA", "EC", "OKP")
        or jwk.get("use", "sig") != "sig"
        or not isinstance(operations, list)
        or "verify" not in operations
        # A private key that was made public.
        or "d" in jwk
    ):
        return None
    try:
        key = _key(jwk)
    except Exception:
        # Any error: a key that breaks a parser leaves the others usable (RFC 7517 §5).
        return None
    if key.algorithm_name not in ALGORITHMS or key.Algorithm.check_key_length(key.key):
        return None
    return key


def _key(jwk: dict[str, Any]) -> PyJWK:
    if (jwk.get("alg"), jwk.get("crv")) != ("Ed25519", "Ed25519"):
        return PyJWK(jwk)
    # PyJWT does not know this name of EdDSA, and holds the token to the key's.
    key = PyJWK(jwk, "EdDSA")
    key.algorithm_name = "Ed25519"
    return key
