"""A little of everything in a drive, for the operations that need something to be there."""

from __future__ import annotations

import hashlib
import os
from functools import cached_property
from itertools import count
from typing import Any

import httpx

BYTES = b"hello"
CHECKSUM = "sha256:" + hashlib.sha256(BYTES).hexdigest()


class Drive:
    """Makes what is asked for anew after it was taken away."""

    def __init__(self) -> None:
        self._numbers = count(1)

    @cached_property
    def _http(self) -> httpx.Client:
        headers = {"Authorization": f"Bearer {os.environ['SERVICE_TOKEN']}"}
        url = os.environ["SERVICE_URL"]
        return httpx.Client(base_url=url, headers=headers, trust_env=False, timeout=20)

    def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = self._http.post(path, json=body)
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    @cached_property
    def upload(self) -> dict[str, Any]:
        """A pending upload, whose bytes are in the store."""
        return self._begin({})

    @cached_property
    def file(self) -> dict[str, Any]:
        """A file with two versions."""
        first = self._commit(self._begin({}))
        return self._commit(self._begin({"file_id": first["fileId"]}))

    @cached_property
    def share(self) -> dict[str, Any]:
        return self._post("/shares", {"file_id": self.file["fileId"], "permission": "write"})

    @cached_property
    def folder(self) -> dict[str, Any]:
        return self._post("/folders", {"name": f"folder {next(self._numbers)}"})

    def forget(self) -> None:
        """Make everything anew when it is next asked for."""
        for name in ("upload", "file", "share", "folder"):
            vars(self).pop(name, None)

    def _begin(self, members: dict[str, Any]) -> dict[str, Any]:
        body = {"filename": "a.txt", "size": len(BYTES), "checksum": CHECKSUM}
        begun = self._post("/files/init-upload", body | members)
        put(begun)
        return begun

    def _commit(self, begun: dict[str, Any]) -> dict[str, Any]:
        body = {"key": begun["key"], "size": len(BYTES), "checksum": CHECKSUM}
        return self._post("/files/commit", body)


def put(begun: dict[str, Any]) -> None:
    """PUT the bytes to the URL of an upload."""
    url, headers = begun["presigned_put_url"], begun["headers"]
    answer = httpx.put(url, content=BYTES, headers=headers, trust_env=False, timeout=20)
    assert answer.status_code == 200, answer.text
