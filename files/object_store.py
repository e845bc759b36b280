"""The only module that talks to the store in a request, by the minio SDK, in S3's own terms.

What is not there is a value; everything else that goes wrong is StoreUnavailable, within the
timeout, and only that. No call may be made inside a database transaction. Signing is `presign`'s.
The SDK's multipart calls begin with an underscore; its version is pinned, and tests hold them.
"""

from __future__ import annotations

import functools
import hashlib
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

from django.conf import settings
from minio.commonconfig import ENABLED
from minio.datatypes import Part
from minio.error import S3Error

from files import checksums, store_transport
from files.exceptions import ObjectUnreadable, StoreUnavailable
from files.store_guard import REST, StoreGuard

logger = logging.getLogger(__name__)

_CHUNK = 1 << 20
_PARTS_OF_A_PAGE = 10_000
"""As many as there may be: for each page MinIO reads all of them. Others give 1,000 at a time."""


@dataclass(frozen=True)
class ObjectVersion:
    """One object version, as the store's answer to HEAD describes it. `size` is in bytes."""

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


class _UnusableAnswerError(Exception):
    """The store answered with success, and not with what such an answer must have."""


class ObjectStore:
    """One bucket of a store, for many threads. Each call ends within `timeout` seconds.

    `concurrency` is the number of threads that may call; some of them are always left free.
    """

    def __init__(
        self,
        *,
        endpoint: str,
        region: str,
        access_key: str,
        secret_key: str,
        bucket: str,
        timeout: float,
        concurrency: int,
    ) -> None:
        slots = max(1, concurrency - max(2, concurrency // 4))
        self._bucket = bucket
        self._timeout = timeout
        self._guard = StoreGuard(slots)
        self._client = store_transport.client(
            endpoint=endpoint,
            region=region,
            access_key=access_key,
            secret_key=secret_key,
            connections=slots,
        )

    def step(self) -> AbstractContextManager[None]:
        """All calls inside this context end within one `timeout` together."""
        return store_transport.time_limit(self._timeout)

    def head(self, key: str, *, version_id: str | None = None) -> ObjectVersion | None:
        """Return the newest version of `key`, or the one named; None if it is not there.

        S3 HeadObject. A newest version that is a delete marker is not there either. An object
        that needs headers of its own to be read, as with SSE-C, raises `ObjectUnreadable`.
        """
        with self._call("head"):
            try:
                answer = self._client.stat_object(
                    self._bucket,
                    key,
                    version_id=version_id,
                    extra_headers={"x-amz-checksum-mode": "ENABLED"},
                )
            except S3Error as error:
                if _is_not_there(error):
                    return None
                self._refuse_unreadable(error)
                raise
            return _object_version(key, answer.metadata or {}, version_id)

    def sha256(
        self,
        key: str,
        *,
        version_id: str,
        progress: Callable[[int], object] | None = None,
        unhurried: bool = False,
    ) -> str | None:
        """Read that very version, in bounded memory, and return `sha256:<hex>`; None if it is gone.

        `progress` is called with the number of bytes of each piece. `unhurried` bounds each wait
        for the store by the timeout, not the whole. S3 GetObject.
        """
        with self._call("sha256", unhurried=unhurried):
            try:
                answer = self._client.get_object(self._bucket, key, version_id=version_id)
            except S3Error as error:
                if _is_not_there(error):
                    return None
                self._refuse_unreadable(error)
                raise
            try:
                if answer.headers.get("x-amz-version-id") != version_id:
                    raise _UnusableAnswerError("another version")
                left = _length(answer.headers)
                digest = hashlib.sha256()
                while piece := answer.read(_CHUNK, decode_content=False):
                    digest.update(piece)
                    left -= len(piece)
                    if progress is not None:
                        progress(len(piece))
                if left:
                    raise _UnusableAnswerError("not of the length announced")
            finally:
                answer.close()
            return checksums.from_digest(digest.digest())

    def create_multipart(self, key: str) -> str:
        """Begin a multipart upload and return its id. S3 CreateMultipartUpload.

        No checksum algorithm is declared: MinIO would then refuse parts without one.
        """
        with self._call("create_multipart"):
            upload_id = self._client._create_multipart_upload(self._bucket, key, {})
            if not upload_id:
                raise _UnusableAnswerError("no upload id")
            return upload_id

    def list_parts(self, key: str, *, upload_id: str) -> list[ReceivedPart] | None:
        """Return all parts received so far, by number; None: no such upload. S3 ListParts."""
        parts: list[ReceivedPart] = []
        marker = 0
        with self._call("list_parts"):
            while True:
                try:
                    page = self._client._list_parts(
                        self._bucket,
                        key,
                        upload_id,
                        max_parts=_PARTS_OF_A_PAGE,
                        part_number_marker=str(marker) if marker else None,
                    )
                except S3Error as error:
                    if error.code == "NoSuchUpload":
                        return None
                    raise
                if page.object_name != key:
                    raise _UnusableAnswerError("not a list of this upload's parts")
                parts += [_received_part(part) for part in page.parts]
                if not page.is_truncated:
                    return parts
                next_marker = int(page.next_part_number_marker or 0)
                if next_marker <= marker:
                    raise _UnusableAnswerError("a list of parts without an end")
                marker = next_marker

    def complete_multipart(
        self, key: str, *, upload_id: str, parts: Sequence[ReceivedPart]
    ) -> bool:
        """Make the object of `parts`, in their order. S3 CompleteMultipartUpload.

        False where the store knows no such upload: it was completed before, or aborted.
        """
        with self._call("complete_multipart"):
            try:
                result = self._client._complete_multipart_upload(
                    self._bucket,
                    key,
                    upload_id,
                    [Part(part.part_number, part.etag) for part in parts],
                )
            except S3Error as error:
                if error.code == "NoSuchUpload":
                    return False
                raise
            # S3 may answer 200 and then, in the body, an error.
            if not result.etag or result.object_name != key:
                raise _UnusableAnswerError("not the result of a completion")
            return True

    def abort_multipart(self, key: str, *, upload_id: str) -> None:
        """Abort the upload and drop its parts; none there is fine. S3 AbortMultipartUpload."""
        with self._call("abort_multipart"):
            try:
                self._client._abort_multipart_upload(self._bucket, key, upload_id)
            except S3Error as error:
                if error.code != "NoSuchUpload":
                    raise

    def bucket_state(self) -> BucketState:
        """Return the state of the bucket. S3 GetBucketVersioning."""
        with self._call("bucket_state"):
            try:
                versioning = self._client.get_bucket_versioning(self._bucket)
            except S3Error as error:
                if error.code == "NoSuchBucket":
                    return BucketState(exists=False, versioned=False)
                raise
            return BucketState(exists=True, versioned=versioning.status == ENABLED)

    def _refuse_unreadable(self, error: S3Error) -> None:
        """Raise ObjectUnreadable where a 400 is about the object: the bucket itself answers."""
        if error.response.status == 400:
            self._client.get_bucket_versioning(self._bucket)
            raise ObjectUnreadable from error

    @contextmanager
    def _call(self, what: str, *, unhurried: bool = False) -> Iterator[None]:
        """Bound the block in time, ask the guard, turn what goes wrong into StoreUnavailable."""
        bounds = store_transport.wait_limit if unhurried else store_transport.time_limit
        try:
            with (
                bounds(self._timeout),
                self._guard.call(seconds_left=store_transport.seconds_left()),
            ):
                try:
                    yield
                except ObjectUnreadable:
                    raise
                except Exception as error:
                    # Any error: the SDK lets those of ssl, http.client, XML and int() through.
                    raise StoreUnavailable(
                        "The object store did not answer as it should.", retry_after=REST
                    ) from error
        except StoreUnavailable as error:
            logger.warning("store: %s: %s", what, _reason(error.__cause__) or error.detail)
            raise


def _reason(error: BaseException | None) -> str | None:
    if isinstance(error, S3Error):
        return f"{error.response.status} {error.code}"
    if isinstance(error, _UnusableAnswerError):
        return f"unusable answer: {error}"
    return None if error is None else store_transport.reason(error)


def _is_not_there(error: S3Error) -> bool:
    answer = error.response
    if answer.status == 405:
        # A version id that is a delete marker's.
        return answer.headers.get("x-amz-delete-marker") == "true"
    return answer.status == 404 and error.code in ("NoSuchKey", "NoSuchVersion")


def _length(headers: Mapping[str, str]) -> int:
    text = headers.get("content-length", "")
    if not (text.isascii() and text.isdigit()):
        raise _UnusableAnswerError("no length")
    return int(text)


def _object_version(key: str, headers: Mapping[str, str], asked_for: str | None) -> ObjectVersion:
    etag = headers.get("etag", "").strip('"')
    version_id = headers.get("x-amz-version-id", "")
    # The version "null" is that of a bucket without versioning: the next PUT replaces it.
    if not etag or version_id in ("", "null") or asked_for not in (None, version_id):
        raise _UnusableAnswerError("no ETag, or no version id that can be pinned")
    sha256 = None
    if headers.get("x-amz-checksum-type") == "FULL_OBJECT":
        attested = headers.get("x-amz-checksum-sha256")
        sha256 = checksums.from_base64(attested) if attested else None
    return ObjectVersion(
        key=key,
        version_id=version_id,
        etag=etag,
        size=_length(headers),
        sha256=sha256,
        content_encoding=headers.get("content-encoding") or None,
    )


def _received_part(part: Part) -> ReceivedPart:
    if part.size is None:
        raise _UnusableAnswerError("a part without a size")
    return ReceivedPart(part_number=part.part_number, size=part.size, etag=part.etag)


@functools.cache
def _object_store(
    endpoint: str,
    region: str,
    access_key: str,
    secret_key: str,
    bucket: str,
    timeout: float,
    concurrency: int,
) -> ObjectStore:
    return ObjectStore(
        endpoint=endpoint,
        region=region,
        access_key=access_key,
        secret_key=secret_key,
        bucket=bucket,
        timeout=timeout,
        concurrency=concurrency,
    )


def store() -> ObjectStore:
    """Return the store of the settings, the same one throughout the process."""
    return _object_store(
        settings.MINIO_ENDPOINT,
        settings.MINIO_REGION,
        settings.MINIO_ACCESS_KEY,
        settings.MINIO_SECRET_KEY,
        settings.MINIO_BUCKET,
        settings.STORE_TIMEOUT,
        settings.THREADS,
    )
