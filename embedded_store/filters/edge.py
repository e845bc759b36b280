"""The outermost layer of the embedded store: checks requests before Swift sees them.

It handles HTTP, CORS and free disk space, but no buckets, keys or signatures.
"""

import shutil
from collections.abc import Collection, Iterable
from pathlib import Path
from types import TracebackType
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

LARGEST_PUT = 5 << 30  # bytes; the largest object of one PUT, and the largest part, in S3
EXPOSED_HEADERS = (
    "ETag, x-amz-version-id, x-amz-request-id, "
    "Content-Length, Content-Range, Content-Disposition, Last-Modified"
)
PREFLIGHT_SECONDS = "600"
# Bytes kept free for Swift's records. Swift writes the bytes of a new version first; without room
# to make it the current one, it would respond with an error and keep them for ever.
RESERVE = 8 << 20

Headers = list[tuple[str, str]]
ExceptionInformation = (
    tuple[type[BaseException], BaseException, TracebackType] | tuple[None, None, None] | None
)


class CompleteBody:
    """A request body that fails when it ends before its announced length.

    versioned_writes replaces the announced length, so Swift would store the truncated body of a
    disconnected client as a version.
    """

    def __init__(self, body: Any, length: int) -> None:
        self._body = body
        self._left = length

    def read(self, *size: int) -> bytes:
        """Like ``body.read``. Raises OSError if the body ends early."""
        chunk: bytes = self._body.read(*size)
        self._left -= len(chunk)
        if not chunk and self._left > 0 and size != (0,):
            raise OSError("the client went away in the middle of a body")
        return chunk

    def __getattr__(self, name: str) -> Any:
        # Swift also uses eventlet's own methods of a body.
        return getattr(self._body, name)


class Edge:
    """Adds CORS headers to every response; requires SigV4 and a length; drops Swift's headers.

    ``origins``: those whose pages may read responses; ``*`` among them means all.
    ``folder``: the data folder, whose free space is checked.
    """

    def __init__(self, app: WSGIApplication, origins: Collection[str], folder: Path) -> None:
        self.app = app
        self.origins = origins
        self.folder = folder

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        # Hidden from Swift, whose own CORS omits the headers of error responses.
        origin: str | None = environ.pop("HTTP_ORIGIN", None)
        cors = self._cors_headers(origin)
        if origin and environ["REQUEST_METHOD"] == "OPTIONS":
            return _preflight(environ, start_response, cors)

        def start(status: str, headers: Headers, exc_info: ExceptionInformation = None, /) -> Any:
            return start_response(status, [*headers, *cors], exc_info)

        refusal = _refusal(environ, self.folder)
        if refusal:
            return _error(start, *refusal)
        environ["wsgi.input"] = CompleteBody(
            environ["wsgi.input"], int(environ.get("CONTENT_LENGTH") or 0)
        )
        _drop_swift_headers(environ)
        return self.app(environ, start)

    def _cors_headers(self, origin: str | None) -> Headers:
        if not origin or not ("*" in self.origins or origin in self.origins):
            return []
        return [
            ("Access-Control-Allow-Origin", origin),
            ("Vary", "Origin"),
            ("Access-Control-Expose-Headers", EXPOSED_HEADERS),
        ]


def _preflight(
    environ: WSGIEnvironment, start_response: StartResponse, cors: Headers
) -> Iterable[bytes]:
    """Respond to a CORS preflight (Fetch standard)."""
    if not cors:
        return _error(start_response, "403 Forbidden", "AccessForbidden")
    asked = environ.get("HTTP_ACCESS_CONTROL_REQUEST_HEADERS", "")
    start_response(
        "204 No Content",
        [
            *cors,
            ("Access-Control-Allow-Methods", "GET, HEAD, PUT, POST, DELETE"),
            ("Access-Control-Allow-Headers", asked),
            ("Access-Control-Max-Age", PREFLIGHT_SECONDS),
        ],
    )
    return []


def _refusal(environ: WSGIEnvironment, folder: Path) -> tuple[str, str] | None:
    """Return the status line and S3 error code of a refused request, or None."""
    signed = environ.get("HTTP_AUTHORIZATION", "").startswith("AWS4-HMAC-SHA256")
    if not signed and "X-Amz-Signature=" not in environ.get("QUERY_STRING", ""):
        return "403 Forbidden", "AccessDenied"
    if environ.get("HTTP_TRANSFER_ENCODING"):
        return "411 Length Required", "MissingContentLength"
    length = environ.get("CONTENT_LENGTH") or "0"
    if not (length.isascii() and length.isdigit()):
        return "400 Bad Request", "InvalidArgument"
    if int(length) > LARGEST_PUT:  # versioned_writes hides the length from Swift's own check
        return "400 Bad Request", "EntityTooLarge"
    writes = environ["REQUEST_METHOD"] in {"PUT", "POST"}
    if writes and shutil.disk_usage(folder).free < RESERVE + int(length):
        return "507 Insufficient Storage", "XMinioStorageFull"  # as MinIO words it
    return None


def _drop_swift_headers(environ: WSGIEnvironment) -> None:
    """Drop headers unknown to S3 that Swift obeys unsigned: X-Delete-At, X-Copy-From…"""
    for name in list(environ):
        foreign = name.startswith("HTTP_X_") and not name.startswith("HTTP_X_AMZ_")
        if foreign or name == "HTTP_ETAG":
            del environ[name]


def _error(start_response: Any, status: str, code: str) -> Iterable[bytes]:
    """Respond with an S3 error (API reference, "Error responses")."""
    body = (
        '<?xml version="1.0" encoding="UTF-8"?>'
        f"<Error><Code>{code}</Code><Message>{status}</Message></Error>"
    ).encode()
    headers = [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))]
    start_response(status, headers)
    return [body]
