"""The store's client when the store misbehaves: one error, soon, and never a wrong answer.

A TCP proxy stands between the client and the real store.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Any

import pytest
from django.conf import settings

from files import checksums
from files.exceptions import StoreUnavailableError
from files.store import breaker, transport
from files.store.client import BucketState, ObjectStore, ReceivedPart
from tests.support.object_store import address, make_store
from tests.support.tcp_proxy import TcpProxy, response

pytest_plugins = ["tests.support.store_fixtures"]
pytestmark = pytest.mark.usefixtures("store")

TIMEOUT = 1
ENOUGH = 20
"""Seconds after which a call counts as one that does not end. A dripped answer takes minutes."""

CALLS: dict[str, Callable[[ObjectStore, str], Any]] = {
    "head": lambda client, key: client.head(key),
    "sha256": lambda client, key: client.sha256(key, version_id="1795453028.58962"),
    "create_multipart": lambda client, key: client.create_multipart(key),
    "list_parts": lambda client, key: client.list_parts(key, upload_id="unknown"),
    "complete_multipart": lambda client, key: client.complete_multipart(
        key, upload_id="unknown", parts=[ReceivedPart(1, 1, "0" * 32)]
    ),
    "abort_multipart": lambda client, key: client.abort_multipart(key, upload_id="unknown"),
    "bucket_state": lambda client, _key: client.bucket_state(),
}
FAULTS: dict[str, Callable[[TcpProxy], None]] = {
    "refuses": lambda proxy: proxy.refuse(),
    "never answers": lambda proxy: proxy.hold(),
    "answers late": lambda proxy: proxy.delay(60),
    "closes at once": lambda proxy: proxy.cut(0),
    "resets": lambda proxy: proxy.cut(0, reset=True),
    "cuts the status line": lambda proxy: proxy.cut(12),
    "drips": lambda proxy: proxy.drip(0.3),
    "drips after the status line": lambda proxy: proxy.drip(0.3, after=40),
    "answers 500": lambda proxy: proxy.answer(response("500 Internal Server Error")),
    "answers 503": lambda proxy: proxy.answer(response("503 Service Unavailable")),
    "answers 503 in XML": lambda proxy: proxy.answer(
        response("503 Slow Down", b"<Error><Code>SlowDown</Code></Error>")
    ),
    "answers 403": lambda proxy: proxy.answer(response("403 Forbidden")),
    "redirects": lambda proxy: proxy.answer(
        b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"
    ),
    "is no HTTP server": lambda proxy: proxy.answer(b"220 mail.example ESMTP\r\n"),
    "sends a header without an end": lambda proxy: proxy.answer(
        b"HTTP/1.1 200 OK\r\nA: " + b"a" * 100_000
    ),
    "sends bytes that are no UTF-8": lambda proxy: proxy.answer(response("200 OK", b"\xff\xfe")),
    "sends a web page": lambda proxy: proxy.answer(response("200 OK", b"<html></html>")),
    "sends XML cut short": lambda proxy: proxy.answer(response("400 Bad", b"<Error><Code>NoSuch")),
    "sends a length that is no number": lambda proxy: proxy.answer(
        b"HTTP/1.1 200 OK\r\nETag: a\r\nx-amz-version-id: a\r\nContent-Length: ten\r\n\r\n0123"
    ),
}

SUCCESSES = {
    "sends bytes that are no UTF-8",
    "sends a web page",
    "sends a length that is no number",
}


def ends(call: Callable[[], Any]) -> Any:
    """Return what `call` gives or raises; fail if it does neither."""
    outcome: list[Any] = []

    def run() -> None:
        try:
            outcome.append(call())
        except Exception as error:
            outcome.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(ENOUGH)
    assert outcome, "the call does not end"
    return outcome[0]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_call_to_a_store_that_misbehaves_ends_and_says_so(key: str, fault: str) -> None:
    def outcome(name: str, pooled: bool) -> Any:
        with TcpProxy(address()) as proxy:
            client = make_store(endpoint=proxy.endpoint, timeout=TIMEOUT)
            if pooled:
                assert client.bucket_state().exists
            FAULTS[fault](proxy)
            outcome = ends(lambda: CALLS[name](client, key))
            proxy.pass_on()
            assert client.bucket_state().exists, "the next call is served"
            return outcome

    with ThreadPoolExecutor(2 * len(CALLS)) as pool:
        pooled = {name: pool.submit(outcome, name, True) for name in CALLS}
        fresh = {name: pool.submit(outcome, name, False) for name in CALLS}
    for calls in (pooled, fresh):
        check(fault, {name: call.result() for name, call in calls.items()})


def check(fault: str, outcomes: dict[str, Any]) -> None:
    if fault in SUCCESSES:
        # The answer to DELETE has nothing in it that is read.
        assert outcomes.pop("abort_multipart") is None
    if fault == "sends a web page":
        assert outcomes.pop("bucket_state") == BucketState(exists=True, versioned=False)
    assert {name: type(outcome) for name, outcome in outcomes.items()} == dict.fromkeys(
        outcomes, StoreUnavailableError
    )


def test_a_body_that_drips_ends(proxy: TcpProxy, key: str, put: Any) -> None:
    version_id = put(bytes(1 << 20))
    client = make_store(endpoint=proxy.endpoint, timeout=TIMEOUT)
    proxy.drip(0.2, after=4000)
    assert isinstance(
        ends(lambda: client.sha256(key, version_id=version_id)), StoreUnavailableError
    )


def test_a_body_that_is_cut_is_not_hashed(proxy: TcpProxy, key: str, put: Any) -> None:
    version_id = put(bytes(1 << 20))
    client = make_store(endpoint=proxy.endpoint)
    for reset in (False, True):
        proxy.cut(1 << 19, reset=reset)
        with pytest.raises(StoreUnavailableError):
            client.sha256(key, version_id=version_id)


def test_an_unhurried_read_may_take_longer_than_the_timeout(
    proxy: TcpProxy, key: str, put: Any
) -> None:
    version_id = put(b"data" * 3)
    client = make_store(endpoint=proxy.endpoint, timeout=TIMEOUT)
    client.sha256(key, version_id=version_id)
    # Twelve bytes, each well within the timeout, together well beyond it.
    proxy.drip(0.15, after=proxy.answer_size - 12)
    assert client.sha256(key, version_id=version_id, per_read_timeout_only=True)
    assert isinstance(
        ends(lambda: client.sha256(key, version_id=version_id)), StoreUnavailableError
    )
    proxy.hold()
    asked = proxy.requests
    assert isinstance(
        ends(lambda: client.sha256(key, version_id=version_id, per_read_timeout_only=True)),
        StoreUnavailableError,
    )
    assert proxy.requests == asked + 1, "what was waited for in vain is not asked again"


def altered(answer: bytes, **headers: str) -> bytes:
    """`answer` with these headers (`_` for `-`) in place of those it has."""
    head, body = answer.split(b"\r\n\r\n", 1)
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [
        line for line in head.split(b"\r\n") if line.split(b":")[0].decode().lower() not in given
    ]
    lines += [f"{name}: {value}".encode() for name, value in given.items() if value]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


UNUSABLE: dict[str, dict[str, str]] = {
    "no ETag": {"etag": ""},
    "no version": {"x_amz_version_id": ""},
    "a version that is none": {"x_amz_version_id": "null"},
    "another version": {"x_amz_version_id": "another"},
    "no length": {"content_length": ""},
    "a length that is no number": {"content_length": "1_2"},
    "a checksum that is none": {
        "x_amz_checksum_type": "FULL_OBJECT",
        "x_amz_checksum_sha256": "YWJj",
    },
}


@pytest.mark.parametrize("unusable", UNUSABLE)
def test_an_answer_without_what_a_pin_needs_is_refused(
    proxy: TcpProxy, key: str, put: Any, unusable: str
) -> None:
    version_id = put(b"data" * 3)
    client = make_store(endpoint=proxy.endpoint)
    named = version_id if unusable == "another version" else None
    assert client.head(key, version_id=named) is not None
    proxy.answer(altered(proxy.answer_start, **UNUSABLE[unusable]))
    with pytest.raises(StoreUnavailableError):
        client.head(key, version_id=named)


@pytest.mark.parametrize(
    ("kind", "checksum", "told"),
    [
        ("FULL_OBJECT", checksums.to_base64("0" * 64), "sha256:" + "0" * 64),
        ("COMPOSITE", checksums.to_base64("0" * 64) + "-2", None),
        ("", checksums.to_base64("0" * 64), None),
    ],
)
def test_a_checksum_is_believed_only_as_that_of_the_whole_object(
    proxy: TcpProxy, key: str, put: Any, kind: str, checksum: str, told: str | None
) -> None:
    put(b"data")
    client = make_store(endpoint=proxy.endpoint)
    client.head(key)
    proxy.answer(
        altered(proxy.answer_start, x_amz_checksum_type=kind, x_amz_checksum_sha256=checksum)
    )
    found = client.head(key)
    assert found is not None
    assert found.sha256 == told


@pytest.mark.parametrize(
    ("length", "version"), [("5", "this"), ("3", "this"), ("", "this"), ("4", "another")]
)
def test_bytes_that_are_not_as_announced_are_not_hashed(
    proxy: TcpProxy, key: str, length: str, version: str
) -> None:
    client = make_store(endpoint=proxy.endpoint)
    proxy.answer(
        altered(
            b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n4\r\ndata\r\n0\r\n\r\n",
            transfer_encoding="chunked",
            content_length=length,
            x_amz_version_id=version,
        )
    )
    with pytest.raises(StoreUnavailableError):
        client.sha256(key, version_id="this")


def heads(client: ObjectStore, key: str, times: int) -> None:
    for _ in range(times):
        client.head(key)


def test_the_calls_of_one_step_share_one_timeout(proxy: TcpProxy, key: str) -> None:
    client = make_store(endpoint=proxy.endpoint, timeout=TIMEOUT)
    proxy.delay(0.3)
    calls = 5
    with client.shared_deadline(), pytest.raises(StoreUnavailableError):
        heads(client, key, calls)
    heads(client, key, calls)


def test_an_answer_to_head_cut_at_any_byte_is_never_a_success(
    proxy: TcpProxy, key: str, put: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "_ATTEMPTS", 1)
    put(b"data" * 25_000)
    client = make_store(endpoint=proxy.endpoint)
    whole = client.head(key)
    # What the store answered is given again by the proxy: 2,000 requests would take it a minute.
    answer = proxy.answer_start
    assert len(answer) == proxy.answer_size
    assert answer.endswith(b"\r\n\r\n")
    for after in range(len(answer)):
        for connection in ("pooled", "fresh"):
            proxy.answer(answer[:after])
            with pytest.raises(StoreUnavailableError):
                pytest.fail(f"{connection}, {after} of {len(answer)} bytes: {client.head(key)}")
        proxy.answer(answer, keep=True)
        assert client.head(key) == whole
    assert proxy.connections == 1 + 2 * len(answer)


@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
def test_a_head_whose_answer_was_cut_once_is_asked_again(
    proxy: TcpProxy, key: str, put: Any, reset: bool
) -> None:
    put(b"data" * 25_000)
    client = make_store(endpoint=proxy.endpoint)
    whole = client.head(key)
    for after in range(0, proxy.answer_size, 20):
        proxy.cut(after, reset=reset, times=1)
        assert client.head(key) == whole


@pytest.mark.parametrize("status", ["500 Error", "502 Bad", "503 Slow", "504 Late"])
def test_a_passing_error_is_tried_again(proxy: TcpProxy, key: str, put: Any, status: str) -> None:
    put(b"data")
    client = make_store(endpoint=proxy.endpoint)
    proxy.answer(response(status), times=2)
    assert client.head(key) is not None
    assert proxy.requests == 3


def test_a_post_that_may_have_been_carried_out_is_not_sent_again(proxy: TcpProxy, key: str) -> None:
    client = make_store(endpoint=proxy.endpoint)
    proxy.cut(0)
    with pytest.raises(StoreUnavailableError):
        client.create_multipart(key)
    assert proxy.requests == 1


def test_a_restarted_store_costs_no_call(proxy: TcpProxy, key: str) -> None:
    client = make_store(endpoint=proxy.endpoint)
    client.head(key)
    proxy.refuse()
    proxy.pass_on()
    assert client.head(key) is None
    upload_id = client.create_multipart(key)
    client.abort_multipart(key, upload_id=upload_id)


def test_a_store_that_keeps_failing_is_left_alone_and_then_tried_by_one_call(
    proxy: TcpProxy, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(breaker, "OPEN_SECONDS", 1)
    client = make_store(endpoint=proxy.endpoint, timeout=TIMEOUT)
    proxy.cut(0)
    for _ in range(breaker.FAILURES_TO_OPEN):
        with pytest.raises(StoreUnavailableError):
            client.create_multipart(key)
    asked = proxy.requests
    assert asked == breaker.FAILURES_TO_OPEN
    with pytest.raises(StoreUnavailableError):
        client.head(key)
    assert proxy.requests == asked
    threading.Event().wait(1.1)
    proxy.hold()
    with ThreadPoolExecutor(8) as pool:
        calls = [pool.submit(client.create_multipart, key) for _ in range(8)]
        assert all(isinstance(call.exception(), StoreUnavailableError) for call in calls)
    assert proxy.requests == asked + 1
    threading.Event().wait(1.1)
    proxy.pass_on()
    assert client.head(key) is None
    assert client.bucket_state().exists


def test_what_is_not_there_is_no_failure_of_the_store(proxy: TcpProxy, key: str) -> None:
    client = make_store(endpoint=proxy.endpoint)
    for _ in range(breaker.FAILURES_TO_OPEN + 1):
        assert client.head(key) is None


def test_a_store_that_hangs_does_not_hold_every_thread(proxy: TcpProxy, key: str) -> None:
    client = make_store(endpoint=proxy.endpoint, timeout=6, concurrency=16)
    proxy.hold()
    with ThreadPoolExecutor(16) as pool:
        calls = [pool.submit(client.head, key) for _ in range(50)]
        # Twelve hang, for six seconds; by then all the others have been refused.
        for _, call in zip(range(50 - 12), as_completed(calls), strict=False):
            assert isinstance(call.exception(), StoreUnavailableError)
        assert sum(not call.done() for call in calls) == 12
        assert proxy.requests == 12
        proxy.pass_on()
        proxy.drop()
    assert [call.result() for call in calls if call.exception() is None] == [None] * 12


def test_signatures_and_keys_are_in_no_log_line(
    proxy: TcpProxy, key: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    for fault in FAULTS.values():
        fault(proxy)
        client = make_store(endpoint=proxy.endpoint, timeout=0.3)
        with pytest.raises(StoreUnavailableError) as raised:
            CALLS["head"](client, key)
        caplog.records.append(logging.LogRecord("raised", 0, "", 0, str(raised.value), None, None))
        proxy.pass_on()
    assert len([r for r in caplog.records if r.levelno == logging.WARNING]) == len(FAULTS)
    for record in caplog.records:
        for secret in (settings.MINIO_SECRET_KEY, settings.MINIO_ACCESS_KEY, "Signature", "http:"):
            assert str(secret) not in record.getMessage()
