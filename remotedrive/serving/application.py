"""The ASGI application: reads the body on the event loop, runs the whole synchronous Django stack
as one call in one thread of a fixed pool, and sends the answer.

It owns what belongs to every request: its id, the limit of its body, the time it may take, its line
in the access log, and the answers where Django is never asked (too large, overload, stopping).
It may not know of users, files or the store, and may not wait on the event loop for anything but
the client and the pool.
"""

from __future__ import annotations

import asyncio
import io
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from importlib import import_module
from typing import Any
from urllib.parse import quote

from django.conf import settings
from django.core import signals
from django.core.handlers.asgi import ASGIRequest, get_script_prefix
from django.core.handlers.base import BaseHandler
from django.http import FileResponse
from django.http.response import HttpResponseBase
from django.urls import set_script_prefix

from remotedrive.http import problems, request_id
from remotedrive.serving import protocol
from remotedrive.serving.responses import (
    CHUNK,
    Answer,
    Exchange,
    Headers,
    Stream,
    answer_of,
    has_no_body,
    headers_of,
)
from remotedrive.serving.thread_pool import Job, ThreadPool

Scope = dict[str, Any]
Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

MOST_WAITING = 256
"""Requests that may wait for a thread; one more is answered 503 at once."""
ANSWER_SECONDS = 9.5
"""Seconds from the end of the request's body to the end of its run; a client waits at most 10 s."""
BODY_SECONDS = 10.0
"""Seconds in which the whole body must arrive."""
LINGER_SECONDS = 5.0
"""Seconds for which the rest of a refused body is read and dropped: a connection that is closed
with unread bytes is reset, and the client may lose the answer that says why (RFC 9112 §9.6)."""
TAKE_SECONDS = 60.0
"""Seconds in which a client must take the whole of a streamed answer."""
CLIENT_GONE = 499
"""Status in the access log of a request whose client left before a thread took it."""

logger = logging.getLogger(__name__)
access = logging.getLogger("remotedrive.access")


class _ClientGoneError(Exception):
    """The client left before its request was run."""


class _RefusedError(Exception):
    """The body is not taken: the problem's code, and a detail."""

    def __init__(self, code: str, detail: str | None = None) -> None:
        self.code = code
        self.detail = detail


class Handler(BaseHandler):
    """Django's synchronous handler on requests that came by ASGI."""

    def __init__(self) -> None:
        super().__init__()
        self.load_middleware()
        # Imports the views now, which the first request would have to wait for.
        import_module(settings.ROOT_URLCONF)

    def respond(self, scope: Scope, body: bytes) -> HttpResponseBase:
        """Return the response to a request; whoever called closes it, which ends the request."""
        set_script_prefix(get_script_prefix(scope))
        signals.request_started.send(sender=type(self), scope=scope)
        response: HttpResponseBase
        try:
            request = ASGIRequest(scope, io.BytesIO(body))
        except UnicodeDecodeError:
            response = problems.response("malformed-request", "The query string is not UTF-8.")
        except ValueError:
            response = problems.response("malformed-request", "The Content-Type cannot be read.")
        else:
            response = self.get_response(request)
        response._handler_class = type(self)  # type: ignore[attr-defined]
        return response


class _Reply:
    """Sends one answer to the client; knows how far it came."""

    def __init__(self, scope: Scope, send: Send, identifier: str) -> None:
        self._scope = scope
        self._send = send
        self._identifier = (b"x-request-id", identifier.encode())
        self.status = CLIENT_GONE
        self.started = False

    async def send(self, answer: Answer) -> None:
        await self._start(answer.status, answer.headers)
        body = answer.body
        if isinstance(body, Stream):
            async with asyncio.timeout(TAKE_SECONDS):
                async for chunk in body.chunks():
                    message = {"type": "http.response.body", "body": chunk, "more_body": True}
                    await self._send(message)
            body = b""
        await self._send({"type": "http.response.body", "body": body})

    async def problem(self, code: str, detail: str | None = None) -> None:
        """Send a problem, unless an answer was begun: then it stays cut off, and is seen to be."""
        if not self.started:
            await self.send(_problem(self._scope, code, detail))

    async def refuse(self, refused: _RefusedError, receive: Receive) -> None:
        """Send the problem of a body that is not read, drop the rest of it, and close."""
        answer = _problem(self._scope, refused.code, refused.detail)
        await self._start(answer.status, answer.headers, close=True)
        await self._send({"type": "http.response.body", "body": answer.body, "more_body": True})
        with suppress(TimeoutError):
            async with asyncio.timeout(LINGER_SECONDS):
                while (await receive()).get("more_body"):
                    pass
        await self._send({"type": "http.response.body", "body": b""})

    async def _start(self, status: int, headers: Headers, *, close: bool = False) -> None:
        self.started = True
        self.status = status
        headers = [*headers, self._identifier]
        if close or protocol.are_ending():
            headers.append((b"connection", b"close"))
        await self._send({"type": "http.response.start", "status": status, "headers": headers})


class Application:
    """The ASGI 3 application. `body_limit` is in bytes; the times are in seconds."""

    def __init__(
        self,
        *,
        threads: int,
        body_limit: int,
        most_waiting: int = MOST_WAITING,
        answer_seconds: float = ANSWER_SECONDS,
        body_seconds: float = BODY_SECONDS,
    ) -> None:
        self._handler = Handler()
        self._pool = ThreadPool(threads, most_waiting)
        self._body_limit = body_limit
        self._answer_seconds = answer_seconds
        self._body_seconds = body_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "lifespan":
            await _lifespan(receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1000})

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        began = time.monotonic()
        reply = _Reply(scope, send, request_id.begin(_offered_id(scope)))
        if scope["path"] == "/healthz" and scope["method"] in ("GET", "HEAD"):
            body = b"" if scope["method"] == "HEAD" else _HEALTH
            await reply.send(Answer(200, _HEALTH_HEADERS, body))
            return
        try:
            await self._answer(scope, receive, reply)
        except _ClientGoneError:
            pass
        except TimeoutError:
            await reply.problem("unavailable", "The request could not be answered in time.")
        except asyncio.CancelledError:
            # uvicorn cancels what has not ended when the time for a stop is over.
            await reply.problem("unavailable", "The service is stopping.")
        except Exception:
            logger.exception("The request failed outside of Django")
            await reply.problem("internal-error")
        milliseconds = (time.monotonic() - began) * 1000
        # Decoded and quoted again, a path has one spelling, and no line breaks.
        path = quote(scope["path"])[:500]
        access.info("%s %s %d %.1f ms", scope["method"], path, reply.status, milliseconds)

    async def _answer(self, scope: Scope, receive: Receive, reply: _Reply) -> None:
        try:
            body = await self._body(scope, receive)
        except _RefusedError as refused:
            await reply.refuse(refused, receive)
            return
        if "\0" in scope["path"]:
            # No name of anything has a NUL, and databases refuse to be asked for one.
            await reply.problem("not-found")
            return
        exchange = Exchange(asyncio.get_running_loop(), self._answer_seconds)
        job = Job(partial(self._run, exchange, _with_length(scope, len(body)), body))
        if not self._pool.submit(job):
            await reply.problem("unavailable", "Too many requests are waiting.")
            return
        # Left to itself where this coroutine ends before the job: the thread must come back.
        timer = exchange.loop.call_at(exchange.deadline, self._expire, exchange, job)
        try:
            answer = await self._wait(exchange, job, receive)
            await reply.send(answer)
            timer.cancel()
        finally:
            if self._pool.withdraw(job):
                timer.cancel()

    async def _body(self, scope: Scope, receive: Receive) -> bytes:
        """Return the whole body, which is at most the limit."""
        header = _header(scope, b"content-length")
        declared = int(header) if header is not None and header.isdigit() else None
        if declared is not None and declared > self._body_limit:
            raise _RefusedError("body-too-large")
        body = bytearray()
        try:
            async with asyncio.timeout(self._body_seconds):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise _ClientGoneError
                    body += message.get("body", b"")
                    if len(body) > self._body_limit:
                        raise _RefusedError("body-too-large")
                    if not message.get("more_body", False):
                        break
        except TimeoutError:
            detail = f"The body did not arrive within {self._body_seconds:g} s."
            raise _RefusedError("malformed-request", detail) from None
        if declared is not None and declared != len(body):
            # httptools reads no body behind `Upgrade`; without this it would be lost silently.
            raise _RefusedError("malformed-request", "The body was not read: leave out `Upgrade`.")
        return bytes(body)

    async def _wait(self, exchange: Exchange, job: Job, receive: Receive) -> Answer:
        """Return what the thread answers; see to it that a client who leaves frees its place."""
        # Most requests are answered at once, and listening costs a task.
        await asyncio.wait([exchange.answer], timeout=0.05)
        if not exchange.answer.done():
            leaving: asyncio.Future[Any] = asyncio.ensure_future(receive())
            either: list[asyncio.Future[Any]] = [exchange.answer, leaving]
            try:
                await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
                if not exchange.answer.done() and self._pool.withdraw(job):
                    raise _ClientGoneError
            finally:
                leaving.cancel()
        return await exchange.answer

    def _expire(self, exchange: Exchange, job: Job) -> None:
        exchange.expire()
        if not self._pool.withdraw(job):
            self._cut(exchange.loop, job)

    def _cut(self, loop: asyncio.AbstractEventLoop, job: Job) -> None:
        """Break what the thread waits for, again and again until it has ended the job."""
        if self._pool.cut(job):
            logger.warning("A request is over its time; its database connection was broken")
            loop.call_later(1.0, self._cut, loop, job)

    def _run(self, exchange: Exchange, scope: Scope, body: bytes) -> None:
        """Run the request from its first signal to its last, in a thread of the pool."""
        answer: Answer | Exception | None = None
        try:
            response = self._handler.respond(scope, body)
        except BaseException:
            logger.exception("The request failed outside of Django's handling of errors")
            response = problems.response("internal-error")
        try:
            if response.streaming and not has_no_body(scope["method"], response.status_code):
                self._stream(exchange, response)
            else:
                answer = answer_of(scope["method"], response)
        except Exception as error:
            answer = error
        try:
            response.close()
        except Exception:
            logger.exception("The request could not be ended cleanly")
        exchange.end(answer)

    def _stream(self, exchange: Exchange, response: HttpResponseBase) -> None:
        if isinstance(response, FileResponse):
            response.block_size = CHUNK
        stream = exchange.begin_stream(response.status_code, headers_of(response))
        for part in response:
            for start in range(0, len(part), CHUNK):
                stream.put(part[start : start + CHUNK])


_HEALTH = b'{"status": "ok"}'
_HEALTH_HEADERS: Headers = [
    (b"content-type", b"application/json"),
    (b"content-length", b"%d" % len(_HEALTH)),
    (b"cache-control", b"no-store"),
]


async def _lifespan(receive: Receive, send: Send) -> None:
    await receive()
    protocol.note_signals()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await send({"type": "lifespan.shutdown.complete"})


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


def _problem(scope: Scope, code: str, detail: str | None = None) -> Answer:
    """Return a problem as an answer."""
    return answer_of(scope["method"], problems.response(code, detail))
