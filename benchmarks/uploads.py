"""Whole uploads, init-upload, PUT and commit, beside the bare PUT of the same bytes.

Both PUTs go to presigned URLs that bind the SHA-256, so that the store does the same work.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

from benchmarks.client import Bytes, Client
from benchmarks.contenders import Contender
from benchmarks.report import Section, ratios

KIB, MIB = 1 << 10, 1 << 20
SMALL, LARGE = 4 * KIB, 64 * MIB


class Uploads:
    """One person's uploads through the service, over one connection to it and one to the store."""

    def __init__(self, service: Contender, check: Callable[[], None]) -> None:
        self._client = Client(service.url, service.token)
        self._store: Client | None = None
        self._check = check

    def section(self, *, small: int, large: int) -> Section:
        """Upload so many small and large files both ways, in turn; a ratio is of throughput."""
        section = Section(
            "a whole upload", ("upload ms", "bare PUT ms", "upload MiB/s", "bare MiB/s", "ratio")
        )
        for name, size, count in (("4 KiB", SMALL, small), ("64 MiB", LARGE, large)):
            whole, bare = self._alternate(Bytes.of(os.urandom(size)), count)
            section.add(
                name,
                *([seconds * 1000 for seconds in each] for each in (whole, bare)),
                *([size / MIB / seconds for seconds in each] for each in (whole, bare)),
                ratios(bare, whole),
            )
        self._client.close()
        if self._store is not None:
            self._store.close()
        return section

    def _alternate(self, content: Bytes, count: int) -> tuple[list[float], list[float]]:
        """Return the seconds of each whole upload and of each bare PUT."""
        whole, bare = [], []
        self._put(content, self._begin(content))  # Opens the connection.
        for _ in range(count):
            self._check()
            whole.append(_seconds(lambda: self._upload(content)))
            begun = self._begin(content)
            bare.append(_seconds(lambda begun=begun: self._put(content, begun)))  # type: ignore[misc]
        return whole, bare

    def _upload(self, content: Bytes) -> None:
        begun = self._begin(content)
        self._put(content, begun)
        self._client.call("POST", "/files/commit", content.commit(begun["key"]))

    def _begin(self, content: Bytes) -> dict[str, Any]:
        announcement = content.announcement("upload.bin")
        begun: dict[str, Any] = self._client.call("POST", "/files/init-upload", announcement)
        return begun

    def _put(self, content: Bytes, begun: dict[str, Any]) -> None:
        url = begun["presigned_put_url"]
        self._store = self._store or Client(url)
        self._store.put(url, content.data, begun["headers"])


def _seconds(action: Callable[[], object]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start
