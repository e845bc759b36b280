"""Converts Django's responses for ASGI, and hands them from a thread to the event loop."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass

from django.http.response import HttpResponseBase, StreamingHttpResponse

Headers = list[tuple[bytes, bytes]]

STREAMED_BYTES = 8 << 20
"""The largest body of a streaming response. Only static files are streamed, and they are small."""


@dataclass(frozen=True)
class Response:
    """A complete response in the terms of ASGI."""

    status: int
    headers: Headers
    body: bytes


class Exchange:
    """Passes the response to one request from a thread to the event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop, seconds: float) -> None:
        self.loop = loop
        self.deadline = loop.time() + seconds
        self.response: asyncio.Future[Response] = loop.create_future()

    def end(self, response: Response | Exception) -> None:
        """Hand over, in the thread, the response, or why there is none."""
        # The loop is closed when the process ends while the thread was still at work.
        with suppress(RuntimeError):
            self.loop.call_soon_threadsafe(self._resolve, response)

    def give_up(self, reason: Exception) -> None:
        """End it without the thread's response, on the event loop."""
        self._resolve(reason)

    def _resolve(self, response: Response | Exception) -> None:
        if self.response.done():
            return
        if isinstance(response, Response):
            self.response.set_result(response)
        else:
            self.response.set_exception(response)


def convert(method: str, response: HttpResponseBase) -> Response:
    """Return Django's response to a request of `method`, with the Content-Length that a GET's has.

    Raises ValueError when a streaming response is larger than STREAMED_BYTES.
    """
    status = response.status_code
    headers = [
        (name.lower().encode("ascii"), value.encode("latin-1")) for name, value in response.items()
    ]
    for cookie in response.cookies.values():
        headers.append((b"set-cookie", cookie.OutputString().encode("ascii")))
    never_has_body = status in (204, 304)
    has_body = not never_has_body and method != "HEAD"
    if isinstance(response, StreamingHttpResponse):
        content = _joined(response) if has_body else None
    else:
        content = response.content  # type: ignore[attr-defined]
    if not (content is None or never_has_body or response.has_header("Content-Length")):
        headers.append((b"content-length", b"%d" % len(content)))
    return Response(status, headers, content if content is not None and has_body else b"")


def _joined(response: StreamingHttpResponse) -> bytes:
    content = bytearray()
    for part in response:
        content += part
        if len(content) > STREAMED_BYTES:
            raise ValueError(f"A streaming response has more than {STREAMED_BYTES} bytes")
    return bytes(content)
