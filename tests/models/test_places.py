"""Places for expensive work: how many work and wait, and who comes next."""

from __future__ import annotations

import itertools
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from files.exceptions import BusyError
from files.places import Places

pytestmark = pytest.mark.once


class Worker:
    """Holds a place in a thread until it is told to stop."""

    def __init__(self, threads: ThreadPoolExecutor, places: Places, owner: str) -> None:
        self.has_place = threading.Event()
        self._stop = threading.Event()
        self.done: Future[None] = threads.submit(self._work, places, owner)

    def _work(self, places: Places, owner: str) -> None:
        with places.hold({owner: 1}):
            self.has_place.set()
            assert self._stop.wait(20)

    def stop(self) -> None:
        self._stop.set()
        self.done.result(20)


def waits(places: Places, number: int) -> None:
    """Return when so many wait."""
    for _ in range(2000):
        if len(places._waiting) == number:
            return
        threading.Event().wait(0.005)
    raise AssertionError(f"{len(places._waiting)} wait")


def test_one_owner_leaves_a_place_to_work_and_one_to_wait_to_others() -> None:
    places = Places(2, waiting=2, seconds=20)
    with ThreadPoolExecutor(4) as threads:
        greedy = Worker(threads, places, "greedy")
        assert greedy.has_place.wait(20)
        greedy_too = Worker(threads, places, "greedy")
        waits(places, 1)
        with pytest.raises(BusyError), places.hold({"greedy": 1}):
            pass
        other = Worker(threads, places, "other")
        assert other.has_place.wait(20)
        other_too = Worker(threads, places, "other")
        waits(places, 2)
        with pytest.raises(BusyError), places.hold({"third": 1}):
            pass
        for worker in (greedy, other, greedy_too, other_too):
            worker.stop()
    with ExitStack() as all_places:
        for owner in ("a", "b"):
            all_places.enter_context(places.hold({owner: 1}))


def test_a_place_that_is_free_goes_to_who_has_waited_longest() -> None:
    places = Places(1, waiting=3, seconds=20)
    with ThreadPoolExecutor(4) as threads:
        workers = []
        for number, owner in enumerate("abcd"):
            workers.append(Worker(threads, places, owner))
            if number:
                waits(places, number)
            else:
                assert workers[0].has_place.wait(20)
        for worker, following in itertools.pairwise(workers):
            assert not following.has_place.is_set()
            worker.stop()
            assert following.has_place.wait(20)
        workers[-1].stop()


def test_who_waits_too_long_is_refused() -> None:
    places = Places(1, waiting=1, seconds=0.05)
    with places.hold({}), pytest.raises(BusyError), places.hold({}):
        pass


def test_the_second_of_the_same_work_is_refused_at_once() -> None:
    places = Places(2, waiting=2, seconds=20)
    with places.hold({}, alone="x"):
        with pytest.raises(BusyError), places.hold({}, alone="x"):
            pass
        with places.hold({}, alone="y"):
            pass
    with places.hold({}, alone="x"):
        pass
