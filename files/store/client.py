"""Calls to the store by the minio SDK, and HEAD without it, in S3's own terms.

A missing object is returned as None. Every other failure raises StoreUnavailableError within the
timeout, except ObjectUnreadableError, PartsChangedError, LocalReadError, LocalWriteError and
ContentMismatchError, which name their cause. What a client can cause, by what it sends to the store
or when, does not count as a failure of the store.

No call may be made inside a database transaction. The SDK's multipart calls begin with an
underscore; its version is pinned, and tests hold them.
"""

from __future__ import annotations

import functools
import hashlib
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import IO, Any, BinaryIO, cast

from django.conf import settings
from minio import Minio
from minio.commonconfig import ENABLED
from minio.datatypes import Part
from minio.error import S3Error

from files import checksums
from files.exceptions import ObjectUnreadableError, StoreUnavailableError
from files.store import sdk, transport
from files.store.breaker import OPEN_SECONDS, StoreBreaker
from files.store.config import StoreConfig
from files.store.head import HeadObject
from files.store.results import (
    BucketState,
    MalformedResponseError,
    ObjectVersion,
    ReceivedPart,
    is_not_there,
    is_refusal,
    length,
    reason,
    received_part,
)
from remotedrive import metrics, request_notes

__all__ = [
    "BucketState",
    "ContentMismatchError",
    "LocalReadError",
    "LocalWriteError",
    "ObjectStore",
    "ObjectVersion",
    "PartsChangedError",
    "ReceivedPart",
    "object_store",
]

logger = logging.getLogger(__name__)

_CHUNK = 1 << 20
_PARTS_REFUSED = frozenset({"InvalidPart", "InvalidPartOrder", "EntityTooSmall", "EntityTooLarge"})
_PARTS_OF_A_PAGE = 10_000
"""All there can be: MinIO reads all of them for each page. Other stores give 1,000 at a time."""


class LocalWriteError(OSError):
    """The local file could not be written; the cause says why."""


class LocalReadError(OSError):
    """The local file could not be read; the cause says why."""


class ContentMismatchError(Exception):
    """The local file does not match the declared size or SHA-256."""


class PartsChangedError(Exception):
    """Parts of a multipart upload were sent again, or are of a size that the store refuses."""


class _RefusedError(Exception):
    """The store answered, and refuses what was asked of this object or upload."""


class ObjectStore:
    """One bucket of a store, for many threads. Each call ends within `timeout` seconds.

    `concurrency` is the number of threads that may call; some of them are always left free.
    """

    def __init__(self, config: StoreConfig, *, concurrency: int) -> None:
        slots = max(1, concurrency - max(2, concurrency // 4))
        self._bucket = config.bucket
        self._timeout = config.timeout
        self._breaker = StoreBreaker(slots)
        http = transport.pool(secure=config.secure, connections=slots)
        self._client = sdk.client_on(http, config)
        self._head = HeadObject(config, http)

    def shared_deadline(self) -> AbstractContextManager[None]:
        """All calls inside this context end within one `timeout` together."""
        return transport.deadline(self._timeout)

    def head(self, key: str, *, version_id: str | None = None) -> ObjectVersion | None:
        """Return the newest version of `key`, or the one named; None if it is not there.

        S3 HeadObject. A newest version that is a delete marker is not there either. An object
        that needs headers of its own to be read, as with SSE-C, raises `ObjectUnreadableError`.
        """
        with self._call("head"):
            try:
                return self._head(key, version_id)
            except S3Error as error:
                if is_not_there(error):
                    return None
                self._refuse_unreadable(error)
                raise

    def sha256(
        self,
        key: str,
        *,
        version_id: str,
        progress: Callable[[int], object] | None = None,
        per_read_timeout_only: bool = False,
    ) -> str | None:
        """Read that very version, in bounded memory, and return `sha256:<hex>`; None if it is gone.

        `progress` is called with the number of bytes of each piece. `per_read_timeout_only` bounds
        each wait by the timeout instead of the whole call. S3 GetObject.
        """
        with self._call("sha256", per_read_timeout_only=per_read_timeout_only):
            return self._read(key, version_id, lambda piece: None, progress)

    def copy(
        self,
        key: str,
        *,
        version_id: str,
        into: IO[bytes],
        progress: Callable[[int], object] | None = None,
    ) -> str | None:
        """Write that very version `into` a file, else as `sha256` with `per_read_timeout_only`.

        Raises `LocalWriteError` where the file does not take it.
        """
        with self._call("copy", per_read_timeout_only=True):
            return self._read(key, version_id, functools.partial(_write, into), progress)

    def put(
        self, key: str, data: BinaryIO, *, size: int, checksum: str, part_size: int
    ) -> ObjectVersion:
        """Store `size` bytes of that `checksum` as a new version; return it as HEAD describes it.

        More than `part_size` bytes go in parts, with memory for two of them; others in one PUT
        with their `checksum`, which the store checks, too. Only each wait for the store is bounded
        by the timeout. Raises `LocalReadError` where `data` cannot be read, `ContentMismatchError`
        where they are others; then there is no new version. S3 PutObject, CreateMultipartUpload.
        """
        bound: dict[str, Any] = {
            "x-amz-checksum-algorithm": "SHA256",
            "x-amz-checksum-sha256": checksums.to_base64(checksum),
        }
        with self._call("put", per_read_timeout_only=True):
            done = self._client.put_object(
                self._bucket,
                key,
                cast(BinaryIO, _VerifyingReader(data, size=size, checksum=checksum)),
                size,
                metadata=bound if size <= part_size else None,
                part_size=part_size,
                # The limits of time are those of this thread.
                num_parallel_uploads=1,
            )
            # After a multipart upload not every store names the version; the ETag tells it then.
            found = self._head(key, done.version_id)
            if (found.size, found.etag) != (size, (done.etag or "").strip('"')):
                raise MalformedResponseError("not the object that was put")
            return found

    def create_multipart(self, key: str) -> str:
        """Begin a multipart upload and return its id. S3 CreateMultipartUpload.

        No checksum algorithm is declared: MinIO would then refuse parts without one.
        """
        with self._call("create_multipart"):
            upload_id = self._client._create_multipart_upload(self._bucket, key, {})
            if not upload_id:
                raise MalformedResponseError("no upload id")
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
                    raise MalformedResponseError("not a list of this upload's parts")
                parts += [received_part(part) for part in page.parts]
                if not page.is_truncated:
                    return parts
                next_marker = int(page.next_part_number_marker or 0)
                if next_marker <= marker:
                    raise MalformedResponseError("a list of parts without an end")
                marker = next_marker

    def complete_multipart(
        self, key: str, *, upload_id: str, parts: Sequence[ReceivedPart]
    ) -> bool:
        """Make the object of `parts`, in their order. S3 CompleteMultipartUpload.

        False where the store knows no such upload: it was completed before, or aborted. Raises
        `PartsChangedError` where it does not have these parts.
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
                if error.code in _PARTS_REFUSED:
                    raise PartsChangedError from error
                raise
            if not result.etag:
                # S3 may respond 200 and then put an error into the body, which the SDK drops.
                raise _RefusedError("an error after 200")
            if result.object_name != key:
                raise MalformedResponseError("not the result of a completion")
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

    @contextmanager
    def sdk_call(self, what: str) -> Iterator[tuple[Minio, str]]:
        """Run the block as one call, with the SDK's client and the bucket: for `deletion.py`."""
        with self._call(what):
            yield self._client, self._bucket

    def _read(
        self,
        key: str,
        version_id: str,
        write: Callable[[bytes], object],
        progress: Callable[[int], object] | None,
    ) -> str | None:
        try:
            response = self._client.get_object(self._bucket, key, version_id=version_id)
        except S3Error as error:
            if is_not_there(error):
                return None
            self._refuse_unreadable(error)
            raise
        try:
            if response.headers.get("x-amz-version-id") != version_id:
                raise MalformedResponseError("another version")
            left = length(response.headers)
            digest = hashlib.sha256()
            while piece := response.read(_CHUNK, decode_content=False):
                digest.update(piece)
                write(piece)
                left -= len(piece)
                if progress is not None:
                    progress(len(piece))
            if left:
                raise MalformedResponseError("not of the length announced")
        finally:
            response.close()
        return checksums.from_digest(digest.digest())

    def _refuse_unreadable(self, error: S3Error) -> None:
        """Raise ObjectUnreadable where a 400 is about the object: the bucket itself answers."""
        if error.response.status == 400:
            self._client.get_bucket_versioning(self._bucket)
            raise ObjectUnreadableError from error

    @contextmanager
    def _call(self, what: str, *, per_read_timeout_only: bool = False) -> Iterator[None]:
        """Bound the block in time, ask the breaker, raise StoreUnavailableError for what fails."""
        bounds = transport.read_timeout if per_read_timeout_only else transport.deadline
        began, result = time.perf_counter(), metrics.NOT_ASKED
        try:
            with (
                bounds(self._timeout),
                self._breaker.call(seconds_left=transport.seconds_left()),
            ):
                try:
                    result = "failed"
                    yield
                    result = "ok"
                except (
                    ObjectUnreadableError,
                    PartsChangedError,
                    LocalReadError,
                    LocalWriteError,
                    ContentMismatchError,
                    _RefusedError,
                ):
                    result = "ok"
                    raise
                except Exception as error:
                    if isinstance(error, S3Error) and is_refusal(error):
                        raise _RefusedError from error
                    # Any error: the SDK lets those of ssl, http.client, XML and int() through.
                    raise StoreUnavailableError(
                        "The object store did not answer as it should.", retry_after=OPEN_SECONDS
                    ) from error
        except _RefusedError as error:
            result = "refused"
            logger.warning("store: %s: refused: %s", what, reason(error.__cause__) or error)
            raise StoreUnavailableError("The object store refused the call.") from error
        except StoreUnavailableError as error:
            logger.warning("store: %s: %s", what, reason(error.__cause__) or error.detail)
            raise
        finally:
            seconds = time.perf_counter() - began
            request_notes.add_store(seconds)
            metrics.store_call_ended(operation=what, result=result, seconds=seconds)


def _write(file: IO[bytes], piece: bytes) -> None:
    try:
        file.write(piece)
    except OSError as error:
        raise LocalWriteError(*error.args) from error


class _VerifyingReader:
    """Withholds the last chunk until the SHA-256 of the whole file matches.

    So a wrong file never becomes an object, and the file is read once.
    """

    def __init__(self, file: BinaryIO, *, size: int, checksum: str) -> None:
        self._file = file
        self._left = size
        self._checksum = checksum
        self._digest = hashlib.sha256()

    def read(self, size: int) -> bytes:
        try:
            piece = self._file.read(size)
        except OSError as error:
            raise LocalReadError(*error.args) from error
        self._digest.update(piece)
        self._left -= len(piece)
        if self._left and piece:
            return piece
        if self._left or checksums.from_digest(self._digest.digest()) != self._checksum:
            raise ContentMismatchError
        return piece


@functools.cache
def _object_store(config: StoreConfig, concurrency: int) -> ObjectStore:
    return ObjectStore(config, concurrency=concurrency)


def object_store() -> ObjectStore:
    """Return the store of the settings, the same one throughout the process."""
    return _object_store(StoreConfig.from_settings(), settings.THREADS)
