"""Makes conditional PUTs and multipart completions atomic, as in S3.

In Swift alone, a PUT with ``If-None-Match: *`` is stored as a version before it is refused, and
concurrent ones may all succeed; concurrent completions of one multipart upload make versions that
share their parts; and the parts of a completed upload may be replaced. The filter is left of
``versioned_writes``, which would store first, and of ``slo``, so that no part changes between the
completion's check and the completion.

It sees Swift's requests, not S3's: paths are ``/v1/account/container/object``; parts are in the
container ``<bucket>+segments`` as ``<key>/<upload id>/<part number>``; a pending upload is the
object ``<key>/<upload id>`` there, and the object's metadata names a completed one.
"""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any
from weakref import WeakValueDictionary
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from eventlet.semaphore import Semaphore
from swift.common.swob import HTTPCreated, HTTPNotFound, HTTPPreconditionFailed, wsgi_quote
from swift.common.utils import closing_if_possible
from swift.common.wsgi import WSGIContext, make_pre_authed_request

SEGMENTS = "+segments"
UPLOAD_ID_HEADER = "X-Object-Sysmeta-S3Api-Upload-Id"
UPLOAD_ID_VARIABLE = "HTTP_X_OBJECT_SYSMETA_S3API_UPLOAD_ID"  # the same in a WSGI environ

# Returns None if a PUT is permitted, or the response that refuses it.
Check = Callable[[], WSGIApplication | None]


class RecheckedBody:
    """A request body that takes the lock and checks again before it returns its last byte.

    So no request waits for a slow client, and nothing changes between the check and the write.
    """

    def __init__(self, body: Any, length: int, lock: Semaphore, check: Check) -> None:
        self._body = body
        self._left = length
        self._lock = lock
        self._check = check
        self._locked = False
        self.refusal: WSGIApplication | None = None
        if not length:
            self._check_again()

    def read(self, *size: int) -> bytes:
        """Like ``body.read``. Raises OSError on refusal: Swift then discards the body."""
        chunk: bytes = self._body.read(*size)
        self._left -= len(chunk)
        if self._left <= 0 and not self._locked:
            self._check_again()
        if self.refusal:
            raise OSError("refused at the end of the body")
        return chunk

    def release(self) -> None:
        """Release the lock; call it when the PUT is done."""
        if self._locked:
            self._lock.release()

    def _check_again(self) -> None:
        self._lock.acquire()
        self._locked = True
        self.refusal = self._check()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._body, name)


class AtomicWrites:
    """The ``once`` filter of the pipeline."""

    def __init__(self, app: WSGIApplication) -> None:
        self.app = app
        # One lock per object path, alive as long as a request holds it.
        self._locks: WeakValueDictionary[str, Semaphore] = WeakValueDictionary()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path: str = environ["PATH_INFO"]
        _, _, account, container, key = [*path.split("/", 4), "", "", "", ""][:5]
        if environ["REQUEST_METHOD"] != "PUT" or not key:
            return self.app(environ, start_response)
        if container.endswith(SEGMENTS):
            name, upload_id, part = ["", "", *key.rsplit("/", 2)][-3:]
            if not name or not part.isdigit():
                return self.app(environ, start_response)
            path = f"/v1/{account}/{container.removesuffix(SEGMENTS)}/{name}"
            upload = environ["PATH_INFO"].rpartition("/")[0]
            check = partial(self._check_part, environ, path, upload, upload_id)
        elif "multipart-manifest=put" in environ.get("QUERY_STRING", ""):
            return self._complete(environ, start_response)
        elif environ.get("HTTP_IF_NONE_MATCH") == "*":
            check = partial(self._check_object, environ, path)
        else:
            return self.app(environ, start_response)
        return self._put(environ, start_response, self._lock(path), check)

    def _put(
        self,
        environ: WSGIEnvironment,
        start_response: StartResponse,
        lock: Semaphore,
        check: Check,
    ) -> Iterable[bytes]:
        """Run a PUT under the lock, unless ``check`` refuses it."""
        refusal = check()  # most refusals need neither the body nor the lock
        if refusal:
            return refusal(environ, start_response)
        length = int(environ.get("CONTENT_LENGTH") or 0)
        body = RecheckedBody(environ["wsgi.input"], length, lock, check)
        try:
            if body.refusal:
                return body.refusal(environ, start_response)
            environ["wsgi.input"] = body
            context = WSGIContext(self.app)
            response: Iterable[bytes] = context._app_call(environ)
            if body.refusal:
                return body.refusal(environ, start_response)
            start_response(
                context._response_status, context._response_headers, context._response_exc_info
            )
            return response
        finally:
            body.release()

    def _complete(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Complete an upload; if it is complete already, respond with success and write nothing.

        slo works while its response is read, so read it here, even for a disconnected client.
        """
        path: str = environ["PATH_INFO"]
        upload_id = environ.get(UPLOAD_ID_VARIABLE)
        with self._lock(path):
            now = self._head(environ, path)
            if now.headers.get(UPLOAD_ID_HEADER) == upload_id:
                return _application(HTTPCreated)(environ, start_response)
            if now.is_success and environ.get("HTTP_IF_NONE_MATCH") == "*":
                return _application(HTTPPreconditionFailed)(environ, start_response)
            with closing_if_possible(self.app(environ, start_response)) as response:
                return [b"".join(response)]

    def _lock(self, path: str) -> Semaphore:
        return self._locks.setdefault(path, Semaphore())

    def _check_part(
        self, environ: WSGIEnvironment, path: str, upload: str, upload_id: str
    ) -> WSGIApplication | None:
        """Refuse a part unless its upload is pending.

        Completion writes the object first and ends the upload afterwards: check both.
        """
        pending = self._head(environ, upload).is_success
        completed = self._head(environ, path).headers.get(UPLOAD_ID_HEADER) == upload_id
        return _application(HTTPNotFound) if completed or not pending else None

    def _check_object(self, environ: WSGIEnvironment, path: str) -> WSGIApplication | None:
        """Refuse a PUT if the object exists."""
        exists = self._head(environ, path).is_success
        return _application(HTTPPreconditionFailed) if exists else None

    def _head(self, environ: WSGIEnvironment, path: str) -> Any:
        """Return the response of the filters to the right to a HEAD."""
        request = make_pre_authed_request(environ, "HEAD", wsgi_quote(path), swift_source="ONCE")
        return request.get_response(self.app)


def _application(response: Any) -> WSGIApplication:
    """Return an empty response of a swob class; s3api turns it into S3's."""
    application: WSGIApplication = response()
    return application


def filter_factory(global_conf: dict[str, Any], **local_conf: str) -> type[AtomicWrites]:
    """Return the filter."""
    return AtomicWrites
