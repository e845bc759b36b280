"""Throttles of two workers that count in one Redis; a Redis that dies, hangs or talks nonsense."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from remotedrive.redis_counter import FAILURES_TO_OPEN, OPEN_SECONDS
from tests.support.client import assert_problem
from tests.support.process import wait_for
from tests.support.redis_server import (
    PASSWORD,
    RedisServer,
    make_certificate,
    needs_redis,
    redis_server,
)
from tests.support.server import running
from tests.support.shares import share
from tests.support.tcp_proxy import TcpProxy

pytestmark = [
    pytest.mark.slow,
    pytest.mark.once,
    pytest.mark.usefixtures("store"),
    needs_redis,
]

GONE = "does not answer"
BACK = "answers again"


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    with redis_server() as redis:
        yield redis


_HANGING_RESOLVER = """
import os, socket, time

find = socket.getaddrinfo


def find_or_hang(host, *arguments, flags=0, **named):
    if host == "cache.test" and not flags:
        with open("{folder}/asked", "a") as asked:
            asked.write("x")
        while not os.path.exists("{folder}/resolves"):
            time.sleep(0.1)
        host = "127.0.0.1"
    return find(host, *arguments, flags=flags, **named)


socket.getaddrinfo = find_or_hang
"""


def test_two_workers_allow_exactly_as_many_as_the_rate_says(
    redis: RedisServer, tmp_path: Path
) -> None:
    limits = {"THROTTLE_INIT": "600/min", "THROTTLE_COMMIT": "1/day", "THROTTLE_SHARE": "2/hour"}
    with running(tmp_path, workers=2, CACHE_URL=redis.url, **limits) as server:
        owner, other = server.client("owner"), server.client("other")

        def begin(number: int) -> int:
            status = 503
            while status == 503:
                status = owner.init().status
            return status

        with ThreadPoolExecutor(50) as threads:
            statuses = Counter(threads.map(begin, range(650)))
        assert statuses == {201: 600, 429: 50}
        (key,) = redis.keys()
        assert re.fullmatch(r"remotedrive:rate:init:60:[0-9a-f-]{36}", key)
        refused = assert_problem(owner.init(), 429, "throttled")
        left, wait = redis.client.pttl(key), int(refused.headers["Retry-After"]) * 1000
        assert left <= wait < left + 10_000
        # What the clock would do in the seconds of Retry-After, and no more.
        redis.client.pexpire(key, max(1, left - wait))
        wait_for(lambda: owner.init().status == 201)

        assert other.init().status == 201
        shared = share(other, server.client(None))
        assert [shared.look().status for _ in range(3)] == [200, 200, 429]
        assert_problem(other.commit("k", b""), 429, "throttled")
        assert PASSWORD not in server.log()


def test_a_redis_that_is_killed_lets_requests_through_until_it_is_back(
    redis: RedisServer, tmp_path: Path
) -> None:
    with running(tmp_path, CACHE_URL=redis.url, THROTTLE_INIT="2/day") as server:
        owner = server.client("owner")
        assert [owner.init().status for _ in range(3)] == [201, 201, 429]
        redis.kill()
        assert [owner.init().status for _ in range(10)] == [201] * 10
        assert server.log().count(GONE) == 1
        redis.start()
        # It has kept nothing; two more pass as soon as it is asked again.
        wait_for(lambda: owner.init().status == 429, seconds=6 * OPEN_SECONDS)
        assert server.log().count(BACK) == 1
        assert [server.log().count(word) for word in (GONE, PASSWORD, "Traceback")] == [1, 0, 0]


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(TcpProxy.hold, id="hangs"),
        pytest.param(lambda proxy: proxy.cut(0, reset=True), id="resets"),
        pytest.param(lambda proxy: proxy.answer(b"HTTP/1.1 400 Bad Request\r\n\r\n"), id="is none"),
        pytest.param(lambda proxy: proxy.answer(b"*2\r\n$1\r\nx\r\n$-1\r\n"), id="says nonsense"),
        pytest.param(TcpProxy.refuse, id="refuses"),
        pytest.param(lambda proxy: proxy.drip(0.2), id="drips"),
    ],
)
def test_requests_do_not_wait_for_a_redis_that(
    redis: RedisServer, tmp_path: Path, fault: Callable[[TcpProxy], None]
) -> None:
    with TcpProxy(("127.0.0.1", redis.port)) as proxy:
        url = redis.url.replace(str(redis.port), str(proxy.port))
        with running(tmp_path, CACHE_URL=url, THROTTLE_INIT="1/day") as server:
            owner = server.client("owner")
            assert [owner.init().status for _ in range(2)] == [201, 429]
            before = proxy.connections
            fault(proxy)
            proxy.drop()
            assert [owner.init().status for _ in range(60)] == [201] * 60
            # After some failures in a row it is asked by one request every some seconds.
            assert proxy.connections - before < 60 // 2
            assert proxy.connections - before <= FAILURES_TO_OPEN + 60 // OPEN_SECONDS
            assert server.log().count(GONE) == 1
            proxy.pass_on()
            wait_for(lambda: owner.init().status == 429, seconds=6 * OPEN_SECONDS)
            assert server.log().count(BACK) == 1
            assert [server.log().count(word) for word in (PASSWORD, "Traceback")] == [0, 0]


def test_requests_do_not_wait_for_a_redis_whose_name_is_not_resolved(
    redis: RedisServer, tmp_path: Path
) -> None:
    code, data = tmp_path / "code", tmp_path / "data"
    code.mkdir()
    data.mkdir()
    (code / "sitecustomize.py").write_text(_HANGING_RESOLVER.format(folder=code))
    url = redis.url.replace("127.0.0.1", "cache.test")
    with running(data, CACHE_URL=url, THROTTLE_INIT="1/day", PYTHONPATH=str(code)) as server:
        owner = server.client("owner")
        assert owner.get("/uploads").status == 200, "the user is made, and no throttle asked"
        with ThreadPoolExecutor(20) as threads:
            statuses = Counter(threads.map(lambda _: owner.init().status, range(40)))
        assert statuses == {201: 40}
        # One at a time, and after the first one only every some seconds.
        assert 1 <= len((code / "asked").read_text()) < 10
        assert server.log().count(GONE) == 1
        (code / "resolves").touch()
        wait_for(lambda: owner.init().status == 429, seconds=6 * OPEN_SECONDS)
        assert [server.log().count(word) for word in (BACK, PASSWORD, "Traceback")] == [1, 0, 0]


def test_a_redis_with_tls_counts_if_its_certificate_is_good(tmp_path: Path) -> None:
    certificate = make_certificate(tmp_path)
    with redis_server(certificate) as redis:
        for trusted, statuses in ((True, [201, 429]), (False, [201, 201])):
            folder = tmp_path / str(trusted)
            folder.mkdir()
            limits = {"THROTTLE_INIT": "1/day"}
            if trusted:
                limits["SSL_CERT_FILE"] = str(certificate)
            with running(folder, workers=1, CACHE_URL=redis.url, **limits) as server:
                owner = server.client("owner")
                assert [owner.init().status for _ in range(2)] == statuses
