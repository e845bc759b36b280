"""The security headers of every response, whichever layer makes it."""

from __future__ import annotations

from functools import cache
from io import BytesIO

from django.core.handlers.asgi import ASGIRequest
from django.http import HttpResponse
from django.middleware.clickjacking import XFrameOptionsMiddleware
from django.middleware.security import SecurityMiddleware

Headers = list[tuple[bytes, bytes]]


def add_missing(headers: Headers, scheme: str) -> Headers:
    """Return `headers`, whose names are in lower case, and the security headers that they lack.

    `scheme` is the request's: `https` alone gets Strict-Transport-Security (RFC 6797 §7.2).
    """
    present = {name for name, _ in headers}
    return [*headers, *(header for header in _defaults(scheme) if header[0] not in present)]


@cache
def _defaults(scheme: str) -> Headers:
    """Return what Django's middleware adds to the response to a request by `scheme`."""
    scope = {"type": "http", "method": "GET", "path": "/", "scheme": scheme, "headers": []}
    request = ASGIRequest(scope, BytesIO())
    response = HttpResponse()
    del response.headers["Content-Type"]
    for middleware in (SecurityMiddleware, XFrameOptionsMiddleware):
        middleware(lambda _: response).process_response(request, response)
    return [(name.lower().encode(), value.encode()) for name, value in response.items()]
