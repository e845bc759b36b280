"""What a presigned URL allows, and what it does not."""

import base64
import hashlib
import socket
import time
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, urlsplit

import httpx
import pytest

from .store_process import BUCKET, HTTP, SECRET_KEY, Store

pytestmark = pytest.mark.once

BODY = b"twelve bytes"
OTHER = b"other  bytes"


def sha256(body: bytes) -> str:
    return base64.b64encode(hashlib.sha256(body).digest()).decode()


def code(response: httpx.Response) -> str:
    return response.text.partition("<Code>")[2].partition("</Code>")[0]


def test_a_presigned_put_and_get_round_trip(shared_store: Store, key: str) -> None:
    put = shared_store.put(key, BODY)
    assert put.status_code == 200
    assert put.headers["x-amz-version-id"]
    assert put.headers["etag"] == f'"{hashlib.md5(BODY).hexdigest()}"'
    assert shared_store.get(key).content == BODY


def test_a_changed_signature_is_refused(shared_store: Store, key: str) -> None:
    url = shared_store.presign("PUT", key)
    changed = url[:-4] + ("0000" if url[-4:] != "0000" else "1111")
    response = HTTP.put(changed, content=BODY)
    assert (response.status_code, code(response)) == (403, "SignatureDoesNotMatch")
    assert shared_store.get(key).status_code == 404


@pytest.mark.parametrize(
    ("name", "status"),
    [
        *(("tagging", 200), ("acl", 200), ("location", 200), ("versioning", 200)),
        *(("object-lock", 404), ("logging", 400), ("uploads", 400)),
        *(("policy", 501), ("torrent", 501), ("restore", 501), ("website", 501), ("cors", 501)),
    ],
)
def test_a_subresource_is_answered_only_with_a_right_signature(
    shared_store: Store, key: str, name: str, status: int
) -> None:
    shared_store.put(key, BODY)
    signed = HTTP.get(shared_store.presign("GET", key, query={name: ""}))
    assert signed.status_code == status
    for method in ("GET", "PUT", "POST", "DELETE", "PATCH"):
        added = HTTP.request(method, f"{shared_store.presign(method, key)}&{name}")
        assert (added.status_code, code(added)) == (403, "SignatureDoesNotMatch")
    assert shared_store.get(key).content == BODY


@pytest.mark.parametrize("body", [BODY[:-1], BODY + b"!", b""])
def test_a_body_of_another_length_than_signed_is_refused(
    shared_store: Store, key: str, body: bytes
) -> None:
    url = shared_store.presign("PUT", key, {"content-length": str(len(BODY))})
    assert HTTP.put(url, content=body).status_code == 403
    assert shared_store.get(key).status_code == 404


def test_a_chunked_body_is_refused(shared_store: Store, key: str) -> None:
    url = shared_store.presign("PUT", key)
    response = HTTP.put(url, content=iter([BODY]))
    assert (response.status_code, code(response)) == (411, "MissingContentLength")
    assert shared_store.get(key).status_code == 404


def test_a_put_larger_than_five_gib_is_refused_before_its_body(
    shared_store: Store, key: str
) -> None:
    status, body = shared_store.answer_to_head_of_put(key, (5 << 30) + 1)
    assert status == 400
    assert b"EntityTooLarge" in body


@pytest.mark.parametrize("length", ["-1", "abc", "1_0", "٣"])
def test_a_length_that_is_no_number_is_refused(shared_store: Store, key: str, length: str) -> None:
    url = urlsplit(shared_store.presign("PUT", key))
    with socket.create_connection(("127.0.0.1", shared_store.port), timeout=10) as connection:
        head = f"PUT {url.path}?{url.query} HTTP/1.1\r\nHost: {url.netloc}\r\n"
        connection.sendall(f"{head}Content-Length: {length}\r\n\r\n".encode())
        assert connection.recv(4096).split()[1] == b"400"


def test_other_bytes_than_the_signed_checksum_are_refused(shared_store: Store, key: str) -> None:
    signed = {"x-amz-checksum-sha256": sha256(BODY), "x-amz-checksum-algorithm": "SHA256"}
    response = shared_store.put(key, OTHER, signed)
    assert (response.status_code, code(response)) == (400, "BadDigest")
    assert shared_store.get(key).status_code == 404
    assert shared_store.put(key, BODY, signed).status_code == 200
    assert shared_store.get(key).content == BODY


@pytest.mark.parametrize(
    "unsigned",
    [
        {"x-amz-checksum-algorithm": "CRC32"},
        {"x-amz-sdk-checksum-algorithm": "CRC32"},
        {"x-amz-checksum-crc32": "AAAAAA=="},
        {"x-amz-trailer": "x-amz-checksum-crc32"},
    ],
    ids=lambda unsigned: next(iter(unsigned)),
)
def test_an_unsigned_checksum_header_does_not_get_around_a_signed_checksum(
    shared_store: Store, key: str, unsigned: dict[str, str]
) -> None:
    response = shared_store.put(key, OTHER, {"x-amz-checksum-sha256": sha256(BODY)}, unsigned)
    assert response.status_code in {400, 403}
    assert shared_store.get(key).status_code == 404


def test_a_signed_checksum_algorithm_cannot_be_changed(shared_store: Store, key: str) -> None:
    signed = {"x-amz-checksum-sha256": sha256(BODY), "x-amz-checksum-algorithm": "SHA256"}
    response = shared_store.put(key, OTHER, signed, {"x-amz-checksum-algorithm": "CRC32"})
    assert response.status_code == 403
    assert shared_store.get(key).status_code == 404


def test_a_signed_header_may_not_be_left_out(shared_store: Store, key: str) -> None:
    url = shared_store.presign("PUT", key, {"x-amz-checksum-sha256": sha256(BODY)})
    assert HTTP.put(url, content=BODY).status_code == 403
    assert shared_store.get(key).status_code == 404


def test_an_unsigned_copy_source_is_refused(shared_store: Store, key: str) -> None:
    source = f"{key}-source"
    shared_store.put(source, BODY)
    copy = {"x-amz-copy-source": quote(f"/{BUCKET}/{source}")}
    assert shared_store.put(key, b"", unsigned=copy).status_code == 403
    assert shared_store.get(key).status_code == 404


def test_swifts_own_copy_header_is_ignored(shared_store: Store, key: str) -> None:
    shared_store.s3.put_object(Bucket=BUCKET, Key="copy-source", Body=OTHER)
    copy = {"x-copy-from": f"/{BUCKET}/copy-source"}
    assert shared_store.put(key, b"", unsigned=copy).status_code == 200
    assert shared_store.get(key).content == b""


@pytest.mark.parametrize("name", ["x-amz-meta-note", "x-amz-tagging", "x-amz-storage-class"])
def test_an_unsigned_amz_header_is_refused(shared_store: Store, key: str, name: str) -> None:
    assert shared_store.put(key, BODY, unsigned={name: "a=b"}).status_code in {400, 403, 501}
    assert shared_store.get(key).status_code == 404


@pytest.mark.parametrize("header", [{"x-object-meta-note": "mine"}, {"etag": "0" * 32}])
def test_headers_of_swift_have_no_effect(
    shared_store: Store, key: str, header: dict[str, str]
) -> None:
    assert shared_store.put(key, BODY, unsigned=header).status_code == 200
    got = shared_store.get(key)
    assert got.content == BODY
    assert {"x-amz-meta-note", "x-object-meta-note"}.isdisjoint(got.headers)


def test_an_object_cannot_be_given_an_expiry(shared_store: Store, key: str) -> None:
    soon = str(int(time.time()) + 2)
    headers = {"x-delete-after": "1", "x_delete_after": "1", "x-delete-at": soon}
    for name, value in headers.items():
        put = shared_store.put(f"{key}-{name}", BODY, unsigned={name: value})
        assert put.status_code == 200
    while time.time() <= int(soon):
        time.sleep(0.1)
    for name in headers:
        assert shared_store.get(f"{key}-{name}").content == BODY


def test_unsigned_content_headers_are_stored(shared_store: Store, key: str) -> None:
    unsigned = {"content-type": "text/html", "content-encoding": "gzip"}
    shared_store.put(key, BODY, unsigned=unsigned)
    head = shared_store.s3.head_object(Bucket=BUCKET, Key=key)
    assert (head["ContentType"], head["ContentEncoding"]) == ("text/html", "gzip")


def test_an_expired_url_is_refused(
    shared_store: Store, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    signed_at = datetime.now(UTC) - timedelta(minutes=10)
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda: signed_at)
    assert HTTP.put(shared_store.presign("PUT", key, ttl=900), content=BODY).status_code == 200
    url = shared_store.presign("PUT", f"{key}-late", ttl=590)
    assert HTTP.put(url, content=BODY).status_code == 403
    assert shared_store.versions(f"{key}-late") == []


def test_another_key_pair_is_refused(shared_store: Store, key: str) -> None:
    url = shared_store.presign("PUT", key).replace("test-key", "test-kez")
    assert HTTP.put(url, content=BODY).status_code == 403
    assert shared_store.get(key).status_code == 404


@pytest.mark.parametrize(
    "path", ["/", f"/{BUCKET}", "/v1/test-key", f"/v1/test-key/{BUCKET}", "/info", "/healthcheck"]
)
def test_nothing_is_answered_without_a_signature(shared_store: Store, path: str) -> None:
    for headers in ({}, {"x-auth-token": SECRET_KEY}, {"authorization": "AWS4-HMAC-SHA256 x"}):
        response = HTTP.get(shared_store.url + path, headers=headers)
        assert response.status_code in {400, 403}
        assert BUCKET not in response.text.replace(path, "")


def test_the_get_url_overrides_type_and_disposition(shared_store: Store, key: str) -> None:
    shared_store.put(key, BODY, unsigned={"content-type": "text/html"})
    query = {
        "response-content-type": "text/plain",
        "response-content-disposition": "attachment; filename*=UTF-8''%C3%BC.txt",
    }
    got = HTTP.get(shared_store.presign("GET", key, query=query))
    assert got.headers["content-type"] == "text/plain"
    assert got.headers["content-disposition"] == query["response-content-disposition"]


def test_a_put_that_is_cut_half_way_is_not_stored(shared_store: Store, key: str) -> None:
    url = urlsplit(shared_store.presign("PUT", key))
    for sent in (0, 1, 100_000, 199_999):
        with socket.create_connection(("127.0.0.1", shared_store.port)) as connection:
            head = f"PUT {url.path}?{url.query} HTTP/1.1\r\nHost: {url.netloc}\r\n"
            connection.sendall(f"{head}Content-Length: 200000\r\n\r\n".encode() + b"x" * sent)
            connection.shutdown(socket.SHUT_WR)
            connection.recv(4096)  # an error, or nothing: it is over when this returns
    assert shared_store.versions(key) == []
    assert shared_store.get(key).status_code == 404
