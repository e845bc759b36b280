"""Single requests to a server, over connections that are kept."""

from __future__ import annotations

import hashlib
import http.client
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from benchmarks.load import LoadError

TIMEOUT = 60
IDLE_SECONDS = 2
"""Servers close connections that are idle for longer; uvicorn after 5 s."""


class Client:
    """One connection to a server, for one thread; with `token`, as its user."""

    def __init__(self, url: str, token: str | None = None) -> None:
        self._connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=TIMEOUT)
        self._headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        self._last_used = time.monotonic()

    def call(self, method: str, path: str, body: object = None) -> Any:
        """Send JSON and return the JSON of the response; raises LoadError unless it is 2xx."""
        headers = self._headers | {"Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        return json.loads(self._send(method, path, data, headers))

    def put(self, url: str, data: bytes, headers: Mapping[str, str]) -> None:
        """PUT to a presigned URL of the server's; raises LoadError unless it is 2xx."""
        address = urlsplit(url)
        self._send("PUT", f"{address.path}?{address.query}", data, headers)

    def close(self) -> None:
        self._connection.close()

    def _send(
        self, method: str, path: str, data: bytes | None, headers: Mapping[str, str]
    ) -> bytes:
        if time.monotonic() - self._last_used > IDLE_SECONDS:
            self._connection.close()  # The next request opens it again.
        try:
            self._connection.request(method, path, data, dict(headers))
            response = self._connection.getresponse()
            content = response.read()
        except (OSError, http.client.HTTPException) as error:
            raise LoadError(f"{method} {path.partition('?')[0]}: {error!r}") from None
        self._last_used = time.monotonic()
        if not HTTPStatus.OK <= response.status < HTTPStatus.MULTIPLE_CHOICES:
            shown = content[:300].decode(errors="replace")
            raise LoadError(f"{method} {path.partition('?')[0]}: {response.status} {shown}")
        return content


@dataclass(frozen=True)
class Bytes:
    """The content of a file, with its SHA-256 computed beforehand."""

    data: bytes
    checksum: str

    @classmethod
    def of(cls, data: bytes) -> Bytes:
        return cls(data, f"sha256:{hashlib.sha256(data).hexdigest()}")

    def announcement(self, name: str) -> dict[str, object]:
        """Return the body of init-upload, with the checksum, so that the store checks it."""
        return {
            "filename": name,
            "size": len(self.data),
            "content_type": "application/octet-stream",
            "checksum": self.checksum,
        }

    def commit(self, key: str) -> dict[str, object]:
        """Return the body of commit."""
        return {"key": key, "size": len(self.data), "checksum": self.checksum}
