"""Calls to a running service that are made at the same moment."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Barrier

from tests.support.client import Answer

_MOST_TRIES = 11


def at_once(calls: Sequence[Callable[[], Answer]]) -> list[Answer]:
    """Make all calls at the same moment, each in a thread; return their answers in order."""
    barrier = Barrier(len(calls))

    def run(call: Callable[[], Answer]) -> Answer:
        barrier.wait()
        return call()

    with ThreadPoolExecutor(len(calls)) as threads:
        return list(threads.map(run, calls))


def served_at_once(calls: Sequence[Callable[[], Answer]]) -> list[Answer]:
    """As `at_once`; a call that is answered 503 is repeated, as that asks for."""
    return at_once([partial(_served, call) for call in calls])


def _served(call: Callable[[], Answer]) -> Answer:
    answer = call()
    for _ in range(_MOST_TRIES - 1):
        if answer.status != 503:
            break
        time.sleep(int(answer.headers["Retry-After"]))
        answer = call()
    return answer
