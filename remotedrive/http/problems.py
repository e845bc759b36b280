"""RFC 9457 problem documents: the catalogue of codes, and the answer made from one.

Everything that answers with an error builds it here: the API, Django's own handlers, and the
ASGI layer. `GET /problems/<code>` shows the catalogue's explanation.
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
        "32 levels, no NaN or Infinity. The same answer is given for a Host that is not served.",
    ),
    "invalid": Problem(
        400,
        "The request is not valid",
        "Members, query parameters or headers have values that cannot be, or names that this "
        "endpoint does not know. `errors` lists each with its field, code and message.",
    ),
    "multipart-required": Problem(
        400,
        "Too large for a single PUT",
        "More than 5 GiB cannot be sent in one PUT. Repeat init-upload with `multipart: true`.",
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
    "share-password": Problem(
        401,
        "The share's password is missing or wrong",
        "Send the password in `X-Share-Password` (UTF-8, percent-encoded), or as `password` in a "
        "POST to the download.",
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
    "commit-conflict": Problem(
        409,
        "Committed with other arguments",
        "This key was committed before, with another checksum or size. That commit stands.",
    ),
    "file-trashed": Problem(
        409,
        "The file is in the trash",
        "Restore the file with `POST /files/{id}/restore`, then repeat the request.",
    ),
    "object-missing": Problem(
        409,
        "Nothing has been uploaded yet",
        "The store has no object under this key. PUT the bytes to the presigned URL, then commit.",
    ),
    "parts-missing": Problem(
        409,
        "Parts are missing",
        "`part_numbers` lists parts (at most 100) that the store does not have, or has in another "
        "size than planned. Upload them, then commit again.",
    ),
    "idempotency-conflict": Problem(
        409,
        "The Idempotency-Key was used for another request",
        "The same key came with other arguments within 24 hours. Use a new key.",
    ),
    "upload-complete": Problem(
        409, "The upload is committed", "This upload ended with a commit; nothing can change it."
    ),
    "corrupt": Problem(
        409,
        "The stored bytes are corrupt",
        "A check found that the bytes of this version are not those that were committed. "
        "They are not handed out.",
    ),
    "share-revoked": Problem(410, "The share was revoked", "Ask its owner for a new one."),
    "share-expired": Problem(410, "The share has expired", "Ask its owner for a new one."),
    "share-exhausted": Problem(
        410,
        "The share's downloads are used up",
        "It allowed a number of downloads, and they are used up. Ask its owner for a new one.",
    ),
    "upload-aborted": Problem(410, "The upload was aborted", "Begin again with init-upload."),
    "upload-expired": Problem(
        410,
        "The upload has expired",
        "The time in which it could be committed (`commit_by`) is over. Begin again with "
        "init-upload.",
    ),
    "version-conflict": Problem(
        412,
        "The file has a newer version",
        "`base_version` is no longer the newest; `version_current` is. Look at that version, then "
        "commit again with it as `base_version`; the bytes need not be sent again.",
    ),
    "body-too-large": Problem(
        413,
        "The request body is too large",
        "Bodies are at most 64 KiB. File bytes go to the store, to the presigned URL.",
    ),
    "unsupported-media-type": Problem(
        415, "Unsupported media type", "Send the body as `Content-Type: application/json`."
    ),
    "size-mismatch": Problem(
        422,
        "The size is another",
        "The size in the commit, the size declared at init-upload and the size of the stored "
        "object must be the same.",
    ),
    "checksum-mismatch": Problem(
        422,
        "The checksum is another",
        "The SHA-256 in the commit, the one declared at init-upload and that of the stored bytes "
        "must be the same. If the bytes are wrong, PUT again; then commit.",
    ),
    "content-encoding": Problem(
        422,
        "The object carries a Content-Encoding",
        "The PUT had a `Content-Encoding` header, so clients would not get the committed bytes "
        "back. PUT again without it.",
    ),
    "object-unreadable": Problem(
        422,
        "The store does not give the object back",
        "The PUT had headers, such as those of an encryption key, without which the store will "
        "not read the object. PUT again with no other headers than those of `headers`.",
    ),
    "throttled": Problem(
        429, "Too many attempts", "Wait as many seconds as `Retry-After` says, then try again."
    ),
    "internal-error": Problem(
        500, "A defect of the service", "It was logged under the `request_id` of the answer."
    ),
    "store-unavailable": Problem(
        503,
        "The object store does not answer",
        "Nothing was changed. Repeat the request after `Retry-After` seconds.",
    ),
    "unavailable": Problem(
        503,
        "The service is not available",
        "The database does not answer, the service is overloaded, or it is stopping. Repeat the "
        "request after `Retry-After` seconds; a commit that was done is not done twice.",
    ),
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
    if status == 401 and code != "share-password":
        error = "" if code == "not-authenticated" else ', error="invalid_token"'
        result["WWW-Authenticate"] = f'Bearer realm="remotedrive"{error}'
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
