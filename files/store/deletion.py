"""What the collector asks of the store: lists of all object versions and multipart uploads, and
deletion by version id.

Every call is bounded, counted by the breaker and fails as those of `client.py`. Lists are read in
pages, so memory stays flat. A page is given only after the next one was read: the marker of a list
is an object version, which may be deleted once its page is given.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from os.path import commonprefix
from typing import Any

from minio.datatypes import ListMultipartUploadsResult, Object, parse_list_objects
from minio.deleteobjects import DeleteObject
from minio.helpers import DictType

from files.store.client import object_store
from files.store.results import MalformedResponseError

DELETED_AT_ONCE = 50
"""S3 allows 1,000; the embedded store needs seconds for them."""
_PAGE = 1000
_SHORT_PAGE = 16
Marker = tuple[str | None, str | None]
"""Where a page begins: after this key, and this version or upload id of it."""


@dataclass(frozen=True)
class StoredVersion:
    """An object version or a delete marker in a list. `size` is in bytes; a marker has no ETag."""

    key: str
    version_id: str
    size: int
    etag: str | None = None
    modified_at: datetime | None = None


@dataclass(frozen=True)
class MultipartUpload:
    """A multipart upload that was neither completed nor aborted."""

    key: str
    upload_id: str
    begun_at: datetime


def versions(*, prefix: str) -> Iterator[list[StoredVersion]]:
    """Yield all object versions and delete markers under `prefix`, in pages.

    S3 ListObjectVersions.
    """
    previous: list[StoredVersion] = []
    marker: Marker | None = (None, None)
    while marker is not None:
        found, marker = _page(prefix, marker)
        if previous:
            yield previous
        previous = [_stored(each) for each in found]
    if previous:
        yield previous


def versions_of(*, keys: Iterable[str]) -> Iterator[list[StoredVersion]]:
    """Yield all object versions and delete markers under exactly these keys, in pages.

    Keys of one folder are listed together: MinIO reads all names of a folder for each list, so one
    list for each key takes a time that grows with the square of their number.
    """
    for _, group in groupby(sorted(set(keys)), key=lambda key: key.rpartition("/")[0]):
        yield from _versions_of(list(group))


def _versions_of(keys: list[str]) -> Iterator[list[StoredVersion]]:
    """List from each of these sorted keys of one folder to where a page ends.

    A page is as long as the one before it was of use, so that of keys which are far apart little
    is read that lies between them.
    """
    wanted, at, size = set(keys), 0, 2 * len(keys)
    # With it a list has only what may be wanted; MinIO refuses a marker that does not begin so.
    prefix = commonprefix(keys)  # noqa: RUF071
    previous: list[StoredVersion] = []
    marker: Marker | None = _just_before(keys[0], prefix)
    while marker is not None and at < len(keys):
        found, marker = _page(prefix, marker, size=min(max(size, _SHORT_PAGE), _PAGE))
        if previous:
            yield previous
        previous = [_stored(each) for each in found if each.object_name in wanted]
        size = 2 * len(previous)
        if marker is None or not found:
            continue
        # The SDK puts delete markers last.
        last = max(each.object_name or "" for each in found)
        # Of the last key more versions may follow.
        while at < len(keys) and keys[at] < last:
            at += 1
        if at < len(keys):
            marker = max(marker, _just_before(keys[at], prefix), key=lambda each: each[0] or "")
    if previous:
        yield previous


def _just_before(key: str, prefix: str) -> Marker:
    """Return the marker of a list that begins with `key`, or with what is next to it."""
    shorter = key[:-1]
    return (shorter if shorter.startswith(prefix) else None), None


def folders(*, prefix: str) -> list[str]:
    """Return the last part of each "folder" directly under `prefix`, which ends in a slash."""
    # The embedded store begins a page with the folder that ended the one before.
    names: dict[str, None] = {}
    marker: Marker | None = (None, None)
    while marker is not None:
        found, marker = _page(prefix, marker, delimiter="/")
        paths = (each.object_name or "" for each in found)
        names |= dict.fromkeys(path[len(prefix) : -1] for path in paths if path.endswith("/"))
    return list(names)


def delete(found: Sequence[StoredVersion]) -> dict[StoredVersion, str]:
    """Delete these, at most `DELETED_AT_ONCE`; return those that are still there, with S3's code.

    By version id, so that no delete marker is made. One that is gone already is no error. S3
    DeleteObjects.
    """
    with object_store().sdk_call("delete") as (client, bucket):
        result = client._delete_objects(
            bucket, [DeleteObject(each.key, each.version_id) for each in found], quiet=True
        )
    named = {(each.key, each.version_id): each for each in found}
    failed: dict[StoredVersion, str] = {}
    for error in result.error_list:
        if error.code in ("NoSuchVersion", "NoSuchKey"):
            continue
        each = named.get((error.name or "", error.version_id or ""))
        # An error that names none of them may be about any.
        failed |= dict.fromkeys(found if each is None else [each], error.code)
    return failed


def multipart_uploads() -> Iterator[list[MultipartUpload]]:
    """Yield all multipart uploads of the bucket, in pages. S3 ListMultipartUploads."""
    previous: list[MultipartUpload] = []
    marker: Marker | None = (None, None)
    while marker is not None:
        query: DictType = {"uploads": "", "max-uploads": str(_PAGE)}
        query |= _markers(marker, "upload-id-marker")
        with object_store().sdk_call("multipart_uploads") as (client, bucket):
            # Not _list_multipart_uploads(): to its empty delimiter the embedded store lists none.
            page = ListMultipartUploadsResult(client._execute("GET", bucket, query_params=query))
            found = [_multipart(each) for each in page.uploads]
            # The SDK sets this one under a name that only getattr() can spell.
            next_id = getattr(page, "self._next_upload_id_marker", None)
            marker = _next(marker, page.next_key_marker, next_id) if page.is_truncated else None
        if previous:
            yield previous
        previous = found
    if previous:
        yield previous


def _page(
    prefix: str, marker: Marker, *, delimiter: str = "", size: int | None = None
) -> tuple[list[Object], Marker | None]:
    """Return a page of the list, and where the next one begins; None after the last."""
    # Not quoted by encoding-type=url: the embedded store does not quote its markers then. Keys of
    # the service have nothing to quote.
    query: DictType = {"versions": "", "max-keys": str(size or _PAGE), "prefix": prefix}
    query |= {"delimiter": delimiter} if delimiter else {}
    query |= _markers(marker, "version-id-marker")
    with object_store().sdk_call("versions") as (client, bucket):
        # Not list_objects(), which reads all pages in what would be one call.
        response = client._execute("GET", bucket, query_params=query)
        found, is_truncated, next_key, next_id = parse_list_objects(response)
        if not is_truncated:
            return found, None
        return found, _next(marker, next_key, next_id)


def _markers(marker: Marker, second: str) -> DictType:
    key, identifier = marker
    return {
        **({"key-marker": key} if key else {}),
        **({second: identifier} if identifier else {}),
    }


def _next(before: Marker, key: str | None, identifier: str | None) -> Marker:
    if not key or (key, identifier) == before:
        raise MalformedResponseError("a list without an end")
    return key, identifier


def _stored(found: Object) -> StoredVersion:
    if not found.object_name or not found.version_id:
        raise MalformedResponseError("an object version without a key or id")
    return StoredVersion(
        found.object_name,
        found.version_id,
        found.size or 0,
        etag=None if found.is_delete_marker else (found.etag or "").strip('"'),
        modified_at=found.last_modified,
    )


def _multipart(found: Any) -> MultipartUpload:
    if not (found.object_name and found.upload_id and found.initiated_time):
        raise MalformedResponseError("a multipart upload without a key, id or time")
    return MultipartUpload(found.object_name, found.upload_id, found.initiated_time)
