"""`POST /files/init-upload/batch` and `/files/commit/batch`: many calls in one request."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django.fixtures import Settings

from files.models import File, Upload
from tests.support.client import (
    PROBLEM_MEMBERS,
    Answer,
    Client,
    assert_invalid,
    assert_problem,
    fetch,
    put,
    sha256,
)
from tests.support.tcp_proxy import TcpProxy

pytestmark = pytest.mark.usefixtures("store")

INIT, COMMIT = "/files/init-upload/batch", "/files/commit/batch"
DATA = [b"one", b"two", b"three"]


def init_batch(client: Client, *items: Any) -> list[Any]:
    answer = client.post(INIT, {"uploads": list(items)})
    assert answer.status == 200, answer.json
    return list(answer["results"])


def commit_batch(client: Client, *items: Any) -> list[Any]:
    answer = client.post(COMMIT, {"commits": list(items)})
    assert answer.status == 200, answer.json
    return list(answer["results"])


def announced(data: bytes, **members: Any) -> dict[str, Any]:
    return {"filename": "a.txt", "size": len(data), "content_type": "text/plain"} | members


def commitment(key: str, data: bytes, **members: Any) -> dict[str, Any]:
    return {"key": key, "size": len(data), "checksum": sha256(data)} | members


def begun(client: Client, data: bytes, **members: Any) -> str:
    return str(client.put(data, **members)["key"])


def codes(results: list[Any]) -> list[str | None]:
    """Return the problem code of each result; None for one that succeeded."""
    for result in results:
        if "code" in result:
            assert result.keys() >= PROBLEM_MEMBERS
    return [result.get("code") for result in results]


@pytest.mark.parametrize(("path", "name"), [(INIT, "uploads"), (COMMIT, "commits")])
def test_a_batch_has_one_to_a_thousand_items(
    owner: Client, anonymous: Client, path: str, name: str
) -> None:
    assert_problem(anonymous.post(path, {name: [{}]}), 401, "not-authenticated")
    assert_invalid(owner.post(path, {}), name)
    assert_invalid(owner.post(path, {name: []}), name)
    assert_invalid(owner.post(path, {name: [{}] * 1001}), name)
    assert_invalid(owner.post(path, {name: {}}), name)
    assert_invalid(owner.post(path, {name: [{}], "more": 1}), "more")
    answer = owner.post(path, {name: [{}] * 1000})
    assert set(codes(answer["results"])) == {"invalid"}


def test_files_come_in_by_two_batches(owner: Client) -> None:
    uploads = init_batch(owner, *(announced(data, checksum=sha256(data)) for data in DATA))
    single = owner.init(b"x", checksum=sha256(b"x"))
    for upload, data in zip(uploads, DATA, strict=True):
        assert upload.keys() == single.json.keys()
        assert put(upload["presigned_put_url"], data, upload["headers"]).status_code == 200
    items = [commitment(up["key"], data) for up, data in zip(uploads, DATA, strict=True)]
    results = commit_batch(owner, *items)
    for result, upload, data in zip(results, uploads, DATA, strict=True):
        assert (result["key"], result["version"]) == (upload["key"], 1)
        url = owner.get(f"/files/{result['fileId']}/download")["presigned_get_url"]
        assert fetch(url).content == data
    assert commit_batch(owner, *items) == results
    assert File.objects.count() == 3


def test_one_that_fails_does_not_touch_the_others(owner: Client, stranger: Client) -> None:
    mine, other = owner.upload(b"x")["fileId"], stranger.upload(b"x")["fileId"]
    results = init_batch(
        owner,
        announced(b"a"),
        announced(b"a", size="1"),
        announced(b"a", file_id=other),
        announced(b"a", file_id=mine),
        announced(b"a", size=6 << 30),
        "no object",
        None,
        announced(b"a" * (17 << 20), multipart=True),
    )
    assert codes(results) == [
        *(None, "invalid", "not-found", None),
        *("multipart-required", "invalid", "invalid", None),
    ]
    assert results[1]["errors"][0]["field"] == "size"
    assert results[1]["status"] == 400
    assert [part["part_number"] for part in results[7]["parts"]] == [1, 2]


def test_each_commit_gets_what_it_would_get_alone(owner: Client, stranger: Client) -> None:
    file_id = owner.upload(b"first")["fileId"]
    good, wrong = begun(owner, b"good"), begun(owner, b"wrong")
    version = begun(owner, b"second", file_id=file_id)
    conflict = begun(owner, b"third", file_id=file_id, base_version=7)
    missing = owner.init(b"missing")["key"]
    done = begun(owner, b"done")
    owner.commit(done, b"done")
    foreign = begun(stranger, b"foreign")
    aborted = owner.put(b"aborted")
    owner.delete(f"/uploads/{aborted['upload_id']}")
    results = commit_batch(
        owner,
        commitment(good, b"good"),
        commitment(wrong, b"WRONG"),
        commitment(version, b"second"),
        commitment(conflict, b"third"),
        commitment(missing, b"missing"),
        commitment(done, b"done"),
        commitment(done, b"DONE"),
        commitment(foreign, b"foreign"),
        commitment(aborted["key"], b"aborted"),
        commitment(good, b"good"),
        {"key": good},
    )
    assert codes(results) == [
        *(None, "checksum-mismatch", None, "version-conflict", "object-missing", None),
        *("commit-conflict", "not-found", "upload-aborted", None, "invalid"),
    ]
    assert results[2]["version"] == 2
    assert results[9] == results[0]
    assert owner.commit(wrong, b"wrong").status == 201


def test_what_the_store_cannot_be_asked_is_503_in_its_place(
    owner: Client, store_proxy: TcpProxy
) -> None:
    done, due = begun(owner, b"done"), begun(owner, b"due")
    owner.commit(done, b"done")
    store_proxy.refuse()
    results = commit_batch(owner, commitment(done, b"done"), commitment(due, b"due"))
    assert codes(results) == [None, "store-unavailable"]
    assert results[1]["retry_after"] >= 1
    store_proxy.pass_on()
    assert codes(commit_batch(owner, commitment(due, b"due"))) == [None]


def test_no_more_uploads_are_begun_than_there_is_room_for(
    owner: Client, settings: Settings
) -> None:
    settings.PENDING_UPLOADS_MAX = 3
    results = init_batch(owner, *[announced(b"a")] * 5)
    assert codes(results) == [None, None, None, "too-many-uploads", "too-many-uploads"]
    assert results[4]["retry_after"] >= 1
    assert Upload.objects.count() == 3


def test_the_queries_of_a_batch_do_not_grow_with_it(owner: Client) -> None:
    owner.init()  # The first upload counts those that are pending.
    counts = []
    for number in (2, 20):
        with CaptureQueriesContext(connection) as captured:
            uploads = init_batch(owner, *[announced(b"a")] * number)
        counts.append(len(captured))
        for upload in uploads:
            put(upload["presigned_put_url"], b"a")
        with CaptureQueriesContext(connection) as captured:
            commit_batch(owner, *(commitment(upload["key"], b"a") for upload in uploads))
        counts.append(len(captured))
    assert counts[:2] == counts[2:]


def test_bodies_of_batches_are_at_most_a_mebibyte(owner: Client) -> None:
    def send(path: str, size: int) -> Answer:
        body = json.dumps({"uploads": [{}]}).encode()
        return owner.post(path, raw=body + b" " * (size - len(body)))

    assert send(INIT, 1 << 20).status == 200
    assert_problem(send(INIT, (1 << 20) + 1), 413, "body-too-large")
    assert_problem(send("/files/init-upload", (64 << 10) + 1), 413, "body-too-large")
