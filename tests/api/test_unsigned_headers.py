"""Headers that nobody signed, on a presigned PUT: never a version of other bytes than declared."""

from __future__ import annotations

import base64
import hashlib
from zlib import crc32

import pytest
from django.conf import settings

from tests.support.client import Client, put, sha256

pytestmark = pytest.mark.usefixtures("store")

RIGHT, WRONG = b"right bytes", b"wrong bytes"
_KEY = bytes(32)
HEADERS: dict[str, dict[str, str]] = {
    "algorithm": {"x-amz-checksum-algorithm": "CRC32"},
    "crc32": {"x-amz-checksum-crc32": base64.b64encode(crc32(WRONG).to_bytes(4)).decode()},
    "sha256": {"x-amz-checksum-sha256": base64.b64encode(hashlib.sha256(WRONG).digest()).decode()},
    "sdk-algorithm": {"x-amz-sdk-checksum-algorithm": "CRC32"},
    "trailer": {"x-amz-trailer": "x-amz-checksum-crc32"},
    "metadata": {"x-amz-meta-colour": "red"},
    "tagging": {"x-amz-tagging": "a=b"},
    "content-encoding": {"Content-Encoding": "gzip"},
    "aws-chunked": {"Content-Encoding": "aws-chunked"},
    "storage-class": {"x-amz-storage-class": "REDUCED_REDUNDANCY"},
    "SSE-C": {
        "x-amz-server-side-encryption-customer-algorithm": "AES256",
        "x-amz-server-side-encryption-customer-key": base64.b64encode(_KEY).decode(),
        "x-amz-server-side-encryption-customer-key-MD5": base64.b64encode(
            hashlib.md5(_KEY, usedforsecurity=False).digest()
        ).decode(),
    },
}


def assert_committed_bytes_are_the_declared(owner: Client, key: str) -> None:
    """Try to commit `RIGHT`; if that is done, exactly these bytes must come back."""
    committed = owner.commit(key, RIGHT)
    assert committed.status in (201, 409, 422), committed.json
    if committed.status == 201:
        assert owner.read(committed["fileId"]) == RIGHT
    else:
        assert owner.get("/files")["results"] == []


@pytest.mark.parametrize("name", HEADERS)
@pytest.mark.parametrize("sent", [RIGHT, WRONG], ids=["right", "wrong"])
@pytest.mark.parametrize("bound", [True, False], ids=["bound", "unbound"])
def test_a_put_with_an_unsigned_header_makes_no_version_of_other_bytes(
    owner: Client, bound: bool, sent: bytes, name: str
) -> None:
    begun = owner.init(RIGHT, **({"checksum": sha256(RIGHT)} if bound else {}))
    put(begun["presigned_put_url"], sent, {**begun["headers"], **HEADERS[name]})
    assert_committed_bytes_are_the_declared(owner, begun["key"])


@pytest.mark.parametrize("name", HEADERS)
@pytest.mark.parametrize("sent", [RIGHT, WRONG], ids=["right", "wrong"])
def test_a_part_with_an_unsigned_header_makes_no_version_of_other_bytes(
    owner: Client, sent: bytes, name: str
) -> None:
    begun = owner.init(RIGHT, multipart=True)
    put(begun["parts"][0]["presigned_put_url"], sent, HEADERS[name])
    assert_committed_bytes_are_the_declared(owner, begun["key"])


@pytest.mark.parametrize("multipart", [True, False], ids=["part", "single"])
def test_another_persons_object_is_not_copied_by_a_put(
    owner: Client, stranger: Client, multipart: bool
) -> None:
    secret = b"the stranger's own secret"
    victim = stranger.upload(secret)["key"]
    begun = owner.init(b"", size=len(secret) if multipart else 0, multipart=multipart)
    url = begun["parts"][0]["presigned_put_url"] if multipart else begun["presigned_put_url"]
    put(url, b"", {"x-amz-copy-source": f"/{settings.MINIO_BUCKET}/{victim}"})
    committed = owner.commit(begun["key"], b"" if not multipart else secret)
    if settings.MINIO_UPLOAD_ACCESS_KEY or not multipart:
        # Where one key signs all, a store may copy; the commit then refuses another size.
        assert committed.status in (201, 409, 422)
        if committed.status == 201:
            assert owner.read(committed["fileId"]) == b""
