"""The ASGI application: reads the body on the event loop, runs the whole synchronous Django stack
as one call in one thread of a fixed pool, and sends the response.

It owns what every request has: an id, a limit for its body, a deadline, a line in the access log,
and the responses that are made without Django (too large, overload, stopping). It knows nothing of
users, files or the store. On the event loop it waits for the client and the pool only.
"""

from __future__ import annotations

import asyncio
import io
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from contextvars import copy_context
from functools import partial
from importlib import import_module
from threading import BoundedSemaphore
from types import MappingProxyType
from typing import Any

from django.conf import settings
from django.core import signals
from django.core.handlers.asgi import ASGIRequest, get_script_prefix
from django.core.handlers.base import BaseHandler
from django.http import HttpRequest
from django.http.response import HttpResponse, HttpResponseBase
from django.urls import ResolverMatch, set_script_prefix

from remotedrive import metrics, request_notes
from remotedrive.http import cors, logs, problems, request_id, security_headers
from remotedrive.http.views import metrics_response
from remotedrive.serving import protocol
from remotedrive.serving.responses import Exchange, Headers, Response, convert
from remotedrive.serving.thread_pool import Job, ThreadPool
from remotedrive.serving.watch import ClientGoneError, Watch

Scope = dict[str, Any]
Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

MOST_WAITING = 256
"""Requests that may wait for a thread; one more is answered 503 at once."""
MOST_LARGE_BODIES = 64
"""Bodies beyond the ordinary limit that are held at the same time; anyone can send one."""
ANSWER_SECONDS = 9.5
"""Seconds from the end of the request's body to its response; a client waits at most 10 s."""
BODY_SECONDS = 10.0
"""Seconds in which the whole body must arrive."""
LINGER_SECONDS = 5.0
"""Seconds for which the rest of a refused body is read and dropped: a connection that is closed
with unread bytes is reset, and the client may lose the response that says why (RFC 9112 §9.6)."""
SAMPLE_SECONDS = 1.0
"""Seconds between two looks at how many threads are busy and how many requests wait."""
LOG_SECONDS = 0.1
"""Seconds for which the line of a request may wait to be written with others."""
CLIENT_GONE = 499
"""Status in the log of a request whose client left before a thread took it."""

logger = logging.getLogger(__name__)


class _RefusedError(Exception):
    """The body is refused: the problem's code, and a detail."""

    def __init__(self, code: str, detail: str | None = None) -> None:
        self.code = code
        self.detail = detail


class Handler(BaseHandler):
    """Django's synchronous handler, for requests that come by ASGI."""

    def __init__(self) -> None:
        super().__init__()
        self.load_middleware()
        # Imports the views now, which the first request would have to wait for.
        import_module(settings.ROOT_URLCONF)

    def resolve_request(self, request: HttpRequest) -> ResolverMatch:
        """Note the route at once: a request may end before it has a response."""
        match: ResolverMatch = super().resolve_request(request)
        request_notes.current().route = logs.route_of(match)
        return match

    def respond(self, scope: Scope, body: bytes) -> HttpResponseBase:
        """Return the response to a request; the caller must close it, which ends the request."""
        set_script_prefix(get_script_prefix(scope))
        signals.request_started.send(sender=type(self), scope=scope)
        response: HttpResponseBase
        try:
            request = ASGIRequest(scope, io.BytesIO(body))
        except UnicodeDecodeError:
            response = _problem(scope, "malformed-request", "The query string is not UTF-8.")
        except ValueError:
            response = _problem(scope, "malformed-request", "The Content-Type cannot be read.")
        else:
            response = self.get_response(request)
            logs.note(request)
        response._handler_class = type(self)  # type: ignore[attr-defined]
        return response


class _Sender:
    """Sends one response to the client, and knows how far it came."""

    def __init__(self, scope: Scope, send: Send, identifier: str) -> None:
        self._scope = scope
        self._send = send
        self._identifier = (b"x-request-id", identifier.encode())
        self.status = CLIENT_GONE
        self.started = False

    async def send(self, response: Response) -> None:
        await self._start(response.status, response.headers)
        await self._send({"type": "http.response.body", "body": response.body})

    async def problem(self, code: str, detail: str | None = None) -> None:
        """Send a problem, unless a response was begun: then the client sees that it is cut off."""
        if not self.started:
            response = _problem(self._scope, code, detail)
            await self.send(convert(self._scope["method"], response))

    async def refuse(self, refused: _RefusedError, receive: Receive) -> None:
        """Refuse a body: send the problem, drop the rest of the body, and close."""
        problem = _problem(self._scope, refused.code, refused.detail)
        response = convert(self._scope["method"], problem)
        await self._start(response.status, response.headers, close=True)
        await self._send({"type": "http.response.body", "body": response.body, "more_body": True})
        with suppress(TimeoutError):
            async with asyncio.timeout(LINGER_SECONDS):
                while (await receive()).get("more_body"):
                    pass
        await self._send({"type": "http.response.body", "body": b""})

    async def _start(self, status: int, headers: Headers, *, close: bool = False) -> None:
        self.started = True
        self.status = status
        headers = security_headers.add_missing(headers, self._scope["scheme"])
        headers.append(self._identifier)
        if close or protocol.are_ending():
            headers.append((b"connection", b"close"))
        await self._send({"type": "http.response.start", "status": status, "headers": headers})


class Application:
    """The ASGI 3 application. The times are in seconds.

    `body_limit` is in bytes; `large_bodies` has the limits of paths that have another.
    """

    def __init__(
        self,
        *,
        threads: int,
        body_limit: int,
        large_bodies: Mapping[str, int] = MappingProxyType({}),
        most_waiting: int = MOST_WAITING,
        answer_seconds: float = ANSWER_SECONDS,
        body_seconds: float = BODY_SECONDS,
    ) -> None:
        self._handler = Handler()
        self._pool = ThreadPool(threads, most_waiting)
        self._watch = Watch(self._pool)
        self._body_limit = body_limit
        self._large_bodies = large_bodies
        self._large_bodies_free = BoundedSemaphore(MOST_LARGE_BODIES)
        self._answer_seconds = answer_seconds
        self._body_seconds = body_seconds
        self._has_lines = False
        """Whether lines of the log wait to be written."""
        self._metrics_thread = ThreadPoolExecutor(1, "metrics")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1000})

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        began = time.monotonic()
        sender = _Sender(scope, send, request_id.begin(_offered_id(scope)))
        if scope["path"] == "/healthz" and scope["method"] in ("GET", "HEAD"):
            body = b"" if scope["method"] == "HEAD" else _HEALTH
            await sender.send(Response(200, _HEALTH_HEADERS, body))
            return
        if scope["path"] == "/metrics" and scope["method"] in ("GET", "HEAD"):
            await sender.send(await self._metrics(scope))
            return
        notes = request_notes.begin()
        try:
            await self._respond(scope, receive, sender)
        except ClientGoneError:
            pass
        except TimeoutError:
            await sender.problem("unavailable", "The request could not be answered in time.")
        except asyncio.CancelledError:
            # uvicorn cancels what has not ended when the time for a stop is over.
            await sender.problem("unavailable", "The service is stopping.")
        except Exception:
            logger.exception("The request failed outside of Django")
            await sender.problem("internal-error")
        method, status, seconds = scope["method"], sender.status, time.monotonic() - began
        metrics.request_ended(route=notes.route, method=method, status=status, seconds=seconds)
        peer = scope.get("client")
        logs.write_request(
            notes, method=method, status=status, seconds=seconds, peer=peer and peer[0], wait=True
        )
        if not self._has_lines:
            self._has_lines = True
            asyncio.get_running_loop().call_later(LOG_SECONDS, self._write_lines)

    def _write_lines(self) -> None:
        self._has_lines = False
        logs.flush()

    async def _metrics(self, scope: Scope) -> Response:
        """Return the response with the metrics, made by a thread that no request waits for."""
        authorization = _header(scope, b"authorization")
        made = await asyncio.get_running_loop().run_in_executor(
            self._metrics_thread, copy_context().run, metrics_response, authorization
        )
        return convert(scope["method"], made)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        protocol.note_signals()
        metrics.WORKERS.set(1)
        metrics.WORKER_STARTS.inc()
        metrics.THREADS.set(self._pool.size)
        sampling = asyncio.create_task(self._sample())
        await send({"type": "lifespan.startup.complete"})
        await receive()
        sampling.cancel()
        logs.flush()
        await send({"type": "lifespan.shutdown.complete"})

    async def _sample(self) -> None:
        """Note how much there is to do, now and then: at each request it would cost more."""
        while True:
            busy, waiting = self._pool.load()
            metrics.THREADS_BUSY.set(busy)
            metrics.REQUESTS_WAITING.set(waiting)
            await asyncio.sleep(SAMPLE_SECONDS)

    async def _respond(self, scope: Scope, receive: Receive, sender: _Sender) -> None:
        with ExitStack() as held:
            try:
                body = await self._body(scope, receive, held)
            except _RefusedError as refused:
                await sender.refuse(refused, receive)
                return
            await self._run_in_pool(scope, sender, body)

    async def _run_in_pool(self, scope: Scope, sender: _Sender, body: bytes) -> None:
        if "\0" in scope["path"]:
            # No name contains a NUL, and PostgreSQL refuses it in a query.
            await sender.problem("not-found")
            return
        exchange = Exchange(asyncio.get_running_loop(), self._answer_seconds)
        job = Job(partial(self._run, exchange, _with_length(scope, len(body)), body))
        if not self._pool.submit(job):
            await sender.problem("unavailable", "Too many requests are waiting.")
            return
        self._watch.begin(job, exchange, scope.get(protocol.HAS_LEFT, _stays))
        try:
            response = await exchange.response
        except BaseException:
            # One that a thread has begun stays watched until it ends: the thread must come back.
            if self._pool.withdraw(job):
                self._watch.end(job)
            raise
        self._watch.end(job)
        await sender.send(response)

    async def _body(self, scope: Scope, receive: Receive, held: ExitStack) -> bytes:
        """Return the whole body, which is at most the limit of its path.

        A large one has a place until `held` ends.
        """
        limit = self._large_bodies.get(scope["path"], self._body_limit)
        header = _header(scope, b"content-length")
        declared = int(header) if header is not None and header.isdigit() else None
        if declared is not None and declared > limit:
            raise _RefusedError("body-too-large")
        if not declared and _header(scope, b"transfer-encoding") is None:
            return b""  # RFC 9112 §6.3
        body, is_large = bytearray(), False
        try:
            async with asyncio.timeout(self._body_seconds):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise ClientGoneError
                    body += message.get("body", b"")
                    if len(body) > limit:
                        raise _RefusedError("body-too-large")
                    if len(body) > self._body_limit and not is_large:
                        is_large = True
                        self._hold_large_body(held)
                    if not message.get("more_body", False):
                        break
        except TimeoutError:
            detail = f"The body did not arrive within {self._body_seconds:g} s."
            raise _RefusedError("malformed-request", detail) from None
        if declared is not None and declared != len(body):
            # httptools reads no body behind `Upgrade`; without this it would be lost silently.
            raise _RefusedError("malformed-request", "The body was not read: leave out `Upgrade`.")
        return bytes(body)

    def _hold_large_body(self, held: ExitStack) -> None:
        if not self._large_bodies_free.acquire(blocking=False):
            raise _RefusedError("unavailable", "Too many large bodies came at once.")
        held.callback(self._large_bodies_free.release)

    def _run(self, exchange: Exchange, scope: Scope, body: bytes) -> None:
        """Run the request from its first signal to its last, in a thread of the pool."""
        converted: Response | Exception
        try:
            response = self._handler.respond(scope, body)
        except BaseException:
            logger.exception("The request failed outside of Django's handling of errors")
            response = _problem(scope, "internal-error")
        try:
            converted = convert(scope["method"], response)
        except Exception as error:
            converted = error
        try:
            response.close()
        except Exception:
            logger.exception("The request could not be ended cleanly")
        exchange.end(converted)


_HEALTH = b'{"status": "ok"}'
_HEALTH_HEADERS: Headers = [
    (b"content-type", b"application/json"),
    (b"content-length", b"%d" % len(_HEALTH)),
    (b"cache-control", b"no-store"),
]


def _stays() -> bool:
    """Say of a client that nothing is known of it."""
    return False


def _header(scope: Scope, name: bytes) -> bytes | None:
    return next((value for key, value in scope["headers"] if key == name), None)


def _offered_id(scope: Scope) -> str | None:
    offered = _header(scope, b"x-request-id")
    return None if offered is None else offered.decode("latin-1")


def _with_length(scope: Scope, length: int) -> Scope:
    """Return `scope` with the body's real length: REST framework ignores a body without one."""
    framing = (b"content-length", b"transfer-encoding")
    headers = [(name, value) for name, value in scope["headers"] if name not in framing]
    return {**scope, "headers": [*headers, (b"content-length", b"%d" % length)]}


def _problem(scope: Scope, code: str, detail: str | None = None) -> HttpResponse:
    """Return a problem that a page of an allowed origin can read, too."""
    response = problems.response(code, detail)
    cors.add_headers(scope, response)
    return response
