"""Multipart uploads: planned, sent in parts in any order, completed in the store by commit."""

from __future__ import annotations

from functools import cache
from typing import Any

import httpx
import pytest
from pytest_django.fixtures import Settings

from files.models import FileVersion, Upload
from files.store import client, signing
from tests.support.client import Answer, Client, assert_invalid, assert_problem, put, sha256
from tests.support.rows import make_file
from tests.support.tcp_proxy import TcpProxy

pytestmark = pytest.mark.usefixtures("store")

MIB = 1 << 20
GIB = 1 << 30
PART = 16 * MIB


@cache
def two_parts() -> bytes:
    """16 MiB that differ from one MiB to the next, and five bytes."""
    return b"".join(bytes([number]) * MIB for number in range(16)) + b"tail!"


def part(data: bytes, number: int) -> bytes:
    return data[(number - 1) * PART : number * PART]


def begin(owner: Client, data: bytes, **members: Any) -> Answer:
    begun = owner.init(data, multipart=True, **members)
    assert begun.status == 201, begun.json
    return begun


def send(begun: Answer, number: int, content: bytes) -> httpx.Response:
    signed = next(part for part in begun["parts"] if part["part_number"] == number)
    return put(signed["presigned_put_url"], content, signed["headers"])


def upload_of(begun: Answer) -> tuple[str, str]:
    upload = Upload.objects.get(pk=begun["upload_id"])
    assert upload.multipart_id is not None
    return upload.key, upload.multipart_id


def path(begun: Answer) -> str:
    return f"/uploads/{begun['upload_id']}"


def test_an_empty_file_has_no_parts(owner: Client) -> None:
    assert_invalid(owner.init(b"", multipart=True), "multipart")


def test_without_the_store_nothing_is_begun(owner: Client, store_proxy: TcpProxy) -> None:
    store_proxy.refuse()
    refused = owner.init(b"x", multipart=True)
    assert_problem(refused, 503, "store-unavailable")
    assert not Upload.objects.exists()


@pytest.mark.parametrize(
    ("size", "part_size", "part_count"),
    [
        (1, PART, 1),
        (PART, PART, 1),
        (PART + 1, PART, 2),
        (2_000 * PART, PART, 2_000),
        (2_000 * PART + 1, 17 * MIB, 1883),
        (5 * GIB + 1, PART, 321),
        (5 * 1024 * GIB, 2622 * MIB, 2000),
    ],
)
def test_the_parts_are_planned_for_every_size(
    owner: Client, size: int, part_size: int, part_count: int
) -> None:
    begun = owner.init(b"", size=size, multipart=True)
    assert begun.status == 201
    assert begun.json.keys() == {
        "upload_id",
        "key",
        "presigned_put_url",
        "headers",
        "expires_at",
        "part_size",
        "part_count",
        "parts",
    }
    assert begun["presigned_put_url"] is None
    assert (begun["part_size"], begun["part_count"]) == (part_size, part_count)
    numbers = [part["part_number"] for part in begun["parts"]]
    assert numbers == list(range(1, min(part_count, 100) + 1))
    assert all(
        part.keys() == {"part_number", "presigned_put_url", "headers"} for part in begun["parts"]
    )
    shown = owner.get(path(begun))
    assert shown["multipart"] is True
    assert (shown["part_size"], shown["part_count"]) == (part_size, part_count)
    assert shown["received_parts"] == []


def test_a_part_number_beyond_the_plan_is_refused(owner: Client) -> None:
    begun = owner.init(b"", size=2 * PART + 1, multipart=True)
    assert_invalid(owner.post(f"{path(begun)}/urls", {"part_numbers": [1, 4]}), "part_numbers")


def test_any_100_parts_are_signed_on_demand(owner: Client) -> None:
    begun = owner.init(b"", size=5 * GIB + 1, multipart=True)
    wanted = [321, *range(150, 249)]
    fresh = owner.post(f"{path(begun)}/urls", {"part_numbers": wanted})
    assert fresh.status == 200
    assert fresh.json.keys() == begun.json.keys()
    assert [part["part_number"] for part in fresh["parts"]] == wanted
    first = owner.post(f"{path(begun)}/urls", {})
    assert [part["part_number"] for part in first["parts"]] == list(range(1, 101))


def test_a_part_of_another_length_is_refused(owner: Client) -> None:
    begun = begin(owner, b"hello")
    for content in (b"hell", b"hello!"):
        assert send(begun, 1, content).status_code == 403
    assert owner.get(path(begun))["received_parts"] == []


def test_at_most_100_missing_parts_are_named(owner: Client) -> None:
    begun = owner.init(b"", size=5 * GIB + 1, multipart=True)
    refused = owner.commit(begun["key"], b"", size=5 * GIB + 1)
    assert_problem(refused, 409, "parts-missing")
    assert refused["part_numbers"] == list(range(1, 101))


def test_parts_are_sent_out_of_order_and_resumed_from_what_the_store_has(owner: Client) -> None:
    data = two_parts()
    begun = begin(owner, data, filename="large.bin")
    assert send(begun, 2, part(data, 2)).status_code == 200
    assert owner.get(path(begun))["received_parts"] == [{"part_number": 2, "size": 5}]
    refused = assert_problem(owner.commit(begun["key"], data), 409, "parts-missing")
    assert refused["part_numbers"] == [1]
    fresh = owner.post(f"{path(begun)}/urls", {})
    assert [part["part_number"] for part in fresh["parts"]] == [1]
    assert send(fresh, 1, part(data, 1)).status_code == 200
    assert owner.get(path(begun))["received_parts"] == [
        {"part_number": 1, "size": PART},
        {"part_number": 2, "size": 5},
    ]
    committed = owner.commit(begun["key"], data)
    assert (committed.status, committed["size"]) == (201, len(data))
    assert committed["checksum"] == sha256(data)
    assert committed["integrity"] == "read"
    assert owner.read(committed["fileId"]) == data
    again = owner.commit(begun["key"], data)
    assert (again.status, again.json) == (200, committed.json)
    shown = owner.get(path(begun))
    assert shown["state"] == "committed"
    assert "received_parts" not in shown.json


def test_a_part_may_be_sent_again_and_the_last_one_counts(owner: Client) -> None:
    begun = begin(owner, b"hello")
    assert send(begun, 1, b"HELLO").status_code == 200
    assert send(begun, 1, b"hello").status_code == 200
    assert owner.read(owner.commit(begun["key"], b"hello")["fileId"]) == b"hello"


def test_a_part_of_another_size_than_planned_is_missing(owner: Client) -> None:
    begun = begin(owner, b"hello")
    key, multipart_id = upload_of(begun)
    other = signing.uploads().part(
        key, upload_id=multipart_id, part_number=1, size=6, expires_in=60
    )
    assert put(other.url, b"hello!", other.headers).status_code == 200
    refused = assert_problem(owner.commit(begun["key"], b"hello"), 409, "parts-missing")
    assert refused["part_numbers"] == [1]
    fresh = owner.post(f"{path(begun)}/urls", {})
    assert [part["part_number"] for part in fresh["parts"]] == [1]
    assert send(fresh, 1, b"hello").status_code == 200
    assert owner.commit(begun["key"], b"hello").status == 201


def test_a_part_beyond_the_plan_does_not_get_into_the_object(owner: Client) -> None:
    begun = begin(owner, b"hello")
    key, multipart_id = upload_of(begun)
    beyond = signing.uploads().part(
        key, upload_id=multipart_id, part_number=2, size=1, expires_in=60
    )
    assert put(beyond.url, b"!", beyond.headers).status_code == 200
    assert send(begun, 1, b"hello").status_code == 200
    assert owner.read(owner.commit(begun["key"], b"hello")["fileId"]) == b"hello"


def test_what_is_wrong_before_the_store_is_asked_wins_over_missing_parts(owner: Client) -> None:
    file_id = str(make_file(owner.user).id)
    begun = begin(owner, b"hello", file_id=file_id)
    wrong = owner.commit(begun["key"], b"hello", size=6)
    assert_problem(wrong, 422, "size-mismatch")
    owner.delete(f"/files/{file_id}")
    assert_problem(owner.commit(begun["key"], b"hello"), 409, "file-trashed")
    owner.delete(path(begun))
    assert_problem(owner.commit(begun["key"], b"hello"), 410, "upload-aborted")


def test_missing_parts_win_over_a_base_version_that_is_old(owner: Client) -> None:
    file_id = str(make_file(owner.user, versions=2).id)
    begun = begin(owner, b"hello", file_id=file_id, base_version=1)
    assert_problem(owner.commit(begun["key"], b"hello"), 409, "parts-missing")
    send(begun, 1, b"hello")
    # The completion in the store stands; with the right base_version nothing is sent again.
    assert_problem(owner.commit(begun["key"], b"hello"), 412, "version-conflict")
    committed = owner.commit(begun["key"], b"hello", base_version=2)
    assert (committed.status, committed["version"]) == (201, 3)


def test_a_completion_whose_answer_was_lost_is_found_by_the_next_commit(owner: Client) -> None:
    begun = begin(owner, b"hello")
    send(begun, 1, b"hello")
    key, multipart_id = upload_of(begun)
    store = client.object_store()
    parts = store.list_parts(key, upload_id=multipart_id)
    assert parts is not None
    assert store.complete_multipart(key, upload_id=multipart_id, parts=parts)
    committed = owner.commit(begun["key"], b"hello")
    assert committed.status == 201
    assert owner.read(committed["fileId"]) == b"hello"


def test_a_completed_one_that_was_refused_takes_the_right_checksum_only(owner: Client) -> None:
    begun = begin(owner, b"hello")
    send(begun, 1, b"hello")
    wrong = owner.commit(begun["key"], b"hello", checksum="0" * 64)
    assert_problem(wrong, 422, "checksum-mismatch")
    # Its bytes are settled: what is sent to the old URLs now changes nothing.
    assert send(begun, 1, b"HELLO").status_code >= 400
    assert_problem(owner.commit(begun["key"], b"HELLO"), 422, "checksum-mismatch")
    assert owner.commit(begun["key"], b"hello").status == 201


def test_a_completed_one_that_was_refused_may_be_deleted(owner: Client) -> None:
    begun = begin(owner, b"hello")
    send(begun, 1, b"hello")
    owner.commit(begun["key"], b"hello", checksum="0" * 64)
    assert owner.delete(path(begun)).status == 204
    assert_problem(owner.commit(begun["key"], b"hello"), 410, "upload-aborted")


def test_a_declared_checksum_is_held_against_the_whole(owner: Client) -> None:
    begun = begin(owner, b"hello", checksum=sha256(b"hello"))
    send(begun, 1, b"HELLO")
    assert_problem(owner.commit(begun["key"], b"HELLO"), 422, "checksum-mismatch")
    assert_problem(owner.commit(begun["key"], b"hello"), 422, "checksum-mismatch")
    assert not FileVersion.objects.exists()


def test_too_large_to_read_is_declared(owner: Client, settings: Settings) -> None:
    settings.COMMIT_READ_MAX = 4
    begun = begin(owner, b"hello")
    send(begun, 1, b"hello")
    assert owner.commit(begun["key"], b"hello")["integrity"] == "declared"


def test_an_abort_drops_the_parts_in_the_store(owner: Client) -> None:
    begun = begin(owner, b"hello")
    send(begun, 1, b"hello")
    assert [owner.delete(path(begun)).status for _ in range(2)] == [204, 204]
    key, multipart_id = upload_of(begun)
    assert client.object_store().list_parts(key, upload_id=multipart_id) is None
    assert send(begun, 1, b"hello").status_code == 404
    assert_problem(owner.post(f"{path(begun)}/urls", {}), 410, "upload-aborted")
    assert "received_parts" not in owner.get(path(begun)).json


def test_an_upload_that_the_store_no_longer_knows_cannot_be_committed(owner: Client) -> None:
    begun = begin(owner, b"hello")
    key, multipart_id = upload_of(begun)
    client.object_store().abort_multipart(key, upload_id=multipart_id)
    assert_problem(owner.commit(begun["key"], b"hello"), 410, "upload-aborted")


def test_without_the_store_received_parts_are_not_guessed(
    owner: Client, store_proxy: TcpProxy
) -> None:
    begun = begin(owner, b"hello")
    store_proxy.refuse()
    assert_problem(owner.get(path(begun)), 503, "store-unavailable")
    assert_problem(owner.post(f"{path(begun)}/urls", {}), 503, "store-unavailable")
    assert_problem(owner.commit(begun["key"], b"hello"), 503, "store-unavailable")
    # Those that are named need no look into the store.
    assert owner.post(f"{path(begun)}/urls", {"part_numbers": [1]}).status == 200
    store_proxy.pass_on()
    send(begun, 1, b"hello")
    assert owner.commit(begun["key"], b"hello").status == 201
