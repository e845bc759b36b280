"""What holds for every request and response, whichever part of Django makes the response."""

from __future__ import annotations

import time
from collections.abc import Callable

from django.core.handlers.wsgi import WSGIRequest
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from remotedrive import request_notes
from remotedrive.http import logs, problems, request_id

GetResponse = Callable[[HttpRequest], HttpResponseBase]


def begin_request(get_response: GetResponse) -> GetResponse:
    """Give the request its id and its line in the log under `runserver`, which has no ASGI layer
    to do so."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        if not isinstance(request, WSGIRequest):
            return get_response(request)
        began = time.monotonic()
        request_id.begin(request.headers.get("X-Request-ID"))
        notes = request_notes.begin()
        response = get_response(request)
        logs.note(request)
        logs.write_request(
            notes,
            method=str(request.method),
            status=response.status_code,
            seconds=time.monotonic() - began,
            peer=request.META.get("REMOTE_ADDR"),
            wait=False,
        )
        return response

    return middleware


def normalize_encoding(get_response: GetResponse) -> GetResponse:
    """Read every request as UTF-8.

    Django takes the charset that the Content-Type names, also one that is none, as `base64`.
    """

    def middleware(request: HttpRequest) -> HttpResponseBase:
        request.encoding = "utf-8"
        return get_response(request)

    return middleware


def problem_for_405(get_response: GetResponse) -> GetResponse:
    """Make a problem document of Django's bare 405."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        if response.status_code == 405 and response.get("Content-Type") != problems.CONTENT_TYPE:
            allowed = response.headers["Allow"]
            response = problems.response("method-not-allowed")
            response.headers["Allow"] = allowed
        return response

    return middleware
