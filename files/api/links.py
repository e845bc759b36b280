"""Absolute URLs in answers: of `PUBLIC_URL` where it is set, else of the (allowed) Host."""

from __future__ import annotations

from django.conf import settings
from rest_framework.request import Request


def absolute(request: Request, path: str) -> str:
    """Return `path` of this service as an absolute URL."""
    if settings.PUBLIC_URL is not None:
        return f"{settings.PUBLIC_URL}{path}"
    return request.build_absolute_uri(path)
