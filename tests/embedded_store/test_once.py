"""If-None-Match: what exactly one of many may do."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from .store_process import BUCKET, Store

pytestmark = pytest.mark.once

NEW = {"if-none-match": "*"}


def test_a_second_put_with_if_none_match_is_refused_and_leaves_no_version(
    shared_store: Store, key: str
) -> None:
    assert shared_store.put(key, b"first", NEW).status_code == 200
    assert shared_store.put(key, b"second", NEW).status_code == 412
    assert shared_store.get(key).content == b"first"
    assert len(shared_store.versions(key)) == 1


def test_a_put_that_will_be_refused_is_refused_before_its_body(
    shared_store: Store, key: str
) -> None:
    shared_store.put(key, b"first")
    status, body = shared_store.answer_to_head_of_put(key, 1000, NEW)
    assert status == 412
    assert b"PreconditionFailed" in body


def test_of_racing_puts_with_if_none_match_exactly_one_is_stored(
    shared_store: Store, key: str
) -> None:
    bodies = [bytes([number]) * 1000 for number in range(16)]
    with ThreadPoolExecutor(16) as pool:
        responses = list(pool.map(lambda body: shared_store.put(key, body, NEW), bodies))
    winners = [
        body for body, answer in zip(bodies, responses, strict=True) if answer.status_code == 200
    ]
    assert sorted(answer.status_code for answer in responses) == [200] + [412] * 15
    assert shared_store.get(key).content == winners[0]
    assert len(shared_store.versions(key)) == 1


def test_of_racing_empty_puts_with_if_none_match_exactly_one_is_stored(
    shared_store: Store, key: str
) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: shared_store.put(key, b"", NEW).status_code, range(8)))
    assert sorted(answers) == [200] + [412] * 7
    assert len(shared_store.versions(key)) == 1


def test_a_stalled_put_does_not_hold_up_another_and_then_loses(
    shared_store: Store, key: str
) -> None:
    body = b"x" * 200_000
    url = shared_store.presign("PUT", key, NEW)
    with shared_store.begin_put(url, body, headers="If-None-Match: *\r\n") as stalled:
        assert shared_store.put(key, b"the retry", NEW).status_code == 200
        stalled.sendall(body[-1:])
        assert stalled.recv(4096).startswith(b"HTTP/1.1 412 ")
    assert shared_store.get(key).content == b"the retry"
    assert len(shared_store.versions(key)) == 1


def test_after_a_delete_marker_a_put_with_if_none_match_is_stored(
    shared_store: Store, key: str
) -> None:
    shared_store.put(key, b"first", NEW)
    shared_store.s3.delete_object(Bucket=BUCKET, Key=key)
    assert shared_store.put(key, b"second", NEW).status_code == 200
