"""How many jobs of the thread pool run at the same moment, and what does not count."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import OperationalError, connection, connections

from remotedrive.serving.thread_pool import Job, ThreadPool
from remotedrive.waiting import others_run
from tests.support.process import wait_for

ENOUGH = 20
"""Seconds after which what must happen counts as not happening."""


class Held:
    """A job that has begun, and ends by `release`."""

    def __init__(self, pool: ThreadPool, hold: Callable[[threading.Event], object]) -> None:
        self._released = threading.Event()
        self._begun = threading.Event()
        self.job = Job(lambda: self._run(hold))
        assert pool.submit(self.job)
        assert self._begun.wait(ENOUGH)

    def _run(self, hold: Callable[[threading.Event], object]) -> None:
        self._begun.set()
        hold(self._released)

    def release(self) -> None:
        self._released.set()


def keep(released: threading.Event) -> None:
    """Wait without saying so."""
    assert released.wait(ENOUGH)


def say_so(released: threading.Event) -> None:
    """Wait in a block within a block that says so."""
    with others_run(), others_run():
        assert released.wait(ENOUGH)


@pytest.fixture
def held() -> Iterator[list[Held]]:
    """The jobs that are released when the test has ended."""
    jobs: list[Held] = []
    yield jobs
    for each in jobs:
        each.release()


def runs(pool: ThreadPool) -> bool:
    """Return whether a job that is submitted now is begun and not only queued."""
    done = threading.Event()
    job = Job(done.set)
    assert pool.submit(job)
    return not pool.withdraw(job) and done.wait(ENOUGH)


def test_a_job_begins_only_in_the_place_of_one_that_ends(held: list[Held]) -> None:
    pool = ThreadPool(8, 10, running=2)
    held += [Held(pool, keep), Held(pool, keep)]
    assert not runs(pool)
    held[0].release()
    wait_for(lambda: runs(pool))


def test_a_job_that_waits_and_says_so_keeps_nobody_from_running(held: list[Held]) -> None:
    pool = ThreadPool(8, 10, running=2)
    held += [Held(pool, say_so) for _ in range(7)]
    wait_for(lambda: runs(pool))
    held += [Held(pool, keep)]
    assert not runs(pool), "threads are no more than the pool's size"
    for each in held[:7]:
        each.release()
    wait_for(lambda: runs(pool))
    held += [Held(pool, keep)]
    assert not runs(pool), "those that came back and ended left two places, and no more"


def test_a_place_is_lent_once_its_holder_has_run_for_long(held: list[Held]) -> None:
    pool = ThreadPool(8, 10, running=1)
    held += [Held(pool, keep)]
    waits = threading.Event()
    assert pool.submit(Job(waits.set))
    pool.lend_places(60)
    assert not waits.is_set()
    pool.lend_places(0)
    assert waits.wait(ENOUGH)
    held[0].release()
    wait_for(lambda: runs(pool))
    held += [Held(pool, keep)]
    assert not runs(pool), "who had lent a place does not give it back a second time"


@pytest.mark.django_db(transaction=True)
def test_a_job_that_waits_for_the_database_keeps_nobody_from_running() -> None:
    pool = ThreadPool(8, 10, running=1)
    found: list[object] = []

    def during(execute: Callable[..., Any], *arguments: Any) -> Any:
        found.append(runs(pool))
        return execute(*arguments)

    def ask() -> None:
        try:
            with connection.execute_wrapper(during), connection.cursor() as cursor:
                cursor.execute("SELECT 42")
                found.append(cursor.fetchone())
        finally:
            connections.close_all()

    assert pool.submit(Job(ask))
    wait_for(lambda: found == [True, (42,)])


@pytest.mark.django_db
def test_a_job_that_nobody_waits_for_any_more_is_stopped_at_its_next_statement(
    held: list[Held],
) -> None:
    pool = ThreadPool(1, 10)
    found: list[object] = []

    def ask_afterwards(released: threading.Event) -> None:
        keep(released)
        try:
            found.append(ask())
        except OperationalError as error:
            found.append(error)

    held += [Held(pool, ask_afterwards)]
    assert pool.break_database_wait(held[0].job)
    held[0].release()
    wait_for(lambda: len(found) == 1)
    assert isinstance(found[0], OperationalError)
    # The thread itself goes on.
    next_job = Job(lambda: found.append(ask()))
    assert pool.submit(next_job)
    wait_for(lambda: len(found) == 2)
    assert found[1] == 42


def ask() -> object:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 42")
        return cursor.fetchone()[0]


def test_a_thread_that_cannot_be_started_leaves_its_job_to_another(
    held: list[Held], monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = ThreadPool(2, 10, running=2)
    held += [Held(pool, keep)]
    done = threading.Event()

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse)
        assert pool.submit(Job(done.set))
    held[0].release()
    assert done.wait(ENOUGH)
    assert runs(pool)
