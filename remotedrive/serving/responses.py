"""How an answer passes from a thread to the event loop: all at once, or as a stream of chunks.

`remotedrive/serving/application.py` uses it. Nothing here talks to the client.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from django.http.response import HttpResponseBase

Headers = list[tuple[bytes, bytes]]

CHUNK = 64 * 1024
CHUNKS_AHEAD = 16
"""Chunks of a streamed answer that may wait for the client, so that a thread need not."""


@dataclass(frozen=True)
class Answer:
    """The head of an answer with its body, or with the stream that the body comes by."""

    status: int
    headers: Headers
    body: bytes | Stream


class Stream:
    """Carries the chunks of a body from a thread to the event loop, a bounded number ahead."""

    def __init__(self, loop: asyncio.AbstractEventLoop, deadline: float) -> None:
        self._loop = loop
        self._deadline = deadline
        self._room = threading.Semaphore(CHUNKS_AHEAD)
        self._chunks: asyncio.Queue[bytes | Exception | None] = asyncio.Queue()

    def put(self, chunk: bytes) -> None:
        """Hand over a chunk, in the thread; TimeoutError where the client takes none in time."""
        if not self._room.acquire(timeout=max(0.0, self._deadline - time.monotonic())):
            raise TimeoutError
        self._loop.call_soon_threadsafe(self._chunks.put_nowait, chunk)

    def end(self, error: Exception | None) -> None:
        """Say, on the event loop, that the body is complete, or why it never will be."""
        self._chunks.put_nowait(error)

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield the chunks; raises what `end` was given."""
        while (chunk := await self._chunks.get()) is not None:
            if isinstance(chunk, Exception):
                raise chunk
            self._room.release()
            yield chunk


class Exchange:
    """What a thread hands to the event loop for one request."""

    def __init__(self, loop: asyncio.AbstractEventLoop, seconds: float) -> None:
        self.loop = loop
        self.deadline = loop.time() + seconds
        self.answer: asyncio.Future[Answer] = loop.create_future()
        self.stream: Stream | None = None

    def begin_stream(self, status: int, headers: Headers) -> Stream:
        """Hand over, in the thread, the head of an answer whose body is put into the stream."""
        self.stream = Stream(self.loop, self.deadline)
        self._call(self._resolve, Answer(status, headers, self.stream))
        return self.stream

    def end(self, answer: Answer | Exception | None) -> None:
        """Hand over, in the thread, an answer, or why there is none; None ends a stream."""
        if self.stream is None:
            self._call(self._resolve, answer)
        else:
            self._call(self.stream.end, answer)

    def expire(self) -> None:
        """Give up, on the event loop."""
        self._resolve(TimeoutError())
        if self.stream is not None:
            self.stream.end(TimeoutError())

    def _resolve(self, answer: Answer | Exception) -> None:
        if self.answer.done():
            return
        if isinstance(answer, Answer):
            self.answer.set_result(answer)
        else:
            self.answer.set_exception(answer)

    def _call(self, function: Callable[..., None], argument: Any) -> None:
        # The loop is closed when the process ends while the thread was still at work.
        with suppress(RuntimeError):
            self.loop.call_soon_threadsafe(function, argument)


def headers_of(response: HttpResponseBase) -> Headers:
    headers = [
        (name.lower().encode("ascii"), value.encode("latin-1")) for name, value in response.items()
    ]
    for cookie in response.cookies.values():
        headers.append((b"set-cookie", cookie.OutputString().encode("ascii")))
    return headers


def has_no_body(method: str, status: int) -> bool:
    return method == "HEAD" or status in (204, 304)


def answer_of(method: str, response: HttpResponseBase) -> Answer:
    """Return a response that is not streamed as an answer, with the length that a GET's has."""
    headers = headers_of(response)
    content: bytes = b"" if response.streaming else response.content  # type: ignore[attr-defined]
    if not (
        response.streaming
        or response.has_header("Content-Length")
        or response.status_code in (204, 304)
    ):
        headers.append((b"content-length", b"%d" % len(content)))
    return Answer(
        response.status_code,
        headers,
        b"" if has_no_body(method, response.status_code) else content,
    )
