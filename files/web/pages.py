"""How the pages are put together, and the one for signing in."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from remotedrive.http import content_policy


def page(
    request: HttpRequest, template: str, shown: dict[str, Any], policy: str, status: int = 200
) -> HttpResponse:
    """Return a template of `files/`, with its Content-Security-Policy."""
    response = render(request, f"files/{template}", shown, status=status)
    response.headers["Content-Security-Policy"] = policy
    return response


def sign_in_page(
    request: HttpRequest,
    problem: str = "",
    status: int = 200,
    *,
    name: str = "",
    retry_after: int | None = None,
) -> HttpResponse:
    """Return the page with the ways to sign in that there are."""
    shown = {
        "problem": problem,
        "name": name,
        "takes_passwords": settings.PASSWORD_SIGN_IN,
        "provider": urlsplit(settings.OIDC_ISSUER or "").netloc,
    }
    response = page(request, "sign_in.html", shown, content_policy.of_sign_in(), status)
    if retry_after is not None:
        response.headers["Retry-After"] = str(retry_after)
    return response
