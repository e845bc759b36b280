"""The one place that turns exceptions into answers: every error is a problem document."""

from __future__ import annotations

import logging
from typing import Any

from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.db import IntegrityError, InterfaceError, OperationalError
from django.http import Http404, HttpResponse
from rest_framework import exceptions

from files.exceptions import DriveError
from remotedrive.http import problems

logger = logging.getLogger(__name__)


def exception_handler(exception: Exception, context: dict[str, Any]) -> HttpResponse | None:
    """Return the problem document for `exception`, or None for a defect, which Django then logs."""
    match exception:
        case DriveError():
            return problems.response(
                exception.code,
                exception.detail,
                retry_after=exception.retry_after,
                **exception.members,
            )
        case exceptions.ValidationError():
            return problems.response("invalid", errors=_flat(exception.get_full_details()))
        case exceptions.ParseError():
            return problems.response("malformed-request", str(exception.detail))
        case exceptions.AuthenticationFailed():
            return problems.response(str(exception.get_codes()))
        case exceptions.APIException():
            return problems.response(problems.code_of_status(exception.status_code))
        case Http404():
            return problems.response("not-found")
        case PermissionDenied():
            return problems.response("permission-denied")
        case RequestDataTooBig():
            return problems.response("body-too-large")
        case OperationalError() | InterfaceError():
            return problems.response("unavailable")
        case IntegrityError():
            # A row that this one refers to went away meanwhile; repeated, the request tells.
            logger.exception("A rule of the database refused a row")
            return problems.response("unavailable")
    return None


def _flat(details: Any, field: str = "") -> list[dict[str, str]]:
    """Return the errors of a serializer as one list; `field` is a dotted path into the body."""
    if isinstance(details, dict) and isinstance(details.get("message"), str):
        return [{"field": field, "code": str(details["code"]), "message": details["message"]}]
    if isinstance(details, dict):
        named = ((str(name) if not field else f"{field}.{name}", d) for name, d in details.items())
        return [error for name, inner in named for error in _flat(inner, name)]
    return [error for inner in details for error in _flat(inner, field)]
