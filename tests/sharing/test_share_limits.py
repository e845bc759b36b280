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

from files.models import ShareEvent, WrongPasswords
from files.services import shares
from tests.support.audit import audit
from tests.support.client import Answer, Client, assert_problem, fetch, put
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
    assert wrong().status == 401
    subject = f"share:{UUID(shared.id).hex}"
    with database(server) as connection, ThreadPoolExecutor(1) as threads:
        connection.execute("BEGIN")
        connection.execute(
            f"UPDATE wrong_passwords SET count = 10 WHERE subject = '{subject}' AND address != '*'"
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
    WrongPasswords.objects.update(since=timezone.now() - timedelta(minutes=15))
    assert shared.download("right").status == 200
    assert_problem(shared.download("wrong"), 401, "share-password")


def test_equal_events_of_one_network_within_a_minute_are_one_row_with_a_count(
    owner: Client, anonymous: Client
) -> None:
    shared = share(owner, anonymous, password="right", permission="write")
    for _ in range(5):
        shared.download()
        shared.download("right")
        shared.init(b"", "right")
    elsewhere = {"X-Share-Password": "right"}
    anonymous.call("GET", f"{shared.path}/download", headers=elsewhere, address="192.0.2.77")
    trail = owner.get(f"/shares/{shared.id}/events")["results"]
    counts = {(event["what"], event["address"]): event["count"] for event in trail}
    assert len(trail) == len(counts)
    assert counts == {
        ("refused", "127.0.0.0"): 5,
        ("downloaded", "127.0.0.0"): 5,
        ("upload_started", "127.0.0.0"): 5,
        ("downloaded", "192.0.2.0"): 1,
    }
    ShareEvent.objects.update(at=timezone.now() - timedelta(minutes=1))
    shared.download("right")
    assert len(owner.get(f"/shares/{shared.id}/events")["results"]) == 5


def test_ten_wrong_passwords_close_a_share_to_their_network_and_a_hundred_to_everyone(
    owner: Client, anonymous: Client
) -> None:
    shared = share(owner, anonymous, password="right")

    def enter(password: str, address: str) -> int:
        path = f"{shared.path}/download"
        headers = {"X-Share-Password": password}
        return anonymous.call("GET", path, headers=headers, address=address).status

    for network in range(10):
        assert [enter("wrong", f"192.0.{network}.{host}") for host in range(10)] == [401] * 10
        assert enter("right", f"192.0.{network}.77") == 429
        if network < 9:
            assert enter("right", "198.51.100.1") == 200
    assert enter("right", "198.51.100.1") == 429
    trail = owner.get(f"/shares/{shared.id}/events?page_size=200")["results"]
    closings = [event["address"] for event in reversed(trail) if event["what"] == "closed"]
    # To the networks, one after the other; by the hundredth also to everyone.
    assert closings[:9] == [f"192.0.{network}.0" for network in range(9)]
    assert set(closings[9:]) == {"192.0.9.0", None}
    assert len(closings) == 11
    refused = [event["address"] for event in trail if event["reason"] == "throttled"]
    assert set(refused) == {*(f"192.0.{network}.0" for network in range(10)), "198.51.100.0"}
    other = share(owner, anonymous, password="right", file_id=shared.file_id)
    assert other.download("right").status == 200


def test_pending_uploads_of_a_share_are_limited_and_half_of_them_for_one_network(
    owner: Client, anonymous: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shares, "PENDING_MAX", 4)
    shared = share(owner, anonymous, permission="write")

    def begin(address: str) -> Answer:
        path = f"{shared.path}/init-upload"
        return anonymous.call("POST", path, {"size": 0}, address=address)

    begun = [begin("192.0.2.1"), begin("192.0.2.2")]
    assert [answer.status for answer in begun] == [201, 201]
    assert_problem(begin("192.0.2.3"), 429, "too-many-uploads")
    assert [begin("198.51.100.1").status, begin("198.51.100.1").status] == [201, 201]
    refused = assert_problem(begin("203.0.113.1"), 429, "too-many-uploads")
    assert 86_000 < int(refused.headers["Retry-After"]) <= 87_300
    assert ("refused", "too-many-uploads") in events(owner, shared)
    assert put(begun[0]["presigned_put_url"], b"").status_code == 200
    assert shared.commit(begun[0]["key"], b"").status == 201
    assert begin("203.0.113.1").status == 201
    assert owner.init().status == 201


def test_active_shares_of_a_file_are_limited(
    owner: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shares, "SHARES_MAX", 2)
    body = {"file_id": owner.upload(b"x")["fileId"], "permission": "read"}
    made = [owner.post("/shares", body) for _ in range(2)]
    assert_problem(owner.post("/shares", body), 429, "too-many-shares")
    assert owner.post("/shares", body | {"file_id": owner.upload(b"y")["fileId"]}).status == 201
    owner.delete(f"/shares/{made[0]['id']}")
    assert owner.post("/shares", body).status == 201
