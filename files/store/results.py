"""What the store's responses say, as values, and which of them are malformed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from minio.datatypes import Part
from minio.error import S3Error

from files import checksums
from files.store import transport

_OF_STORE = frozenset(
    {
        "AuthorizationHeaderMalformed",
        "InvalidBucketName",
        "InvalidBucketState",
        "InvalidToken",
        "ExpiredToken",
        "NoSuchBucket",
        "RequestTimeout",
        "SlowDown",
    }
)
"""Codes of S3 with a status of 400, 404 or 409 that are no answer about one object."""


@dataclass(frozen=True)
class ObjectVersion:
    """One object version, as the store's response to HEAD describes it. `size` is in bytes."""

    key: str
    version_id: str
    etag: str
    size: int
    sha256: str | None
    """`sha256:<hex>`, only where the store attests that of the whole object (FULL_OBJECT)."""
    content_encoding: str | None


@dataclass(frozen=True)
class ReceivedPart:
    """A part of a multipart upload that the store has. `size` is in bytes."""

    part_number: int
    size: int
    etag: str


@dataclass(frozen=True)
class BucketState:
    """Whether the bucket is there, and keeps versions."""

    exists: bool
    versioned: bool


class MalformedResponseError(Exception):
    """A 2xx response without a header or field that it must have."""


def reason(error: BaseException | None) -> str | None:
    if isinstance(error, S3Error):
        return f"{error.response.status} {error.code}"
    if isinstance(error, MalformedResponseError):
        return f"malformed response: {error}"
    return None if error is None else transport.reason(error)


def is_not_there(error: S3Error) -> bool:
    response = error.response
    if response.status == 405:
        # A version id that is a delete marker's.
        return response.headers.get("x-amz-delete-marker") == "true"
    return response.status == 404 and error.code in ("NoSuchKey", "NoSuchVersion")


def is_refusal(error: S3Error) -> bool:
    """Return whether the store works, and refuses what was asked of this object or upload.

    Source: Amazon S3 API reference, "Error responses". What says something of the store itself, of
    its bucket, its keys or its clock has other statuses or one of the codes left out.
    """
    return error.response.status in (400, 404, 409, 412, 416) and error.code not in _OF_STORE


def length(headers: Mapping[str, str]) -> int:
    text = headers.get("content-length", "")
    if not (text.isascii() and text.isdigit()):
        raise MalformedResponseError("no length")
    return int(text)


def object_version(key: str, headers: Mapping[str, str], asked_for: str | None) -> ObjectVersion:
    etag = headers.get("etag", "").strip('"')
    version_id = headers.get("x-amz-version-id", "")
    # The version "null" is that of a bucket without versioning: the next PUT replaces it.
    if not etag or version_id in ("", "null") or asked_for not in (None, version_id):
        raise MalformedResponseError("no ETag, or no version id that can be pinned")
    sha256 = None
    if headers.get("x-amz-checksum-type") == "FULL_OBJECT":
        attested = headers.get("x-amz-checksum-sha256")
        sha256 = checksums.from_base64(attested) if attested else None
    return ObjectVersion(
        key=key,
        version_id=version_id,
        etag=etag,
        size=length(headers),
        sha256=sha256,
        content_encoding=headers.get("content-encoding") or None,
    )


def received_part(part: Part) -> ReceivedPart:
    if part.size is None:
        raise MalformedResponseError("a part without a size")
    return ReceivedPart(part_number=part.part_number, size=part.size, etag=part.etag)
