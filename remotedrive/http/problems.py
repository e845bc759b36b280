"""RFC 9457 problem documents: the codes of HTTP itself, and the answer made from one.

The API, Django's own handlers and the ASGI layer build every error here. An app adds its own
codes with `register`; `GET /problems/<code>` explains each.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any

from django.http import JsonResponse

from remotedrive.http import request_id

CONTENT_TYPE = "application/problem+json"
RETRY_AFTER = 2
"""Seconds after which a client may try again, where nothing more exact is known."""


@dataclass(frozen=True)
class Problem:
    """A kind of error: its HTTP status, its title, and what it means for the person who gets it."""

    status: int
    title: str
    explanation: str


CATALOGUE: dict[str, Problem] = {
    "malformed-request": Problem(
        400,
        "The request cannot be read",
        "The body must be one JSON object in UTF-8: no member twice, nothing nested deeper than "
        "32 levels, no NaN or Infinity. The same answer is given for a Host that is not served, is "
        "missing or is given twice.",
    ),
    "invalid": Problem(
        400,
        "The request is not valid",
        "Members, query parameters or headers have invalid values or unknown names. `errors` lists "
        "each with its field, code and message.",
    ),
    "not-authenticated": Problem(
        401,
        "Not authenticated",
        "Send `Authorization: Bearer <JWT>`.",
    ),
    "token-expired": Problem(
        401, "The token has expired", "Get a new token and repeat the request."
    ),
    "token-invalid": Problem(
        401,
        "The token is not valid",
        "The bearer token is malformed, not signed by the key this service trusts, lacks `exp` or "
        "`sub`, is not yet valid, is meant for someone else, or names no active user.",
    ),
    "permission-denied": Problem(
        403, "Not permitted", "What you authenticated with does not permit this."
    ),
    "not-found": Problem(
        404, "Not found", "There is nothing here that you can see. It may never have existed."
    ),
    "method-not-allowed": Problem(
        405, "Method not allowed", "The `Allow` header names the methods that this path has."
    ),
    "not-acceptable": Problem(
        406, "Not acceptable", "Answers are `application/json`; the Accept header excludes it."
    ),
    "request-timeout": Problem(
        408,
        "The request did not arrive in time",
        "The request line and the headers must be complete 10 seconds after their first byte.",
    ),
    "body-too-large": Problem(
        413,
        "The request body is too large",
        "Bodies are at most 64 KiB, those of batches 1 MiB. File bytes go to the store, to the "
        "presigned URL.",
    ),
    "unsupported-media-type": Problem(
        415, "Unsupported media type", "Send the body as `Content-Type: application/json`."
    ),
    "throttled": Problem(
        429, "Too many attempts", "Wait as many seconds as `Retry-After` says, then try again."
    ),
    "headers-too-large": Problem(
        431,
        "The request's headers are too large",
        "The request line and all headers together have at most 32 KiB.",
    ),
    "internal-error": Problem(
        500, "A defect of the service", "It was logged under the `request_id` of the answer."
    ),
    "unavailable": Problem(
        503,
        "The service is not available",
        "The database does not answer, the service is overloaded, or it is stopping. Repeat the "
        "request after `Retry-After` seconds; a commit that was done is not done twice.",
    ),
}

_CHALLENGES = {
    "not-authenticated": 'Bearer realm="remotedrive"',
    "token-expired": 'Bearer realm="remotedrive", error="invalid_token"',
    "token-invalid": 'Bearer realm="remotedrive", error="invalid_token"',
}

_CODE_OF_STATUS = {
    400: "malformed-request",
    401: "not-authenticated",
    403: "permission-denied",
    404: "not-found",
    405: "method-not-allowed",
    406: "not-acceptable",
    413: "body-too-large",
    415: "unsupported-media-type",
    429: "throttled",
    503: "unavailable",
}


def register(code: str, problem: Problem) -> None:
    """Add a code of an app to the catalogue."""
    CATALOGUE[code] = problem


def code_of_status(status: int) -> str:
    """Return the code that stands for an HTTP status where nothing more exact is known."""
    return _CODE_OF_STATUS.get(status, "malformed-request" if status < 500 else "internal-error")


def body(code: str, detail: str | None = None, **members: Any) -> dict[str, Any]:
    """Return the problem document of `code` (RFC 9457, section 3), with extension `members`."""
    problem = CATALOGUE[code]
    return {
        "type": f"/problems/{code}",
        "title": problem.title,
        "status": problem.status,
        "detail": detail or problem.explanation,
        "code": code,
        "request_id": request_id.current() or secrets.token_hex(8),
        **members,
    }


def headers(code: str, retry_after: int | None = None) -> dict[str, str]:
    """Return the headers that an answer with this code carries beside its content type."""
    status = CATALOGUE[code].status
    result = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
    if code in _CHALLENGES:
        result["WWW-Authenticate"] = _CHALLENGES[code]
    if status in (429, 503):
        result["Retry-After"] = str(retry_after or RETRY_AFTER)
    return result


def response(
    code: str, detail: str | None = None, *, retry_after: int | None = None, **members: Any
) -> JsonResponse:
    """Return the problem document of `code` as a Django response."""
    return JsonResponse(
        body(code, detail, **members),
        status=CATALOGUE[code].status,
        content_type=CONTENT_TYPE,
        headers=headers(code, retry_after),
        json_dumps_params={"ensure_ascii": False},
    )
