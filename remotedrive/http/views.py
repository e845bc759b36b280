"""Django's own errors as problem documents, the catalogue, and the health of the process."""

from __future__ import annotations

import logging
import sys
from hmac import compare_digest
from typing import Any

from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.template.loader import render_to_string
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe

from remotedrive import metrics
from remotedrive.http import content_policy, problems

logger = logging.getLogger(__name__)


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


def metrics_response(authorization: bytes | None) -> HttpResponse:
    """Return the metrics, to whoever may see them: METRICS_TOKEN as a bearer token, if it is set.

    `authorization` is the header's value. Asks neither the database nor the store.
    """
    token = settings.METRICS_TOKEN
    if token is not None:
        kind, _, given = (authorization or b"").partition(b" ")
        if kind.lower() != b"bearer" or not compare_digest(given.strip(), token.encode()):
            code = "not-authenticated" if authorization is None else "token-invalid"
            return problems.response(code, "METRICS_TOKEN is needed as the bearer token.")
    try:
        text = metrics.text()
    except (OSError, ValueError) as error:
        logger.error("The metrics cannot be read: %s", error)
        return problems.response("unavailable", "The metrics cannot be read.")
    return HttpResponse(
        text, content_type=metrics.CONTENT_TYPE, headers={"Cache-Control": "no-store"}
    )


@csrf_exempt
@require_safe
def show_metrics(request: HttpRequest) -> HttpResponse:
    """Show the metrics under `runserver`. The ASGI layer answers this path itself."""
    authorization = request.headers.get("Authorization")
    return metrics_response(None if authorization is None else authorization.encode())


@csrf_exempt
@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """Say that the process answers. The ASGI layer answers this path itself, on the event loop."""
    return JsonResponse({"status": "ok"})
