"""How a check of `manage.py doctor` is declared, and the steps that many of them begin with."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from files import checksums
from files.store.client import ObjectVersion
from files.store.ops.probe import EXPIRES_IN, Probe, StoreResponse
from files.store.presign import PresignedURL

DATA = b"Remote Drive asks: is it kept?"
OTHER = b"These are other bytes, as many"
CHECKSUM = checksums.from_digest(hashlib.sha256(DATA).digest())


class CheckFailedError(Exception):
    """A requirement is not met. `meaning` takes the place of the check's."""

    def __init__(self, detail: str, meaning: str | None = None) -> None:
        super().__init__(detail)
        self.meaning = meaning


class CheckNotedError(Exception):
    """It works, but the operator should know `meaning`."""

    def __init__(self, detail: str, meaning: str) -> None:
        super().__init__(detail)
        self.meaning = meaning


@dataclass(frozen=True)
class Check:
    """One check, and what it means to users when the store does not pass it."""

    name: str
    ask: Callable[[Examination], str]
    meaning: str
    essential: bool
    """Whether the checks after it say nothing when this one fails."""

    @property
    def question(self) -> str:
        """What must be so, in a sentence."""
        return self.ask.__doc__ or ""


DECLARED: list[Check] = []
"""Every declared check, in order."""


def check(
    name: str, meaning: str, *, essential: bool = False
) -> Callable[[Callable[[Examination], str]], Callable[[Examination], str]]:
    """Make a check of a function that asks the store and returns what it saw.

    Its docstring says what must be so. It raises CheckFailedError, or CheckNotedError for what is
    only good to know; whatever else it raises means that the store did not answer.
    """

    def declare(ask: Callable[[Examination], str]) -> Callable[[Examination], str]:
        DECLARED.append(Check(name, ask, meaning, essential))
        return ask

    return declare


class Examination:
    """A store that is asked by `probe`; `origins` are those of pages that would upload to it."""

    def __init__(self, probe: Probe, *, origins: Sequence[str] = ()) -> None:
        self.probe = probe
        self.config = probe.config
        self.origins = origins

    def url_to_put(
        self, key: str, checksum: str | None = None, *, size: int = len(DATA)
    ) -> PresignedURL:
        return self.probe.uploads.put(key, size=size, checksum=checksum, expires_in=EXPIRES_IN)

    def kept(self, name: str) -> ObjectVersion:
        """PUT the data under a key of that name, and find it."""
        key = self.probe.key(name)
        return self.found(key, self.probe.put(self.url_to_put(key), DATA))

    def kept_bound(self, name: str) -> ObjectVersion:
        """PUT the data with the checksum signed, and find it."""
        key = self.probe.key(name)
        response = self.probe.put(self.url_to_put(key, CHECKSUM), DATA)
        if response.status != 200:
            raise CheckFailedError(
                f"a PUT with the checksum headers and If-None-Match got {response.text}",
                "Uploads with a checksum do not work with this store.",
            )
        return self.found(key, response)

    def found(self, key: str, response: StoreResponse) -> ObjectVersion:
        found = self.probe.service.head(key) if response.status == 200 else None
        if found is None:
            raise CheckFailedError(f"a presigned PUT got {response.text}, and nothing is kept")
        return found

    def refused(self, key: str, response: StoreResponse) -> None:
        if not 400 <= response.status < 500 or self.probe.service.head(key) is not None:
            raise CheckFailedError(f"a PUT that must be refused got {response.text}")

    def part_sizes(self, key: str, upload_id: str) -> list[int]:
        parts = self.probe.service.list_parts(key, upload_id=upload_id) or []
        return [part.size for part in parts]
