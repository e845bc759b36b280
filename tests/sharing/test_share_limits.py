"""Limits of a share that hold exactly: downloads, wrong passwords; on the service as it is run."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

import psycopg
import pytest
from django.utils import timezone

from files.models import Share
from tests.support.audit import audit
from tests.support.client import Client, assert_problem, fetch
from tests.support.server import Server, running
from tests.support.shares import events, share
from tests.support.together import served_at_once

pytestmark = pytest.mark.usefixtures("store")


@pytest.fixture(scope="module")
def server(store: object, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("service")) as server:
        yield server
        audit(server.environment)


@contextmanager
def database(server: Server) -> Iterator[sqlite3.Connection | psycopg.Connection[Any]]:
    """Yield another process's connection to the service's database, in autocommit mode."""
    url = server.environment["DATABASE_URL"]
    with closing(
        sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
        if url.startswith("sqlite")
        else psycopg.connect(url, autocommit=True)
    ) as connection:
        yield connection


def test_of_fifty_downloads_at_once_exactly_as_many_as_allowed_succeed(server: Server) -> None:
    owner = server.client("owner")
    shared = share(owner, server.client(None), max_downloads=9)
    answers = served_at_once([shared.download] * 50)
    assert Counter(answer.status for answer in answers) == {200: 9, 410: 41}
    for answer in answers:
        if answer.status == 200:
            assert fetch(answer["presigned_get_url"]).content == b"shared"
        else:
            assert_problem(answer, 410, "share-exhausted")
    assert owner.get(f"/shares/{shared.id}")["download_count"] == 9
    assert events(owner, shared).count(("downloaded", None)) == 9


@pytest.mark.slow
def test_of_many_wrong_passwords_at_once_ten_are_told_to_be_wrong(server: Server) -> None:
    owner = server.client("owner")
    shared = share(owner, server.client(None), password="right")
    answers = served_at_once([partial(shared.download, "wrong")] * 12)
    assert Counter(answer.status for answer in answers) == {401: 10, 429: 2}
    server.kill()
    server.start()
    assert_problem(shared.download("right"), 429, "throttled")


def test_a_wrong_password_counts_from_what_another_process_has_counted_meanwhile(
    server: Server,
) -> None:
    shared = share(server.client("owner"), server.client(None), password="right")
    wrong = partial(shared.download, "wrong")
    with database(server) as connection, ThreadPoolExecutor(1) as threads:
        connection.execute("BEGIN")
        connection.execute(
            "UPDATE shares SET failed_attempts = 10, failed_since = CURRENT_TIMESTAMP"
            f" WHERE id = '{UUID(shared.id).hex}'"
        )
        answer = threads.submit(wrong)
        with pytest.raises(TimeoutError):
            answer.result(timeout=1)
        connection.execute("COMMIT")
        assert_problem(answer.result(timeout=30), 429, "throttled")
    assert_problem(shared.download("right"), 429, "throttled")


def test_ten_wrong_passwords_lock_the_share_for_the_right_one_too(
    owner: Client, anonymous: Client
) -> None:
    shared = share(owner, anonymous, password="right")
    other = share(owner, anonymous, password="right", file_id=shared.file_id)
    for _ in range(5):
        assert_problem(shared.download(), 401, "share-password")
        assert_problem(shared.download("wrong"), 401, "share-password")
        assert shared.look("wrong")["password_required"] is True
    for answer in (
        shared.download("right"),
        shared.download("wrong"),
        shared.download(),
        shared.look("right"),
        shared.init(b"", "right"),
        shared.commit("k", b"", "right"),
    ):
        assert 1 <= int(assert_problem(answer, 429, "throttled").headers["Retry-After"]) <= 900
    assert other.download("right").status == 200
    assert ("refused", "throttled") in events(owner, shared)
    Share.objects.filter(pk=shared.id).update(failed_since=timezone.now() - timedelta(minutes=15))
    assert shared.download("right").status == 200
    assert_problem(shared.download("wrong"), 401, "share-password")


def test_the_same_refusal_is_recorded_once_a_minute(owner: Client, anonymous: Client) -> None:
    shared = share(owner, anonymous, password="right")
    for _ in range(5):
        shared.download()
    assert events(owner, shared) == [("refused", "share-password")]
