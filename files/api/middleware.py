"""What holds for the pages of Django's own views, too."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from files.api.exception_handler import log_limit
from files.exceptions import DriveError
from remotedrive.http.views import problem_response

GetResponse = Callable[[HttpRequest], HttpResponse]


def share_privacy(get_response: GetResponse) -> GetResponse:
    """Keep the token of a share, which is in its URL, out of the Referer header and of caches."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        if request.path.startswith("/s/"):
            response.headers["Referrer-Policy"] = "no-referrer"
            response.headers["Cache-Control"] = "no-store"
        return response

    return middleware


class ProblemForDomainErrors:
    """Answers a domain error that leaves a view of Django's own, like that of a sign-in."""

    def __init__(self, get_response: GetResponse) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self._get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if not isinstance(exception, DriveError):
            return None
        log_limit(exception)
        return problem_response(
            request, exception.code, exception.detail, retry_after=exception.retry_after
        )
