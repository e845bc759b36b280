"""What the service says about itself, without authentication."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe

from files.services import health
from remotedrive.http import problems


@csrf_exempt
@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """Say whether the database (with all migrations) and the bucket can be worked with."""
    found = health.unready()
    if not found:
        return JsonResponse({"status": "ok"}, headers={"Cache-Control": "no-store"})
    code = "store-unavailable" if list(found) == ["store"] else "unavailable"
    detail = "; ".join(f"The {name} {problem}" for name, problem in found.items()) + "."
    return problems.response(code, detail, not_ready=found)
