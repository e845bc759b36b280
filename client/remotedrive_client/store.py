"""PUT and GET at presigned URLs. No URL ever gets into a message: whoever has one may use it."""

from __future__ import annotations

import logging
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import httpx

from remotedrive_client.errors import StoreRefusedError, UnavailableError
from remotedrive_client.retries import Stop

TIMEOUT = httpx.Timeout(60, connect=10, pool=None)
"""Seconds for one read or write, not for a transfer."""
CHUNK = 256 << 10

_UNEXPECTED = "The store did not answer as an S3 store does."

Body = Iterator[bytes]


def _without_signature(record: logging.LogRecord) -> bool:
    """Take the query of presigned URLs out of what httpx logs."""
    if isinstance(record.args, tuple):
        record.args = tuple(
            each.copy_with(query=None)
            if isinstance(each, httpx.URL) and b"X-Amz-" in each.query
            else each
            for each in record.args
        )
    return True


# Whoever uses the library may log all that httpx says of its requests.
logging.getLogger("httpx").addFilter(_without_signature)


class TransientError(Exception):
    """The same request may succeed later. `retry_after` is in seconds, where the store says so."""

    def __init__(self, reason: str, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.retry_after = retry_after

    def final(self) -> UnavailableError:
        """Return what to raise once patience is over."""
        return UnavailableError(f"The store does not answer: {self.reason}.")


class UrlRefusedError(Exception):
    """403: the URL has expired, as a rule; a fresh one decides."""


class AlreadyThereError(Exception):
    """412: the object is there, and the URL writes it once only."""


class OtherBytesError(Exception):
    """400: what was sent does not have the checksum that the URL binds."""


@dataclass(frozen=True)
class Received:
    """The bytes of a GET from `start` on; `whole` is the size of the object."""

    start: int
    whole: int
    etag: str | None
    chunks: Iterator[bytes]


def verification(url: str) -> ssl.SSLContext:
    """Return how the server of a URL proves itself; for http no certificate is loaded.

    To load the certificates takes longer than to send a small file.
    """
    if url.lower().startswith("http:"):
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    return httpx.create_ssl_context()


class ObjectStore:
    """Sends to and reads from the store. May be used by several threads at once."""

    def __init__(self, *, connections: int, stop: Stop) -> None:
        self._stop = stop
        self._limits = httpx.Limits(
            max_connections=connections, max_keepalive_connections=connections
        )
        self._lock = threading.Lock()
        self._clients: dict[str, httpx.Client] = {}

    def put(self, url: str, headers: Mapping[str, str], body: Body, size: int) -> None:
        """Send `size` bytes. Raises the errors of this module, and `StoreRefusedError`."""
        sent = {"Content-Length": str(size), **headers}
        try:
            response = self._client(url).put(url, content=self._stoppable(body), headers=sent)
        except httpx.TransportError as error:
            raise TransientError(_reason(error)) from None
        except (httpx.HTTPError, httpx.InvalidURL):
            raise StoreRefusedError(_UNEXPECTED) from None
        if not response.is_success:
            _refuse(response, response.text)

    @contextmanager
    def get(self, url: str, *, start: int = 0, etag: str | None = None) -> Iterator[Received]:
        """Open the bytes from `start` on, or from 0 when the store does not take ranges.

        With `etag`, from 0 too when the object has another one. Raises as `put`.
        """
        headers = {"Accept-Encoding": "identity"}
        if start:
            headers["Range"] = f"bytes={start}-"
            if etag is not None:
                headers["If-Range"] = etag
        try:
            with self._client(url).stream("GET", url, headers=headers) as response:
                if not response.is_success:
                    _refuse(response, response.read().decode(errors="replace"))
                yield _received(response, self._stoppable(response.iter_raw(CHUNK)))
        except httpx.TransportError as error:
            raise TransientError(_reason(error)) from None
        except (httpx.HTTPError, httpx.InvalidURL):
            raise StoreRefusedError(_UNEXPECTED) from None

    def close(self) -> None:
        """Close all connections."""
        with self._lock:
            for client in self._clients.values():
                client.close()

    def _client(self, url: str) -> httpx.Client:
        scheme = url.partition(":")[0].lower()
        with self._lock:
            if scheme not in self._clients:
                self._clients[scheme] = httpx.Client(
                    timeout=TIMEOUT, limits=self._limits, verify=verification(url)
                )
            return self._clients[scheme]

    def _stoppable(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            self._stop.check()
            yield chunk


def _received(response: httpx.Response, chunks: Iterator[bytes]) -> Received:
    start, whole = 0, response.headers.get("Content-Length", "")
    if response.status_code == 206:
        unit, _, span = response.headers.get("Content-Range", "").partition(" ")
        first, _, whole = span.replace("-", "/", 1).partition("/")
        whole = whole.rpartition("/")[2]
        if unit != "bytes" or not first.isdecimal():
            raise TransientError("it answered a range without saying which")
        start = int(first)
    if not whole.isdecimal():
        raise TransientError("it answered without a length")
    return Received(start, int(whole), response.headers.get("ETag"), chunks)


def _refuse(response: httpx.Response, text: str) -> None:
    """Raise what a status that is no success means."""
    status = response.status_code
    code = _error_code(text)
    if status in (408, 429, 500, 502, 503, 504) or code in ("RequestTimeout", "SlowDown"):
        raise TransientError(f"status {status}", _seconds(response.headers.get("Retry-After")))
    if status == 403:
        raise UrlRefusedError
    if status == 412:
        raise AlreadyThereError
    if code in ("BadDigest", "XAmzContentChecksumMismatch"):
        raise OtherBytesError
    if code == "IncompleteBody":
        raise TransientError("the connection broke")
    raise StoreRefusedError(f"The store refused the transfer: {code or f'status {status}'}.")


def _error_code(text: str) -> str:
    """Return the code of an S3 error document, or nothing."""
    start, end = text.find("<Code>"), text.find("</Code>")
    code = text[start + 6 : end] if 0 <= start < end else ""
    return code if code.isalnum() and len(code) <= 64 else ""


def _seconds(value: str | None) -> float | None:
    return float(value) if value is not None and value.isdecimal() else None


def _reason(error: httpx.TransportError) -> str:
    if isinstance(error, httpx.ConnectError):
        return "no connection"
    return "timeout" if isinstance(error, httpx.TimeoutException) else "the connection broke"
