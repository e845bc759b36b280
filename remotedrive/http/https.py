"""What came in clear text where only https is served, and may not simply be redirected.

A redirect would turn a POST into a GET, and would hide that a token or password went over the wire
unencrypted. All else is left to Django's SecurityMiddleware, which comes next and redirects.
"""

from __future__ import annotations

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from remotedrive.http import problems


def refuse_clear_text(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Answer 403 to whatever is no plain GET or HEAD and did not come by https."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        has_secret = any(name in request.headers for name in settings.SECRET_HEADERS)
        is_plain = request.method in ("GET", "HEAD") and not has_secret
        if settings.SECURE_SSL_REDIRECT and not is_plain and not request.is_secure():
            return problems.response(
                "permission-denied",
                "Use https: nothing was done. A token or password that was sent went over the"
                " network in clear text.",
            )
        return get_response(request)

    return middleware
