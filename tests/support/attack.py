"""One client that repeats something expensive, and the others, who are to be served meanwhile."""

from __future__ import annotations

import itertools
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from uuid import uuid4

import httpx

from tests.support.client import Answer, sha256
from tests.support.server import Server
from tests.support.shares import share

NUMBER = 50
"""Requests of each kind that the others make."""
_ATTACK_SECONDS = 90
"""When an attack ends at the latest."""
_PAUSE_SECONDS = 0.05

Attack = Callable[[httpx.Client], httpx.Response]


@contextmanager
def attacking(
    server: Server, attacks: Sequence[Attack], *, connections: int
) -> Iterator[Counter[int]]:
    """Repeat the attacks on so many connections until the block ends; count the statuses."""
    statuses: Counter[int] = Counter()
    over = threading.Event()
    end = time.monotonic() + _ATTACK_SECONDS

    def repeat(attack: Attack) -> None:
        with httpx.Client(base_url=server.url, timeout=30, trust_env=False, verify=False) as http:
            while not over.is_set() and time.monotonic() < end:
                with suppress(httpx.TransportError):
                    statuses[attack(http).status_code] += 1
                # So that the machine is not busy with making the attack.
                time.sleep(_PAUSE_SECONDS)

    with ThreadPoolExecutor(connections) as threads:
        repeated = itertools.islice(itertools.cycle(attacks), connections)
        running = [threads.submit(repeat, attack) for attack in repeated]
        try:
            # The attack is under way when each connection could have had an answer.
            until = time.monotonic() + 10
            while statuses.total() < connections and time.monotonic() < until:
                time.sleep(0.05)
            yield statuses
        finally:
            over.set()
    for thread in running:
        thread.result()


class Others:
    """An owner, and the guests of the owner's shares: what they do is prepared, then counted."""

    def __init__(self, server: Server) -> None:
        self.owner = server.client(f"owner {uuid4()}")
        guest = server.client(None)
        listed = self.owner.upload(b"abc")["fileId"]
        open_share = share(self.owner, guest, file_id=listed)
        locked = share(self.owner, guest, file_id=listed, password="right")
        self._calls: dict[str, list[Callable[[], Answer]]] = {
            "commit": [self._begun(number) for number in range(NUMBER)],
            "list": [partial(self.owner.get, "/files?page_size=10")] * NUMBER,
            "download by a share": [open_share.download] * NUMBER,
            "download with a password": [partial(locked.download, "right")] * NUMBER,
        }

    def _begun(self, number: int) -> Callable[[], Answer]:
        data = b"%03d" % number
        members = {"checksum": sha256(data)} if number % 2 else {}
        return partial(self.owner.commit, self.owner.put(data, **members)["key"], data)

    def served(self) -> dict[str, int]:
        """Make all the calls, four at a time; return how many of each kind were served at once."""
        in_turn = [
            (kind, calls[turn]) for turn in range(NUMBER) for kind, calls in self._calls.items()
        ]
        with ThreadPoolExecutor(4) as threads:
            statuses = list(threads.map(lambda each: (each[0], each[1]().status), in_turn))
        return {
            kind: sum(status in (200, 201) for name, status in statuses if name == kind)
            for kind in self._calls
        }


def assert_served(served: dict[str, int]) -> None:
    """Assert that of each kind of request all but two were served."""
    assert min(served.values()) >= NUMBER - 2, served
