"""What every answer under `/s/` carries, the errors included: its URL holds the share's token."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse


def share_privacy(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Keep the token out of the Referer header and of caches."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        if request.path.startswith("/s/"):
            response.headers["Referrer-Policy"] = "no-referrer"
            response.headers["Cache-Control"] = "no-store"
        return response

    return middleware
