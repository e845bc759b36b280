"""What the store's client gives for what is, and what is not, in the store."""

from __future__ import annotations

import hashlib
import tracemalloc
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.conf import settings

from files import checksums
from files.exceptions import StoreUnavailableError
from files.store import client
from files.store import client as store_client
from files.store.breaker import FAILURES_TO_OPEN
from files.store.client import BucketState, PartsChangedError, ReceivedPart
from tests.support.object_store import make_store
from tests.support.tcp_proxy import TcpProxy

pytest_plugins = ["tests.support.store_fixtures"]
pytestmark = pytest.mark.usefixtures("store")

PART = 5 << 20
"""The smallest part but the last."""


def digest(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def test_head_describes_the_newest_version(key: str, put: Any) -> None:
    put(b"first")
    version_id = put(b"second!")
    found = make_store().head(key)
    assert found is not None
    assert (found.key, found.version_id, found.size) == (key, version_id, 7)
    assert found.etag == hashlib.md5(b"second!").hexdigest()
    assert found.content_encoding is None


def test_head_describes_the_version_that_is_named(key: str, put: Any) -> None:
    version_id = put(b"first")
    put(b"second!")
    found = make_store().head(key, version_id=version_id)
    assert found is not None
    assert (found.version_id, found.size) == (version_id, 5)


def test_head_is_one_request(key: str, put: Any, proxy: TcpProxy) -> None:
    put(b"data")
    assert make_store(endpoint=proxy.endpoint).head(key) is not None
    assert (proxy.connections, proxy.requests) == (1, 1)


def test_a_connection_serves_many_calls(key: str, put: Any, proxy: TcpProxy) -> None:
    version_id = put(b"data")
    client = make_store(endpoint=proxy.endpoint)
    for _ in range(3):
        client.head(key)
        client.head(key + "-not-there")
        client.sha256(key, version_id=version_id)
        client.list_parts(key, upload_id="no-such-upload")
        client.bucket_state()
    assert proxy.connections == 1


def test_what_is_not_there_is_none(key: str, s3: Any, put: Any) -> None:
    client = make_store()
    assert client.head(key) is None
    gone = put(b"data")
    marker = s3.delete_object(Bucket=settings.MINIO_BUCKET, Key=key)["VersionId"]
    assert client.head(key) is None, "a delete marker is not an object"
    assert client.head(key, version_id=marker) is None
    assert client.sha256(key, version_id=marker) is None
    assert client.head(key, version_id=gone) is not None
    s3.delete_object(Bucket=settings.MINIO_BUCKET, Key=key, VersionId=gone)
    assert client.head(key, version_id=gone) is None
    assert client.sha256(key, version_id=gone) is None


def test_a_checksum_is_given_only_where_the_store_attests_it(key: str, s3: Any, put: Any) -> None:
    put(b"data", ChecksumSHA256=checksums.to_base64(digest(b"data")), ChecksumAlgorithm="SHA256")
    answer = s3.head_object(Bucket=settings.MINIO_BUCKET, Key=key, ChecksumMode="ENABLED")
    attested = answer.get("ChecksumType") == "FULL_OBJECT" and "ChecksumSHA256" in answer
    found = make_store().head(key)
    assert found is not None
    assert found.sha256 == (digest(b"data") if attested else None)
    put(b"data")
    found = make_store().head(key)
    assert found is not None
    assert found.sha256 is None


def test_a_content_encoding_is_told_and_its_bytes_are_read_as_they_are(key: str, put: Any) -> None:
    version_id = put(b"not gzip", ContentEncoding="gzip")
    client = make_store()
    found = client.head(key)
    assert found is not None
    assert found.content_encoding == "gzip"
    assert client.sha256(key, version_id=version_id) == digest(b"not gzip")


def test_the_checksum_read_is_that_of_the_very_version(key: str, put: Any) -> None:
    data = bytes(range(256)) * 12_345
    version_id = put(data)
    put(b"other")
    read: list[int] = []
    client = make_store()
    assert client.sha256(key, version_id=version_id, progress=read.append) == digest(data)
    assert sum(read) == len(data)
    assert client.sha256(key, version_id=version_id, per_read_timeout_only=True) == digest(data)


def test_an_empty_object_has_a_checksum(key: str, put: Any) -> None:
    assert make_store().sha256(key, version_id=put(b"")) == digest(b"")


def test_reading_takes_memory_for_some_pieces_only(key: str, put: Any) -> None:
    version_id = put(bytes(32 << 20))
    client = make_store()
    tracemalloc.start()
    try:
        client.sha256(key, version_id=version_id)
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


def test_a_multipart_upload_is_made_listed_and_completed(key: str, s3: Any) -> None:
    client = make_store()
    upload_id = client.create_multipart(key)
    assert client.list_parts(key, upload_id=upload_id) == []
    data = {2: b"b" * 10, 1: b"a" * PART}
    for number, body in data.items():
        upload_part(s3, key, upload_id, number, body)
    parts = client.list_parts(key, upload_id=upload_id)
    assert parts == [
        ReceivedPart(number, len(data[number]), hashlib.md5(data[number]).hexdigest())
        for number in (1, 2)
    ]
    assert client.head(key) is None
    assert client.complete_multipart(key, upload_id=upload_id, parts=parts)
    found = client.head(key)
    assert found is not None
    assert found.size == PART + 10
    assert found.sha256 is None, "a checksum of checksums is not the object's"
    assert client.sha256(key, version_id=found.version_id) == digest(data[1] + data[2])
    # The reply to the first may have been lost. Whatever the store says, there is one object.
    client.complete_multipart(key, upload_id=upload_id, parts=parts)
    assert client.head(key) == found


def test_all_pages_of_a_list_of_parts_are_read(
    key: str, s3: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_client, "_PARTS_OF_A_PAGE", 2)
    client = make_store()
    upload_id = client.create_multipart(key)
    for number in range(1, 6):
        upload_part(s3, key, upload_id, number, b"x" * number)
    parts = client.list_parts(key, upload_id=upload_id)
    assert parts is not None
    assert [(part.part_number, part.size) for part in parts] == [(n, n) for n in range(1, 6)]
    client.abort_multipart(key, upload_id=upload_id)


def test_parts_that_were_sent_again_are_told_and_are_no_failure_of_the_store(
    key: str, s3: Any
) -> None:
    client = make_store()
    upload_id = client.create_multipart(key)
    for number, size in ((1, PART), (2, 10)):
        upload_part(s3, key, upload_id, number, b"a" * size)
    listed = client.list_parts(key, upload_id=upload_id)
    assert listed is not None
    upload_part(s3, key, upload_id, 2, b"b" * 10)
    for _ in range(FAILURES_TO_OPEN + 1):
        with pytest.raises(PartsChangedError):
            client.complete_multipart(key, upload_id=upload_id, parts=listed)
    listed = client.list_parts(key, upload_id=upload_id)
    assert listed is not None
    assert client.complete_multipart(key, upload_id=upload_id, parts=listed)


def test_parts_that_are_too_small_are_no_failure_of_the_store(key: str, s3: Any) -> None:
    client = make_store()
    upload_id = client.create_multipart(key)
    parts = [upload_part(s3, key, upload_id, number, b"small") for number in (1, 2)]
    for _ in range(FAILURES_TO_OPEN + 1):
        with pytest.raises(PartsChangedError):
            client.complete_multipart(key, upload_id=upload_id, parts=parts)
    assert client.head(key) is None
    client.abort_multipart(key, upload_id=upload_id)


def test_an_aborted_upload_is_no_upload(key: str, s3: Any) -> None:
    client = make_store()
    upload_id = client.create_multipart(key)
    part = upload_part(s3, key, upload_id, 1, b"data")
    client.abort_multipart(key, upload_id=upload_id)
    client.abort_multipart(key, upload_id=upload_id)
    assert client.list_parts(key, upload_id=upload_id) is None
    assert client.complete_multipart(key, upload_id=upload_id, parts=[part]) is False
    assert client.head(key) is None


def test_the_bucket_has_a_state(unversioned: str) -> None:
    assert make_store().bucket_state() == BucketState(exists=True, versioned=True)
    assert make_store(bucket=unversioned).bucket_state() == BucketState(True, False)
    assert make_store(bucket=f"none-{uuid.uuid4()}").bucket_state() == BucketState(False, False)


def test_an_object_without_a_version_to_pin_is_refused(s3: Any, unversioned: str) -> None:
    s3.put_object(Bucket=unversioned, Key="uploads/a", Body=b"data")
    with pytest.raises(StoreUnavailableError):
        make_store(bucket=unversioned).head("uploads/a")


def test_a_wrong_key_is_a_store_that_is_not_available() -> None:
    with pytest.raises(StoreUnavailableError):
        make_store(secret_key="wrong").head("uploads/a")


def test_many_callers_at_once_are_all_served(key: str, put: Any) -> None:
    put(b"data")
    client = make_store(timeout=8, concurrency=16)
    with ThreadPoolExecutor(50) as pool:
        found = list(pool.map(lambda _: client.head(key), range(50)))
    assert None not in found
    assert len(set(found)) == 1


def test_there_is_one_store_in_the_process() -> None:
    assert client.object_store() is client.object_store()
    assert client.object_store().bucket_state().versioned


def upload_part(s3: Any, key: str, upload_id: str, number: int, body: bytes) -> ReceivedPart:
    answer = s3.upload_part(
        Bucket=settings.MINIO_BUCKET, Key=key, UploadId=upload_id, PartNumber=number, Body=body
    )
    return ReceivedPart(number, len(body), answer["ETag"].strip('"'))
