"""Clients that repeat a call until the service answers it, as the API asks them to."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from uuid import uuid4

import httpx

from tests.support.client import Answer, Client, put, sha256


def persistently(call: Callable[[], Answer]) -> Answer:
    """Repeat `call` for up to 60 s until it gets a response other than 503."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            answer = call()
        except httpx.TransportError:
            time.sleep(0.1)
            continue
        if answer.status != 503:
            return answer
        time.sleep(0.1)
    raise AssertionError("no answer within 60 s")


@dataclass
class Uploader:
    """Uploads version after version of a file of its own, and records what was acknowledged."""

    client: Client
    acknowledged: dict[tuple[str, int], str] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)

    def run(self, stop: threading.Event) -> None:
        file_id = None
        while not stop.is_set():
            data = random.randbytes(random.randint(0, 20_000))
            committed = self._upload(data, file_id)
            if committed is None:
                return
            file_id = committed["fileId"]
            place = (committed["fileId"], int(committed["version"]))
            if place in self.acknowledged:
                self.failures.append(f"{place} was given out twice")
            self.acknowledged[place] = sha256(data)

    def _upload(self, data: bytes, file_id: str | None) -> Answer | None:
        members = {} if file_id is None else {"file_id": file_id}
        body = {"filename": "k", "size": len(data), "content_type": "a/b"} | members
        headers = {"Idempotency-Key": str(uuid4())}
        begun = persistently(lambda: self.client.post("/files/init-upload", body, headers=headers))
        if begun.status != 201:
            self.failures.append(f"init-upload: {begun.json}")
            return None
        sent = put(begun["presigned_put_url"], data, begun["headers"])
        if sent.status_code != 200:
            self.failures.append(f"PUT: {sent.status_code}")
            return None
        committed = persistently(lambda: self.client.commit(begun["key"], data))
        if committed.status not in (200, 201):
            self.failures.append(f"commit: {committed.json}")
            return None
        return committed
