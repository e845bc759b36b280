"""What S3 allows once and Swift would do several times.

Without it, a PUT with ``If-None-Match: *`` is stored as a version before it is refused, and racing
ones may all succeed; racing completions of one multipart upload make versions that share their
parts; and the parts of a completed upload may be replaced. It stands left of ``versioned_writes``,
which would store before anything is asked, and of ``slo``, so that no part changes between its
being checked by a completion and the completion.

It sees Swift's requests, not S3's: paths are ``/v1/account/container/object``, parts lie in the
container ``<bucket>+segments`` as ``<key>/<upload id>/<part number>``, an upload that is under way
is the object ``<key>/<upload id>`` there, and a completed one is named in the object's metadata.
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

# Asks whether a PUT may be; None, or the answer to give in its place.
Look = Callable[[], WSGIApplication | None]


class LastLook:
    """A request body that hands out its last byte only under the lock, and after another look.

    So nobody waits for a slow client, and between the look and the write nothing comes.
    """

    def __init__(self, body: Any, length: int, lock: Semaphore, look: Look) -> None:
        self._body = body
        self._left = length
        self._lock = lock
        self._look = look
        self._locked = False
        self.instead: WSGIApplication | None = None
        if not length:
            self._look_again()

    def read(self, *size: int) -> bytes:
        """As ``body.read``. OSError when the look says no: Swift then throws away what has come."""
        chunk: bytes = self._body.read(*size)
        self._left -= len(chunk)
        if self._left <= 0 and not self._locked:
            self._look_again()
        if self.instead:
            raise OSError("refused at the end of the body")
        return chunk

    def release(self) -> None:
        """To be called when the PUT is done."""
        if self._locked:
            self._lock.release()

    def _look_again(self) -> None:
        self._lock.acquire()
        self._locked = True
        self.instead = self._look()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._body, name)


class Once:
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
            look = partial(self._look_at_part, environ, path, upload, upload_id)
        elif "multipart-manifest=put" in environ.get("QUERY_STRING", ""):
            return self._complete(environ, start_response)
        elif environ.get("HTTP_IF_NONE_MATCH") == "*":
            look = partial(self._look_at_object, environ, path)
        else:
            return self.app(environ, start_response)
        return self._put(environ, start_response, self._lock(path), look)

    def _put(
        self,
        environ: WSGIEnvironment,
        start_response: StartResponse,
        lock: Semaphore,
        look: Look,
    ) -> Iterable[bytes]:
        """A PUT that is written under the lock, if ``look`` has nothing against it."""
        instead = look()  # spares the body, and the wait for the lock, in the common case
        if instead:
            return instead(environ, start_response)
        length = int(environ.get("CONTENT_LENGTH") or 0)
        body = LastLook(environ["wsgi.input"], length, lock, look)
        try:
            if body.instead:
                return body.instead(environ, start_response)
            environ["wsgi.input"] = body
            context = WSGIContext(self.app)
            answer: Iterable[bytes] = context._app_call(environ)
            if body.instead:
                return body.instead(environ, start_response)
            start_response(
                context._response_status, context._response_headers, context._response_exc_info
            )
            return answer
        finally:
            body.release()

    def _complete(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """A completion, unless it was done before: then a success that writes nothing.

        slo works while its answer is read, so it is read here, also for a client that went away.
        """
        path: str = environ["PATH_INFO"]
        upload_id = environ.get(UPLOAD_ID_VARIABLE)
        with self._lock(path):
            now = self._head(environ, path)
            if now.headers.get(UPLOAD_ID_HEADER) == upload_id:
                return _application(HTTPCreated)(environ, start_response)
            if now.is_success and environ.get("HTTP_IF_NONE_MATCH") == "*":
                return _application(HTTPPreconditionFailed)(environ, start_response)
            with closing_if_possible(self.app(environ, start_response)) as answer:
                return [b"".join(answer)]

    def _lock(self, path: str) -> Semaphore:
        return self._locks.setdefault(path, Semaphore())

    def _look_at_part(
        self, environ: WSGIEnvironment, path: str, upload: str, upload_id: str
    ) -> WSGIApplication | None:
        """A part may come while its upload is under way.

        Completion writes the object first and ends the upload afterwards: look at both.
        """
        under_way = self._head(environ, upload).is_success
        completed = self._head(environ, path).headers.get(UPLOAD_ID_HEADER) == upload_id
        return _application(HTTPNotFound) if completed or not under_way else None

    def _look_at_object(self, environ: WSGIEnvironment, path: str) -> WSGIApplication | None:
        """What must be new may not exist."""
        exists = self._head(environ, path).is_success
        return _application(HTTPPreconditionFailed) if exists else None

    def _head(self, environ: WSGIEnvironment, path: str) -> Any:
        """Swift's own answer to HEAD, asked to the right of here."""
        request = make_pre_authed_request(environ, "HEAD", wsgi_quote(path), swift_source="ONCE")
        return request.get_response(self.app)


def _application(response: Any) -> WSGIApplication:
    """An empty answer of one of swob's kinds; s3api makes S3's words of it."""
    application: WSGIApplication = response()
    return application


def filter_factory(global_conf: dict[str, Any], **local_conf: str) -> type[Once]:
    """What the pipeline's configuration names."""
    return Once
