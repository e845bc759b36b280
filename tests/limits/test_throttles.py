"""Throttles, counted in the memory of this process: for whom, and what counts how often."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django.fixtures import Settings

from remotedrive import rate_limits
from remotedrive.metrics import REGISTRY
from remotedrive.rates import Rate
from scripts.lib.processes import free_port
from tests.support.client import Answer, Client, assert_problem
from tests.support.shares import share

pytestmark = pytest.mark.usefixtures("store")


@pytest.fixture(autouse=True)
def nothing_counted() -> Iterator[None]:
    rate_limits.counter.cache_clear()
    yield
    rate_limits.counter.cache_clear()


def codes(answer: Answer) -> list[str]:
    """Return the code of each result of a batch, `""` where it succeeded."""
    assert answer.status == 200, answer.json
    return [result.get("code", "") for result in answer["results"]]


def test_a_user_begins_and_commits_as_much_as_allowed_and_others_are_not_held_up(
    owner: Client, stranger: Client, settings: Settings
) -> None:
    settings.THROTTLE_INIT, settings.THROTTLE_COMMIT = Rate(2, 60), Rate(1, 86_400)
    begun = [owner.init(), owner.init()]
    assert [answer.status for answer in begun] == [201, 201]
    refused = assert_problem(owner.init(), 429, "throttled")
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    assert_problem(owner.commit(begun[0]["key"], b"x"), 422, "size-mismatch")
    late = assert_problem(owner.commit(begun[0]["key"], b"x"), 429, "throttled")
    assert 86_000 < int(late.headers["Retry-After"]) <= 86_400
    assert owner.get("/uploads").status == 200
    assert stranger.init().status == 201
    assert_problem(stranger.commit("k", b""), 404, "not-found")


def test_a_throttle_refuses_before_the_body_is_parsed_and_asks_the_database_nothing(
    owner: Client, anonymous: Client, settings: Settings
) -> None:
    shared = share(owner, anonymous)
    settings.THROTTLE_INIT = settings.THROTTLE_SHARE = Rate(1, 60)
    broken = {"raw": b"{", "content_type": "application/json"}
    path = "/files/init-upload"
    assert_problem(anonymous.post(path, raw=b"{"), 401, "not-authenticated")
    assert_problem(owner.call("POST", path, **broken), 400, "malformed-request")  # type: ignore[arg-type]
    with CaptureQueriesContext(connection) as captured:
        assert_problem(owner.call("POST", path, **broken), 429, "throttled")  # type: ignore[arg-type]
    assert len(captured) == 1, "the user, who is not remembered in tests"
    assert shared.look().status == 200
    with CaptureQueriesContext(connection) as captured:
        for answer in (shared.look(), shared.download(), shared.init(b""), shared.commit("k", b"")):
            assert_problem(answer, 429, "throttled")
    assert len(captured) == 0


def test_a_batch_counts_each_item_and_does_as_many_as_are_allowed(
    owner: Client, settings: Settings
) -> None:
    settings.THROTTLE_INIT, settings.THROTTLE_COMMIT = Rate(5, 60), Rate(2, 60)
    item = {"filename": "a", "size": 0, "content_type": "text/plain"}
    wrong = {"filename": "a", "size": -1}

    def begin(*items: object) -> Answer:
        return owner.post("/files/init-upload/batch", {"uploads": items})

    assert codes(begin(item, wrong)) == ["", "invalid"]
    answer = begin(item, item, wrong, item, item)
    assert codes(answer) == ["", "", "invalid", "throttled", "throttled"]
    assert 1 <= answer["results"][-1]["retry_after"] <= 60
    assert_problem(begin(item), 429, "throttled")
    assert_problem(owner.init(), 429, "throttled")
    commits = [{"key": "k", "checksum": "0" * 64, "size": 0}] * 3
    done = owner.post("/files/commit/batch", {"commits": commits})
    assert codes(done) == ["not-found", "not-found", "throttled"]


@pytest.mark.parametrize(
    ("one", "same", "other"),
    [
        ("192.0.2.1", "::ffff:192.0.2.1", "192.0.2.2"),
        ("2001:db8:1::1", "2001:db8:1:ffff::2", "2001:db8:2::1"),
    ],
)
def test_requests_with_a_share_count_for_the_address_whatever_the_share(
    owner: Client, anonymous: Client, settings: Settings, one: str, same: str, other: str
) -> None:
    first = share(owner, anonymous, permission="write")
    second = share(owner, anonymous, file_id=first.file_id)
    settings.THROTTLE_SHARE = Rate(3, 60)

    def status(path: str, address: str, method: str = "GET") -> int:
        return anonymous.call(method, path, address=address).status

    assert status(first.path, one) == 200
    assert status("/s/no-such-token", one) == 404
    assert status(f"{second.path}/init-upload", same, "POST") == 400
    assert status(f"{first.path}/download", one) == 429
    assert status(first.path, same) == 429
    page = anonymous.get(first.path, headers={"Accept": "text/html"}, address=one)
    assert page.status == 429
    assert "Wait a minute" in page.content.decode()
    assert status(first.path, other) == 200
    assert owner.init().status == 201


def test_without_a_rate_nothing_is_counted(owner: Client, settings: Settings) -> None:
    assert settings.THROTTLE_INIT is settings.THROTTLE_COMMIT is settings.THROTTLE_SHARE is None
    begun = owner.post("/files/init-upload/batch", {"uploads": [{"filename": "a", "size": 0}] * 2})
    assert codes(begun) == ["", ""]
    assert owner.init().status == 201
    assert rate_limits.counter.cache_info().currsize == 0


def test_a_cache_that_refuses_lets_requests_through_uncounted_and_is_said_so_once(
    owner: Client, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    before = REGISTRY.get_sample_value("remotedrive_cache_failures_total")
    settings.CACHE = {"host": "127.0.0.1", "port": free_port(), "db": 0, "ssl": False}
    settings.THROTTLE_INIT = Rate(1, 60)
    assert [owner.init().status for _ in range(5)] == [201] * 5
    after = REGISTRY.get_sample_value("remotedrive_cache_failures_total")
    assert after == (before or 0) + 5
    told = [each for each in caplog.messages if "requests are let through uncounted" in each]
    assert told == [
        "The cache of CACHE_URL does not answer (ConnectionError): requests are let through "
        "uncounted"
    ]


def test_threads_that_come_at_once_count_together(settings: Settings) -> None:
    settings.CACHE = {"host": "127.0.0.1", "port": free_port(), "db": 0, "ssl": False}
    start = Barrier(16)

    def counter(_: int) -> int:
        start.wait()
        return id(rate_limits.counter())

    with ThreadPoolExecutor(16) as threads:
        for _ in range(20):
            rate_limits.counter.cache_clear()
            assert len(set(threads.map(counter, range(16)))) == 1


def test_a_process_that_counts_alone_forgets_the_window_that_ends_first_and_no_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rate_limits, "_KEYS_MAX", 2)
    counter = rate_limits.MemoryCounter()
    rate, long, ended = Rate(1, 60), Rate(1, 86_400), Rate(1, 0)
    assert counter.take("long", 1, long).granted == 1
    assert [counter.take(key, 1, rate).granted for key in "abb"] == [1, 1, 0]
    assert counter.take("c", 1, rate).granted == 1
    assert [counter.take(key, 1, rate).granted for key in "bca"] == [0, 0, 1]
    assert counter.take("long", 1, long).granted == 0
    assert [counter.take(key, 1, ended).granted for key in "abcab"] == [1] * 5
    assert {seconds: len(windows) for seconds, windows in counter._windows.items()} == {
        60: 2,
        86_400: 1,
        0: 1,
    }
