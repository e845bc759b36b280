"""One PUT of some bytes of a file: repeated, with fresh URLs, until the store has them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from remotedrive_client.errors import FileChangedError, StoreRefusedError
from remotedrive_client.local import Snapshot
from remotedrive_client.progress import Transfer
from remotedrive_client.retries import Retries, Stop
from remotedrive_client.store import (
    AlreadyThereError,
    ObjectStore,
    OtherBytesError,
    TransientError,
    UrlRefusedError,
)

REFUSALS = 3
"""Fresh URLs that the store may refuse in a row until it is taken to mean it."""
USED_OF_LIFE = 0.8
"""A URL older than this share of its life is not used: the transfer must begin before it ends."""


@dataclass(frozen=True)
class SignedUrl:
    """A presigned PUT, and the headers to send with it. `good_until` is in monotonic seconds."""

    url: str
    headers: Mapping[str, str]
    good_until: float

    @classmethod
    def of(cls, answer: Mapping[str, Any], expires_at: str) -> SignedUrl:
        """Return the URL in an answer of the service, or in one of its parts."""
        life = (datetime.fromisoformat(expires_at) - datetime.now(UTC)).total_seconds()
        # A clock that is ahead says that it is over; then the store is asked.
        good = time.monotonic() + (life * USED_OF_LIFE if life > 0 else 60)
        return cls(answer["presigned_put_url"], answer["headers"], good)

    @property
    def is_good(self) -> bool:
        return time.monotonic() < self.good_until


@dataclass(frozen=True)
class Piece:
    """`size` bytes of a file from `start` on; `url` returns a URL for them, a fresh one if True."""

    snapshot: Snapshot
    start: int
    size: int
    url: Callable[[bool], SignedUrl]


def send(piece: Piece, store: ObjectStore, stop: Stop, transfer: Transfer) -> None:
    """Send a piece; return once the store has it.

    Raises `FileChangedError`, `StoreRefusedError`, `UnavailableError`, and as `piece.url`.
    """
    retries, refusals = Retries(stop), 0
    fresh = False
    while True:
        signed = piece.url(fresh)
        attempt = _Attempt(piece, transfer)
        try:
            store.put(signed.url, signed.headers, attempt.body(), piece.size)
        except AlreadyThereError:
            attempt.complete()
        except OtherBytesError:
            attempt.take_back()
            raise FileChangedError(piece.snapshot.path) from None
        except UrlRefusedError:
            attempt.take_back()
            refusals += 1
            if refusals > REFUSALS:
                raise StoreRefusedError("The store refused a URL that was just signed.") from None
            fresh = True
            continue
        except TransientError as error:
            attempt.take_back()
            retries.wait(error.final(), error.retry_after)
            fresh = not signed.is_good
            continue
        return


class _Attempt:
    """One attempt to send a piece, and how many bytes of it have left."""

    def __init__(self, piece: Piece, transfer: Transfer) -> None:
        self._piece = piece
        self._transfer = transfer
        self._left = 0

    def body(self) -> Iterator[bytes]:
        """Yield the bytes."""
        for chunk in self._piece.snapshot.read(self._piece.start, self._piece.size):
            yield chunk
            self._left += len(chunk)
            self._transfer.advance(len(chunk))

    def take_back(self) -> None:
        self._transfer.advance(-self._left)

    def complete(self) -> None:
        self._transfer.advance(self._piece.size - self._left)
