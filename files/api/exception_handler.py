"""The one place that turns exceptions into responses: every error is a problem."""

from __future__ import annotations

import logging
from typing import Any

from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.db import IntegrityError, InterfaceError, OperationalError
from django.http import Http404, HttpResponse
from rest_framework import exceptions
from rest_framework.response import Response

from files.exceptions import LIMIT_ERRORS, DriveError
from remotedrive.http import problems

logger = logging.getLogger(__name__)


def exception_handler(
    exception: Exception, context: dict[str, Any]
) -> HttpResponse | Response | None:
    """Return the problem of `exception`; None for a defect, which Django then logs.

    It is a problem document, or, where the request wants a page, its members for the renderer.
    """
    log_limit(exception)
    found = _problem(exception)
    if found is None:
        return None
    code, options = found
    renderer = getattr(context["request"], "accepted_renderer", None)
    if renderer is None or renderer.format != "html":
        return problems.response(code, **options)
    retry_after = options.pop("retry_after", None)
    return Response(
        problems.body(code, **options),
        status=problems.CATALOGUE[code].status,
        headers=problems.headers(code, retry_after),
    )


def problem_in_batch(exception: Exception) -> dict[str, Any]:
    """Return the problem document of one call in a batch; what is a defect is raised again.

    `retry_after` (seconds) stands in for the header, which the whole answer would carry.
    """
    log_limit(exception)
    found = _problem(exception)
    if found is None:
        raise exception
    code, options = found
    headers = problems.headers(code, options.pop("retry_after", None))
    if "Retry-After" in headers:
        options["retry_after"] = int(headers["Retry-After"])
    return problems.body(code, **options)


def log_limit(exception: Exception) -> None:
    """Write a line for each limit that somebody reached, so that they can be counted."""
    if isinstance(exception, LIMIT_ERRORS):
        logger.warning("limit: %s: %s", exception.code, exception.detail or "reached")


def _problem(exception: Exception) -> tuple[str, dict[str, Any]] | None:
    """Return the code of a problem, and what `problems.response` takes beside it."""
    match exception:
        case DriveError(code=code, detail=detail, retry_after=retry_after, members=members):
            return code, {"detail": detail, "retry_after": retry_after, **members}
        case exceptions.ValidationError():
            return "invalid", {"errors": _flat(exception.get_full_details())}
        case exceptions.ParseError():
            return "malformed-request", {"detail": str(exception.detail)}
        case exceptions.AuthenticationFailed():
            return str(exception.get_codes()), {}
        case exceptions.APIException():
            return problems.code_of_status(exception.status_code), {}
        case Http404():
            return "not-found", {}
        case PermissionDenied():
            return "permission-denied", {}
        case RequestDataTooBig():
            return "body-too-large", {}
        case OperationalError() | InterfaceError():
            return "unavailable", {}
        case IntegrityError():
            # A row that this one refers to went away meanwhile; repeated, the request tells.
            logger.exception("A rule of the database refused a row")
            return "unavailable", {}
    return None


def _flat(details: Any, field: str = "") -> list[dict[str, str]]:
    """Return the errors of a serializer as one list; `field` is a dotted path into the body."""
    if isinstance(details, dict) and isinstance(details.get("message"), str):
        return [{"field": field, "code": str(details["code"]), "message": details["message"]}]
    if isinstance(details, dict):
        named = ((str(name) if not field else f"{field}.{name}", d) for name, d in details.items())
        return [error for name, inner in named for error in _flat(inner, name)]
    return [error for inner in details for error in _flat(inner, field)]
