"""What holds for every request and answer, whichever part of Django makes the answer."""

from __future__ import annotations

from collections.abc import Callable

from django.core.handlers.wsgi import WSGIRequest
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from remotedrive.http import problems, request_id


def uniform(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Read everything as UTF-8, and make a problem document of Django's bare 405."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        # Django believes a charset of the Content-Type, also one that is no text's: `base64`.
        request.encoding = "utf-8"
        if isinstance(request, WSGIRequest):
            # `runserver` has no layer before this one that gives requests their ids.
            request_id.begin(request.headers.get("X-Request-ID"))
        response = get_response(request)
        if response.status_code == 405 and response.get("Content-Type") != problems.CONTENT_TYPE:
            allowed = response.headers["Allow"]
            response = problems.response("method-not-allowed")
            response.headers["Allow"] = allowed
        return response

    return middleware
