"""The CORS headers of responses that Django's middleware does not see (Fetch standard, §3.3)."""

from __future__ import annotations

from io import BytesIO
from typing import Any

from corsheaders.conf import conf
from corsheaders.middleware import CorsMiddleware
from django.core.handlers.asgi import ASGIRequest
from django.http.response import HttpResponseBase


def add_headers(scope: dict[str, Any], response: HttpResponseBase) -> None:
    """Add to `response` what the middleware adds to the response to the request of `scope`."""
    if not conf.CORS_ALLOWED_ORIGINS:
        return
    origin = [header for header in scope["headers"] if header[0] == b"origin"]
    # The request as it came may be one that Django cannot read.
    read = {"type": "http", "method": "GET", "path": scope["path"], "headers": origin}
    request = ASGIRequest(read, BytesIO())
    CorsMiddleware(lambda _: response).add_response_headers(request, response)
