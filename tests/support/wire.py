"""Requests of exactly these bytes, through the handler that production runs, in this thread.

What Django's test client would tidy up (odd escapes, headers twice) arrives as uvicorn hands it on.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from urllib.parse import unquote

from django.core import signals
from django.db import close_old_connections

from remotedrive.serving.application import Handler
from tests.support.client import Answer, answered


@functools.cache
def _handler() -> Handler:
    return Handler()


@contextmanager
def _open_connections() -> Iterator[None]:
    """Let the test's own transaction outlive the request, as Django's test client does."""
    ends = (signals.request_started, signals.request_finished)
    for signal in ends:
        signal.disconnect(close_old_connections)
    try:
        yield
    finally:
        for signal in ends:
            signal.connect(close_old_connections)


def send(
    method: str,
    target: str,
    headers: Sequence[tuple[str, str]] = (),
    body: bytes = b"",
    *,
    host: str = "localhost",
) -> Answer:
    """Return the answer to a request for `target`, the request line's own ASCII characters."""
    path, _, query = target.partition("?")
    sent = [("host", host), ("content-length", str(len(body))), *headers]
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": unquote(path),
        "raw_path": path.encode("ascii"),
        "query_string": query.encode("ascii"),
        "root_path": "",
        "headers": [
            (name.lower().encode("ascii"), value.encode("latin-1")) for name, value in sent
        ],
        "client": ("127.0.0.1", 50000),
        "server": ("127.0.0.1", 8000),
    }
    with _open_connections():
        response = _handler().respond(scope, body)
        try:
            content = b"".join(response)
        finally:
            response.close()
    return answered(method, target, None, response.status_code, response.headers, content)
