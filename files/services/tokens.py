"""Bearer tokens that this service issues itself, signed with `JWT_SECRET`."""

from __future__ import annotations

import time
from typing import Any

import jwt
from django.conf import settings


def mint(*, subject: str, ttl: int) -> str:
    """Return a signed token for `subject` that expires in `ttl` seconds."""
    now = int(time.time())
    claims: dict[str, Any] = {"sub": subject, "iat": now, "exp": now + ttl}
    if settings.JWT_ISSUER is not None:
        claims["iss"] = settings.JWT_ISSUER
    if settings.JWT_AUDIENCE is not None:
        claims["aud"] = settings.JWT_AUDIENCE
    return jwt.encode(claims, settings.JWT_SECRET, algorithm="HS256")
