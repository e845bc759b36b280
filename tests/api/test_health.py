"""`/healthz` and `/readyz`: what they say, of what, and that they do not wait or ask too much."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Iterator

import pytest
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from pytest_django import DjangoAssertNumQueries
from pytest_django.fixtures import Settings

from files.services import health
from files.store import sdk, transport
from files.store.config import StoreConfig
from tests.support.client import Answer, Client, assert_problem
from tests.support.process import wait_for
from tests.support.tcp_proxy import TcpProxy

pytestmark = pytest.mark.usefixtures("store", "nothing_known")


@pytest.fixture
def nothing_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the process forget what earlier tests made it find out."""
    monkeypatch.setattr(health, "_readiness", health._Readiness())


@pytest.fixture
def unversioned_bucket(settings: Settings) -> Iterator[str]:
    name = f"unversioned-{uuid.uuid4().hex}"
    client = sdk.client(StoreConfig.from_settings(), connections=1)
    with transport.deadline(10):
        client.make_bucket(name)
    yield name
    with transport.deadline(10):
        client.remove_bucket(name)


def not_ready(answer: Answer, code: str, **because: str) -> None:
    """Hold `answer` to be a 503 that names exactly these, and says of each at least this much."""
    assert_problem(answer, 503, code)
    assert answer["not_ready"].keys() == because.keys()
    for name, problem in because.items():
        assert problem in answer["not_ready"][name]
        assert problem in answer["detail"]


def test_healthz_says_that_the_process_answers_and_asks_nobody(
    anonymous: Client, django_assert_num_queries: DjangoAssertNumQueries, store_proxy: TcpProxy
) -> None:
    with django_assert_num_queries(0):
        answer = anonymous.get("/healthz")
    assert (answer.status, answer.json) == (200, {"status": "ok"})
    assert store_proxy.requests == 0


def test_readyz_says_that_database_and_bucket_can_be_worked_with(anonymous: Client) -> None:
    answer = anonymous.get("/readyz")
    assert (answer.status, answer.json) == (200, {"status": "ok"})
    assert answer.headers["Cache-Control"] == "no-store"


def test_a_missing_bucket_is_named(anonymous: Client, settings: Settings) -> None:
    settings.MINIO_BUCKET = f"missing-{uuid.uuid4().hex}"
    not_ready(anonymous.get("/readyz"), "store-unavailable", store="no such bucket")


def test_a_bucket_that_keeps_no_versions_is_named(
    anonymous: Client, settings: Settings, unversioned_bucket: str
) -> None:
    settings.MINIO_BUCKET = unversioned_bucket
    not_ready(anonymous.get("/readyz"), "store-unavailable", store="does not keep versions")


def test_a_store_that_refuses_the_key_is_not_ready(anonymous: Client, settings: Settings) -> None:
    settings.MINIO_SECRET_KEY = "another-secret-key"
    not_ready(anonymous.get("/readyz"), "store-unavailable", store="does not answer")


def test_a_store_that_is_not_there_is_named_and_found_again(
    anonymous: Client, store_proxy: TcpProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    store_proxy.refuse()
    not_ready(anonymous.get("/readyz"), "store-unavailable", store="does not answer")
    store_proxy.pass_on()
    monkeypatch.setattr(health._readiness, "asked_at", float("-inf"))
    assert anonymous.get("/readyz").status == 200


def test_a_store_that_hangs_is_given_up_in_time(
    anonymous: Client, store_proxy: TcpProxy, settings: Settings
) -> None:
    settings.STORE_TIMEOUT = 1
    store_proxy.hold()
    begun = time.monotonic()
    not_ready(anonymous.get("/readyz"), "store-unavailable", store="does not answer")
    assert time.monotonic() - begun < 10
    assert store_proxy.requests == 1


@pytest.mark.django_db(transaction=True)
def test_nobody_waits_long_for_an_answer_that_another_one_waits_for(
    anonymous: Client, store_proxy: TcpProxy, settings: Settings
) -> None:
    settings.STORE_TIMEOUT = 2
    store_proxy.hold()
    answers: list[Answer] = []

    def ask() -> None:
        try:
            answers.append(Client(None).get("/readyz"))
        finally:
            connection.close()

    asking = threading.Thread(target=ask)
    asking.start()
    wait_for(lambda: store_proxy.requests == 1)
    not_ready(anonymous.get("/readyz"), "store-unavailable", store="not asked yet")
    assert asking.is_alive()
    asking.join(timeout=20)
    not_ready(answers[0], "store-unavailable", store="does not answer")


@pytest.mark.django_db(transaction=True)
def test_the_first_who_ask_at_once_all_get_the_first_answer(store_proxy: TcpProxy) -> None:
    statuses: list[int] = []

    def ask() -> None:
        try:
            statuses.append(Client(None).get("/readyz").status)
        finally:
            connection.close()

    store_proxy.delay(0.3)
    asking = [threading.Thread(target=ask) for _ in range(4)]
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join(timeout=20)
    assert statuses == [200] * 4


def test_the_store_is_asked_at_most_once_a_second(anonymous: Client, store_proxy: TcpProxy) -> None:
    begun = time.monotonic()
    for _ in range(30):
        assert anonymous.get("/readyz").status == 200
    assert 1 <= store_proxy.requests <= 1 + (time.monotonic() - begun)


def test_missing_migrations_are_named_and_looked_for_until_they_are_there(
    anonymous: Client,
) -> None:
    applied = MigrationRecorder.Migration.objects
    row = applied.filter(app="sessions").values("app", "name", "applied").get()
    applied.filter(app="sessions").delete()
    for _ in range(2):
        not_ready(anonymous.get("/readyz"), "unavailable", database="lacks 1 migration")
    applied.create(**row)
    assert anonymous.get("/readyz").status == 200


def test_everything_that_is_missing_is_named_at_once(anonymous: Client, settings: Settings) -> None:
    MigrationRecorder.Migration.objects.filter(app="sessions").delete()
    settings.MINIO_BUCKET = f"missing-{uuid.uuid4().hex}"
    answer = anonymous.get("/readyz")
    not_ready(answer, "unavailable", database="lacks 1 migration", store="no such bucket")


def test_being_ready_costs_one_query_once_the_migrations_are_known(
    anonymous: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    anonymous.get("/readyz")
    with django_assert_num_queries(1):
        anonymous.get("/readyz")
