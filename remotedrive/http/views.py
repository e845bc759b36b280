"""Django's own errors as problem documents, the catalogue, and the health of the process."""

from __future__ import annotations

import sys
from typing import Any

from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.template.loader import render_to_string
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe

from remotedrive.http import content_policy, problems


def prefers_html(request: HttpRequest) -> bool:
    """Return whether the client prefers HTML to JSON (RFC 9110, section 12.5.1)."""
    return request.get_preferred_type(["application/json", "text/html"]) == "text/html"


def problem_response(
    request: HttpRequest, code: str, detail: str | None = None, *, retry_after: int | None = None
) -> HttpResponse:
    """Return a problem as a response: a person gets a page, a program a problem document."""
    if not prefers_html(request):
        return problems.response(code, detail, retry_after=retry_after)
    problem = problems.body(code, detail)
    return _page(problem, problem["status"], problems.headers(code, retry_after))


def _page(problem: dict[str, Any], status: int, headers: dict[str, str]) -> HttpResponse:
    own = {"Content-Security-Policy": content_policy.of_text(), "Vary": "Accept"}
    html = render_to_string("problem_page.html", {"problem": problem})
    return HttpResponse(html, status=status, headers=headers | own)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    return problem_response(request, "malformed-request")


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    return problem_response(request, "permission-denied")


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    detail = "The CSRF check failed; load the form again."
    return problem_response(request, "permission-denied", detail)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return problem_response(request, "not-found")


def server_error(request: HttpRequest) -> HttpResponse:
    if isinstance(sys.exc_info()[1], OperationalError | InterfaceError):
        return problem_response(request, "unavailable")
    return problem_response(request, "internal-error")


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
    if prefers_html(request):
        page = {"title": entry.title, "detail": entry.explanation, "code": code}
        return _page(page, 200, {"Referrer-Policy": "no-referrer"})
    return JsonResponse(explained, headers={"Vary": "Accept"})


@csrf_exempt
@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """Say that the process answers. The ASGI layer answers this path itself, on the event loop."""
    return JsonResponse({"status": "ok"})
