"""Multipart uploads: completed once, and closed afterwards."""

import hashlib
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from .store_process import BUCKET, HTTP, Store

pytestmark = pytest.mark.once

StartStore = Callable[..., Store]

PARTS = [b"a" * (5 << 20), b"the last one may be small"]
WHOLE = b"".join(PARTS)


def part_url(store: Store, key: str, upload_id: str, number: int, length: int) -> str:
    query = {"partNumber": str(number), "uploadId": upload_id}
    return store.presign("PUT", key, {"content-length": str(length)}, query)


def upload_parts(store: Store, key: str) -> tuple[str, dict[str, Any]]:
    """An upload with all its parts there: its id, and the argument of its completion."""
    upload_id = store.s3.create_multipart_upload(Bucket=BUCKET, Key=key)["UploadId"]
    etags = []
    for number, body in enumerate(PARTS, 1):
        put = HTTP.put(part_url(store, key, upload_id, number, len(body)), content=body)
        assert put.status_code == 200
        etags.append({"PartNumber": number, "ETag": put.headers["etag"]})
    return upload_id, {"Parts": etags}


def complete(store: Store, key: str, upload_id: str, parts: dict[str, Any]) -> int:
    answer = store.s3.complete_multipart_upload(
        Bucket=BUCKET, Key=key, UploadId=upload_id, MultipartUpload=parts
    )
    return int(answer["ResponseMetadata"]["HTTPStatusCode"])


def test_a_multipart_upload_is_completed_once_however_often_it_is_asked(
    shared_store: Store, key: str
) -> None:
    upload_id, parts = upload_parts(shared_store, key)
    assert complete(shared_store, key, upload_id, parts) == 200
    assert complete(shared_store, key, upload_id, parts) == 200
    assert len(shared_store.versions(key)) == 1
    got = shared_store.get(key)
    assert got.content == WHOLE
    digests = b"".join(hashlib.md5(part).digest() for part in PARTS)
    assert got.headers["etag"] == f'"{hashlib.md5(digests).hexdigest()}-2"'


def test_racing_completions_make_one_version(shared_store: Store, key: str) -> None:
    upload_id, parts = upload_parts(shared_store, key)
    with ThreadPoolExecutor(8) as pool:
        racing = [pool.submit(complete, shared_store, key, upload_id, parts) for _ in range(8)]
    assert any(not completion.exception() for completion in racing)
    for completion in racing:
        error = completion.exception()
        assert not error or "NoSuchUpload" in str(error)
    assert len(shared_store.versions(key)) == 1
    assert shared_store.get(key).content == WHOLE


def test_a_completion_with_if_none_match_does_not_replace_an_object(
    shared_store: Store, key: str
) -> None:
    upload_id, parts = upload_parts(shared_store, key)
    shared_store.put(key, b"was first")
    with pytest.raises(ClientError, match="PreconditionFailed"):
        shared_store.s3.complete_multipart_upload(
            Bucket=BUCKET, Key=key, UploadId=upload_id, MultipartUpload=parts, IfNoneMatch="*"
        )
    assert shared_store.get(key).content == b"was first"
    assert len(shared_store.versions(key)) == 1


def test_a_part_of_a_completed_upload_cannot_be_replaced(shared_store: Store, key: str) -> None:
    upload_id, parts = upload_parts(shared_store, key)
    complete(shared_store, key, upload_id, parts)
    other = b"b" * len(PARTS[0])
    put = HTTP.put(part_url(shared_store, key, upload_id, 1, len(other)), content=other)
    assert put.status_code == 404
    assert shared_store.get(key).content == WHOLE


def test_a_part_that_is_under_way_during_completion_does_not_replace_one(
    shared_store: Store, key: str
) -> None:
    upload_id, parts = upload_parts(shared_store, key)
    other = b"b" * len(PARTS[0])
    url = part_url(shared_store, key, upload_id, 1, len(other))
    with shared_store.begin_put(url, other) as late:
        assert complete(shared_store, key, upload_id, parts) == 200
        late.sendall(other[-1:])
        assert late.recv(4096).startswith(b"HTTP/1.1 404 ")
    assert shared_store.get(key).content == WHOLE


def test_parts_sent_all_through_a_completion_leave_the_completed_bytes_alone(
    shared_store: Store, key: str
) -> None:
    upload_id, parts = upload_parts(shared_store, key)
    stop = threading.Event()
    other = b"b" * len(PARTS[1])
    url = part_url(shared_store, key, upload_id, 2, len(other))

    def send_parts() -> None:
        while not stop.is_set():
            HTTP.put(url, content=other)

    with ThreadPoolExecutor(4) as pool:
        for _ in range(4):
            pool.submit(send_parts)
        try:
            complete(shared_store, key, upload_id, parts)
        except ClientError as error:  # the part was another one by then
            assert error.response["Error"]["Code"] == "InvalidPart"  # noqa: PT017
        finally:
            stop.set()
    got = shared_store.get(key)
    assert got.status_code == 404 or got.content == WHOLE


def test_a_part_of_an_aborted_upload_is_refused_and_abort_may_be_repeated(
    shared_store: Store, key: str
) -> None:
    upload_id, _ = upload_parts(shared_store, key)
    shared_store.s3.abort_multipart_upload(Bucket=BUCKET, Key=key, UploadId=upload_id)
    put = HTTP.put(part_url(shared_store, key, upload_id, 1, 3), content=b"abc")
    assert put.status_code == 404
    with pytest.raises(ClientError, match="NoSuchUpload"):
        shared_store.s3.abort_multipart_upload(Bucket=BUCKET, Key=key, UploadId=upload_id)


def test_a_small_part_that_is_not_the_last_is_refused(shared_store: Store, key: str) -> None:
    upload_id = shared_store.s3.create_multipart_upload(Bucket=BUCKET, Key=key)["UploadId"]
    etags = []
    for number in (1, 2):
        put = HTTP.put(part_url(shared_store, key, upload_id, number, 3), content=b"abc")
        etags.append({"PartNumber": number, "ETag": put.headers["etag"]})
    with pytest.raises(ClientError, match="EntityTooSmall"):
        complete(shared_store, key, upload_id, {"Parts": etags})
    assert shared_store.versions(key) == []


def test_received_parts_are_listed_up_to_number_ten_thousand(shared_store: Store, key: str) -> None:
    upload_id = shared_store.s3.create_multipart_upload(Bucket=BUCKET, Key=key)["UploadId"]
    for number, status in ((10_000, 200), (3, 200), (10_001, 400)):
        put = HTTP.put(part_url(shared_store, key, upload_id, number, 3), content=b"abc")
        assert put.status_code == status
    listed = shared_store.s3.list_parts(Bucket=BUCKET, Key=key, UploadId=upload_id)["Parts"]
    assert [(part["PartNumber"], part["Size"]) for part in listed] == [(3, 3), (10_000, 3)]


def test_deleting_a_multipart_version_removes_its_parts(start: StartStore, tmp_path: Path) -> None:
    store = start()
    store.make_bucket()
    upload_id, parts = upload_parts(store, "key")
    complete(store, "key", upload_id, parts)
    assert any(path.stat().st_size >= len(PARTS[0]) for path in tmp_path.rglob("*.data"))
    (version,) = store.versions("key")
    store.s3.delete_object(Bucket=BUCKET, Key="key", VersionId=version)
    assert list(tmp_path.rglob("*.data")) == []
