"""A version id names the same bytes for ever; and CORS, for pages of another origin."""

import pytest

from .store_process import BUCKET, HTTP, Store

pytestmark = pytest.mark.once

ORIGIN = {"origin": "https://drive.example"}


def test_head_and_get_give_the_newest_version_with_its_id(shared_store: Store, key: str) -> None:
    first = shared_store.put(key, b"first").headers["x-amz-version-id"]
    second = shared_store.put(key, b"second").headers["x-amz-version-id"]
    head = HTTP.head(shared_store.presign("HEAD", key))
    assert head.headers["x-amz-version-id"] == second
    assert head.headers["content-length"] == "6"
    assert shared_store.versions(key) == [second, first]


def test_a_version_id_gives_its_bytes_after_an_overwrite_and_a_delete_marker(
    shared_store: Store, key: str
) -> None:
    pinned = shared_store.put(key, b"pinned").headers["x-amz-version-id"]
    shared_store.put(key, b"another")
    assert shared_store.get(key, pinned).content == b"pinned"
    shared_store.s3.delete_object(Bucket=BUCKET, Key=key)
    assert shared_store.get(key).status_code == 404
    assert shared_store.get(key, pinned).content == b"pinned"


def test_a_version_that_is_gone_is_not_found_and_may_be_deleted_again(
    shared_store: Store, key: str
) -> None:
    version = shared_store.put(key, b"bytes").headers["x-amz-version-id"]
    for _ in range(2):
        shared_store.s3.delete_object(Bucket=BUCKET, Key=key, VersionId=version)
        assert shared_store.get(key, version).status_code == 404


def test_a_version_id_that_cannot_be_is_a_bad_request(shared_store: Store, key: str) -> None:
    shared_store.put(key, b"bytes")
    assert shared_store.get(key, "nonsense").status_code == 400


@pytest.mark.parametrize("wanted", [("bytes=2-3", b"23"), ("bytes=-2", b"89")])
def test_a_range_of_a_version_can_be_read(
    shared_store: Store, key: str, wanted: tuple[str, bytes]
) -> None:
    version = shared_store.put(key, b"0123456789").headers["x-amz-version-id"]
    url = shared_store.presign("GET", key, query={"versionId": version})
    got = HTTP.get(url, headers={"range": wanted[0]})
    assert (got.status_code, got.content) == (206, wanted[1])


def test_keys_named_like_the_access_key_are_kept_as_they_are(shared_store: Store) -> None:
    key = "test-key/test-key"
    shared_store.put(key, b"bytes")
    assert shared_store.get(key).content == b"bytes"
    listed = shared_store.s3.list_objects_v2(Bucket=BUCKET, Prefix="test-key")["Contents"]
    assert [found["Key"] for found in listed] == [key]


def test_a_preflight_is_answered_without_a_signature(shared_store: Store, key: str) -> None:
    asked = {
        "access-control-request-method": "PUT",
        "access-control-request-headers": "content-type,x-amz-checksum-sha256",
    }
    answer = HTTP.options(f"{shared_store.url}/{BUCKET}/x", headers={**ORIGIN, **asked})
    assert answer.status_code == 204
    assert answer.headers["access-control-allow-origin"] == ORIGIN["origin"]
    assert "PUT" in answer.headers["access-control-allow-methods"]
    allowed = answer.headers["access-control-allow-headers"]
    assert allowed == asked["access-control-request-headers"]


def test_cors_headers_are_on_successes_and_on_errors(shared_store: Store, key: str) -> None:
    put = shared_store.put(key, b"bytes", unsigned=ORIGIN)
    unsigned = HTTP.get(f"{shared_store.url}/{BUCKET}/x", headers=ORIGIN)
    missing = HTTP.get(shared_store.presign("GET", f"{key}-missing"), headers=ORIGIN)
    refused = HTTP.put(shared_store.presign("GET", key), content=b"", headers=ORIGIN)
    statuses = [answer.status_code for answer in (put, unsigned, missing, refused)]
    assert statuses == [200, 403, 404, 403]
    for answer in (put, unsigned, missing, refused):
        assert answer.headers["access-control-allow-origin"] == ORIGIN["origin"]
        assert answer.headers["vary"] == "Origin"
        assert "x-amz-version-id" in answer.headers["access-control-expose-headers"]
        assert "ETag" in answer.headers["access-control-expose-headers"]


def test_answers_to_no_origin_carry_no_cors_headers(shared_store: Store, key: str) -> None:
    assert "access-control-allow-origin" not in shared_store.put(key, b"bytes").headers
