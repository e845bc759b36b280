"""Bearer tokens that this service issues itself.

For programs they are signed with `JWT_SECRET`, where there is one. Those of the page in the browser
have a key of their own, derived from `SECRET_KEY`, and a type, issuer and audience of their own
(RFC 8725 §3.11), so that none is taken for another.
"""

from __future__ import annotations

import time
from typing import Any

import jwt
from django.conf import settings
from django.utils.crypto import salted_hmac

PAGE_TYPE = "remotedrive-page+jwt"
PAGE_ISSUER = "remotedrive:page"
PAGE_AUDIENCE = "remotedrive:api"


class NoSecretError(Exception):
    """There is no `JWT_SECRET`: tokens come from the issuer of `JWT_JWKS_URL` alone."""


def mint(*, subject: str, ttl: int) -> str:
    """Return a token for `subject` that expires in `ttl` seconds. Raises `NoSecretError`."""
    if settings.JWT_SECRET is None:
        raise NoSecretError
    claims = _claims(subject, ttl)
    if settings.JWT_ISSUER is not None:
        claims["iss"] = settings.JWT_ISSUER
    if settings.JWT_AUDIENCE is not None:
        claims["aud"] = settings.JWT_AUDIENCE
    return jwt.encode(claims, settings.JWT_SECRET, algorithm="HS256")


def mint_for_page(*, subject: str, ttl: int) -> str:
    """Return a token for the page of a signed-in `subject` that expires in `ttl` seconds."""
    claims = _claims(subject, ttl) | {"iss": PAGE_ISSUER, "aud": PAGE_AUDIENCE}
    return jwt.encode(claims, page_key(), algorithm="HS256", headers={"typ": PAGE_TYPE})


def page_key() -> bytes:
    """Return the key of the page's tokens; another `SECRET_KEY` makes another one."""
    return salted_hmac("files.services.tokens", "page", algorithm="sha256").digest()


def _claims(subject: str, ttl: int) -> dict[str, Any]:
    now = int(time.time())
    return {"sub": subject, "iat": now, "exp": now + ttl}
