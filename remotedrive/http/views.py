"""Django's own errors as problem documents, the catalogue, and the health of the process."""

from __future__ import annotations

import sys
from typing import Any

from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.template.loader import render_to_string
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe

from remotedrive.http import problems


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    return problems.response("malformed-request")


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    return problems.response("permission-denied")


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    return problems.response("permission-denied", "The CSRF check failed; load the form again.")


def prefers_html(request: HttpRequest) -> bool:
    """Return whether the client prefers HTML to JSON (RFC 9110, section 12.5.1)."""
    return request.get_preferred_type(["application/json", "text/html"]) == "text/html"


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer an unknown path: a person gets a page, a program a problem document."""
    if not prefers_html(request):
        return problems.response("not-found")
    headers = problems.headers("not-found") | {
        "Content-Security-Policy": settings.PAGE_POLICY,
        "Vary": "Accept",
    }
    return HttpResponse(render_to_string("not_found.html"), status=404, headers=headers)


def server_error(request: HttpRequest) -> HttpResponse:
    if isinstance(sys.exc_info()[1], OperationalError | InterfaceError):
        return problems.response("unavailable")
    return problems.response("internal-error")


@csrf_exempt
@require_safe
def problem(request: HttpRequest, code: str) -> HttpResponse:
    """Explain one code of the catalogue."""
    entry = problems.CATALOGUE.get(code)
    if entry is None:
        raise Http404
    explained: dict[str, Any] = {
        "type": f"/problems/{code}",
        "title": entry.title,
        "status": entry.status,
        "code": code,
        "explanation": entry.explanation,
    }
    return JsonResponse(explained)


@csrf_exempt
@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """Say that the process answers. The ASGI layer answers this path itself, on the event loop."""
    return JsonResponse({"status": "ok"})
