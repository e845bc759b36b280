"""A large file in parts, resumed from what the store has.

The store forgets a part that was cut off, so a process that is killed loses what it has sent of
each part under way. One at a time, that is at most one part; several at once are faster where one
connection does not fill the network.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from functools import partial

from remotedrive_client.announcing import Announcer, Item
from remotedrive_client.progress import Transfer
from remotedrive_client.retries import Stop
from remotedrive_client.sending import Piece, SignedUrl, send
from remotedrive_client.store import ObjectStore

URLS_AT_ONCE = 16


class PartUrls:
    """URLs of the parts of one upload, signed some at a time."""

    def __init__(self, item: Item, announcer: Announcer, numbers: Sequence[int]) -> None:
        self._item = item
        self._announcer = announcer
        self._numbers = list(numbers)
        self._lock = threading.Lock()
        self._urls: dict[int, SignedUrl] = {}
        answer = item.answer
        if answer is not None:
            self._urls = {
                part["part_number"]: SignedUrl.of(part, answer["expires_at"])
                for part in answer["parts"]
            }

    def of(self, number: int, fresh: bool) -> SignedUrl:
        """Return a URL of this part, one signed now if `fresh`."""
        with self._lock:
            known = self._urls.get(number)
            if known is None or fresh or not known.is_good:
                at = self._numbers.index(number)
                wanted = self._numbers[at : at + URLS_AT_ONCE]
                answer = self._announcer.urls(self._item, wanted)
                for part in answer["parts"]:
                    self._urls[part["part_number"]] = SignedUrl.of(part, answer["expires_at"])
            return self._urls[number]


class PartSender:
    """Sends the parts of an upload that the store does not have."""

    def __init__(self, announcer: Announcer, store: ObjectStore, stop: Stop, *, jobs: int) -> None:
        self._announcer = announcer
        self._store = store
        self._stop = stop
        self._jobs = jobs

    def planned(self, item: Item) -> list[int]:
        """Return the numbers of all parts of an upload that has just begun."""
        return list(_numbers(item))

    def missing(self, item: Item) -> list[int]:
        """Return the numbers of the parts that the store does not have, or not whole."""
        received = self._announcer.received_parts(item)
        if received is None:
            return []
        return [n for n in _numbers(item) if received.get(n) != _extent(item, n)[1]]

    def send(self, item: Item, numbers: Sequence[int], transfer: Transfer) -> None:
        """Send these parts. Raises as `sending.send` what stopped the first that failed."""
        urls = PartUrls(item, self._announcer, numbers)
        pool = ThreadPoolExecutor(self._jobs, thread_name_prefix="part")
        try:
            futures = [
                pool.submit(
                    send,
                    Piece(item.snapshot, *_extent(item, number), partial(urls.of, number)),
                    self._store,
                    self._stop,
                    transfer,
                )
                for number in numbers
            ]
            _wait(futures)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def size_of(item: Item, numbers: Sequence[int]) -> int:
    """Return the bytes of these parts."""
    return sum(_extent(item, number)[1] for number in numbers)


def _wait(futures: Sequence[Future[None]]) -> None:
    done, others = wait(futures, return_when=FIRST_EXCEPTION)
    for future in others:
        future.cancel()
    # Parts under way are let to their end: what they have sent is not sent again.
    wait(others)
    for future in done:
        future.result()


def _numbers(item: Item) -> range:
    return range(1, -(-item.snapshot.size // item.pending.part_size) + 1)


def _extent(item: Item, number: int) -> tuple[int, int]:
    """Return where a part begins, and its size."""
    start = (number - 1) * item.pending.part_size
    return start, min(item.pending.part_size, item.snapshot.size - start)
