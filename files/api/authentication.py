"""Identity: `Authorization: Bearer <JWT>` (RFC 6750, RFC 7519) to a user of the service."""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import jwt
from django.conf import settings
from jwt import PyJWK
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from files.api.issuer_keys import issuer_keys
from files.api.remembered import remembered_users
from files.key_sets import ALGORITHMS
from files.models import User
from files.services import tokens
from files.services.accounts import is_subject, user_of_subject

_BEARER = re.compile(r"bearer +([A-Za-z0-9_.~+/-]+=*) *", re.IGNORECASE)
_TOKEN_MAX = 8192
_LAST_SECOND = 253_402_300_799  # of the year 9999


class TokenInvalidError(AuthenticationFailed):
    """The bearer token is not valid."""

    default_code = "token-invalid"


class TokenExpiredError(AuthenticationFailed):
    """The bearer token has expired."""

    default_code = "token-expired"


class JWTAuthentication(BaseAuthentication):
    """Takes the user from a bearer token; no `Authorization` header at all is nobody."""

    def authenticate(self, request: Request) -> tuple[User, None] | None:
        header = request.META.get("HTTP_AUTHORIZATION")
        if header is None or not header.lower().startswith("bearer"):
            return None
        match = _BEARER.fullmatch(header)
        if match is None or len(match[1]) > _TOKEN_MAX:
            raise TokenInvalidError
        return user_of_token(match[1]), None

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


def user_of_token(token: str) -> User:
    """Return the active user of a token, who may be remembered from an earlier request.

    Raises `TokenExpiredError`, `TokenInvalidError`, `IssuerUnavailableError`.
    """
    if not settings.AUTH_CACHE_SECONDS:
        return user_of(valid_claims(token)["sub"])
    user = remembered_users.get(token)
    if user is None:
        saves = remembered_users.saves()
        claims = valid_claims(token)
        user = user_of(claims["sub"])
        expires_at = claims["exp"] + settings.JWT_LEEWAY
        remembered_users.add(token, user, expires_at=expires_at, saves=saves)
    return user


def valid_claims(token: str) -> dict[str, Any]:
    """Return the claims of a token that is signed, in time and meant for this service.

    Raises `TokenExpiredError`, `TokenInvalidError`, `IssuerUnavailableError`.
    """
    try:
        claims = _claims(token)
    except jwt.ExpiredSignatureError as error:
        raise TokenExpiredError from error
    except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError) as error:
        raise TokenInvalidError from error
    if not _is_time(claims["exp"]) or not is_subject(claims["sub"]):
        raise TokenInvalidError
    return claims


def _claims(token: str) -> dict[str, Any]:
    """Return the claims of a token that one of the keys signed; raises what PyJWT raises, and
    `IssuerUnavailableError`.

    HMAC is verified with secrets only, and all else with the issuer's keys only.
    """
    header = jwt.get_unverified_header(token)
    algorithm = header.get("alg")
    if header.get("typ") == tokens.PAGE_TYPE:
        issuer, audience = tokens.PAGE_ISSUER, tokens.PAGE_AUDIENCE
        return _decode(token, tokens.page_key(), issuer=issuer, audience=audience)
    keys: Iterable[str | PyJWK] = ()
    if algorithm == "HS256":
        keys = (key for key in (settings.JWT_SECRET_OLD, settings.JWT_SECRET) if key is not None)
    elif settings.JWT_JWKS_URL is not None and algorithm in ALGORITHMS:
        keys = issuer_keys().candidates(header.get("kid"), algorithm)
    for key in keys:
        # The signature is looked at first, so whatever else is wrong is the right key's to say.
        with suppress(jwt.InvalidSignatureError):
            return _decode(token, key, issuer=settings.JWT_ISSUER, audience=settings.JWT_AUDIENCE)
    raise jwt.InvalidSignatureError


def _decode(
    token: str, key: str | bytes | PyJWK, *, issuer: str | None, audience: str | None
) -> dict[str, Any]:
    return jwt.decode(
        token,
        key,
        algorithms=[key.algorithm_name if isinstance(key, PyJWK) else "HS256"],
        issuer=issuer,
        audience=audience,
        leeway=settings.JWT_LEEWAY,
        options={
            "require": ["exp", "sub"],
            "verify_aud": audience is not None,
            "verify_iss": issuer is not None,
        },
    )


def _is_time(value: Any) -> bool:
    return type(value) in (int, float) and 0 <= value <= _LAST_SECOND


def user_of(subject: str) -> User:
    """Return the active user of this subject, made now if `JWT_CREATE_USERS` says so."""
    user = user_of_subject(subject)
    if user is None or not user.is_active:
        raise TokenInvalidError
    return user
