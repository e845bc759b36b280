"""Bearer tokens of exactly the bytes that a test wants, and what the service says to them."""

from __future__ import annotations

import base64
import hmac
import json
import time
from typing import Any

from tests.support import wire
from tests.support.client import Answer

NOW = int(time.time())
LATER = NOW + 3600


def encoded(content: bytes) -> bytes:
    return base64.urlsafe_b64encode(content).rstrip(b"=")


def signed(
    payload: bytes,
    key: bytes,
    *,
    header: bytes = b'{"alg":"HS256","typ":"JWT"}',
    digest: str = "sha256",
) -> str:
    """Return a token of exactly these bytes, as no library would write it."""
    message = encoded(header) + b"." + encoded(payload)
    return (message + b"." + encoded(hmac.digest(key, message, digest))).decode()


def ask(token: str) -> Answer:
    """Ask for something with `token`; the service must never be at fault."""
    return with_header(f"Bearer {token}")


def with_header(value: str) -> Answer:
    return wire.send("GET", "/files", [("authorization", value)])


def claims(**changes: Any) -> bytes:
    """Return the payload of a good token for `owner`, changed; None leaves a claim out."""
    values = {"sub": "owner", "exp": LATER} | changes
    return json.dumps({name: value for name, value in values.items() if value is not None}).encode()
