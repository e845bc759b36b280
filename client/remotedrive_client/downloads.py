"""Downloads: resumed by Range, checked by SHA-256 before they get their names.

A download is written to `NAME.<digits of the checksum>.part` beside its place, so that a later run
goes on with bytes of the same content only.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from remotedrive_client import local
from remotedrive_client.errors import (
    ChecksumError,
    DriveError,
    LocalFileError,
    StoreRefusedError,
    TargetExistsError,
)
from remotedrive_client.local import PART_DIGITS, PART_SUFFIX, READ, Snapshot
from remotedrive_client.models import Download, Version, parse
from remotedrive_client.progress import Progress, Transfer
from remotedrive_client.results import Downloaded, Failed
from remotedrive_client.retries import Retries, Stop
from remotedrive_client.service import Service
from remotedrive_client.state import State
from remotedrive_client.store import ObjectStore, Received, TransientError, UrlRefusedError

REFUSALS = 3
"""Fresh URLs that the store may refuse in a row until it is taken to mean it."""
_NAME_MAX = 255
"""Bytes of a name in the file systems in use."""


@dataclass(frozen=True)
class Wanted:
    """A version of a file in the drive, and the local path that it gets."""

    file_id: str
    path: Path
    size: int
    checksum: str
    version: int


class Downloader:
    """Downloads files for one person."""

    def __init__(
        self,
        service: Service,
        store: ObjectStore,
        state: State,
        stop: Stop,
        *,
        jobs: int,
        force: bool,
        progress: Progress,
    ) -> None:
        self._service = service
        self._store = store
        self._state = state
        self._stop = stop
        self._jobs = jobs
        self._force = force
        self._progress = progress

    def run(self, wanted: Sequence[Wanted]) -> list[Downloaded | Failed]:
        """Download all; one that fails does not stop the others. Their order is not kept."""
        self._progress.expect(sum(each.size for each in wanted))
        pool = ThreadPoolExecutor(self._jobs, thread_name_prefix="get")
        try:
            futures = [pool.submit(self._try, each) for each in wanted]
            return [future.result() for future in as_completed(futures)]
        except BaseException:
            self._stop.set()
            raise
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def _try(self, wanted: Wanted) -> Downloaded | Failed:
        self._stop.check()
        try:
            return self._download(wanted)
        except DriveError as error:
            self._stop.check()
            return Failed(wanted.path, error)
        except OSError as error:
            reason = LocalFileError(f"{wanted.path} cannot be written: {error.strerror}.")
            return Failed(wanted.path, reason)

    def _download(self, wanted: Wanted) -> Downloaded:
        """Raises `TargetExistsError`, `ChecksumError`, `LocalFileError`, and what stops a call."""
        unchanged = self._is_there(wanted)
        if unchanged:
            self._progress.expect(-wanted.size)
        else:
            wanted.path.parent.mkdir(parents=True, exist_ok=True)
            # What an earlier run has left may be damaged; then all is read again.
            if not self._fetch(wanted) and not self._fetch(wanted):
                raise ChecksumError(
                    f"{wanted.path}: the bytes do not have the checksum of version "
                    f"{wanted.version}; nothing was kept."
                )
        return Downloaded(
            path=wanted.path,
            outcome="unchanged" if unchanged else "created",
            file_id=wanted.file_id,
            version=wanted.version,
            size=wanted.size,
            checksum=wanted.checksum,
        )

    def _is_there(self, wanted: Wanted) -> bool:
        """Return whether the file has these bytes already.

        Raises `TargetExistsError` when it has others, and must not be replaced.
        """
        if not os.path.lexists(wanted.path):
            return False
        if wanted.path.is_file():
            snapshot = Snapshot.of(wanted.path)
            if snapshot.size == wanted.size:
                known = local.checksum(snapshot, self._state, self._stop)
                if known == wanted.checksum:
                    return True
        if not self._force or wanted.path.is_dir():
            raise TargetExistsError(wanted.path)
        return False

    def _fetch(self, wanted: Wanted) -> bool:
        """Return whether the file is there now; nothing is left of one that is damaged."""
        part = part_path(wanted)
        with _open_part(part) as file:
            digest = hashlib.sha256()
            done = _hash_start(file, digest.update, wanted.size)
            transfer = self._progress.begin(wanted.path.name, wanted.size, done)
            try:
                complete = self._receive(wanted, file, digest.update, done, transfer)
            finally:
                transfer.end()
            if not complete or f"sha256:{digest.hexdigest()}" != wanted.checksum:
                part.unlink()
                return False
            file.flush()
            os.fsync(file.fileno())
        self._name(wanted, part)
        return True

    def _receive(
        self,
        wanted: Wanted,
        file: BinaryIO,
        update: Callable[[bytes], None],
        done: int,
        transfer: Transfer,
    ) -> bool:
        """Append what is missing; return whether the object has the size that it should have."""
        retries, refusals = Retries(self._stop), 0
        url, etag = None, None
        while done < wanted.size:
            url = url or self._url(wanted)
            try:
                with self._store.get(url, start=done, etag=etag) as received:
                    refusals, etag = 0, received.etag
                    if received.whole != wanted.size:
                        return False
                    for chunk in _from(received, done):
                        file.write(chunk)
                        update(chunk)
                        done += len(chunk)
                        transfer.advance(len(chunk))
                        retries.succeeded()
                    if done < wanted.size:
                        raise TransientError("the connection broke")
            except UrlRefusedError:
                url, refusals = None, refusals + 1
                if refusals > REFUSALS:
                    raise StoreRefusedError(
                        "The store refused a URL that was just signed."
                    ) from None
            except TransientError as error:
                retries.wait(error.final(), error.retry_after)
        return done == wanted.size

    def _url(self, wanted: Wanted) -> str:
        path = f"/files/{wanted.file_id}/versions/{wanted.version}/download"
        return parse(Download, self._service.call("GET", path)).presigned_get_url

    def _name(self, wanted: Wanted, part: Path) -> None:
        """Give the finished file its time and its name."""
        path = f"/files/{wanted.file_id}/versions/{wanted.version}"
        seconds = parse(Version, self._service.call("GET", path)).created_at.timestamp()
        os.utime(part, (seconds, seconds))
        if self._force:
            os.replace(part, wanted.path)
            return
        try:
            # Unlike a rename, this never replaces what has come since.
            os.link(part, wanted.path)
        except FileExistsError:
            raise TargetExistsError(wanted.path) from None
        except OSError:
            # A file system without hard links.
            if os.path.lexists(wanted.path):
                raise TargetExistsError(wanted.path) from None
            os.replace(part, wanted.path)
            return
        part.unlink()


def part_path(wanted: Wanted) -> Path:
    """Return where a download is written until it is whole."""
    suffix = f".{wanted.checksum.removeprefix('sha256:')[:PART_DIGITS]}{PART_SUFFIX}"
    name = os.fsencode(wanted.path.name)[: _NAME_MAX - len(suffix)].decode(errors="ignore")
    return wanted.path.with_name(name + suffix)


def _open_part(part: Path) -> BinaryIO:
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)
    return os.fdopen(os.open(part, flags, 0o666), "r+b")


def _hash_start(file: BinaryIO, update: Callable[[bytes], None], size: int) -> int:
    """Hash what an earlier run has left, and return how many bytes that are."""
    done = os.fstat(file.fileno()).st_size
    if done > size:
        file.truncate(0)
        return 0
    while chunk := file.read(READ):
        update(chunk)
    file.seek(done)
    return done


def _from(received: Received, start: int) -> Iterator[bytes]:
    """Yield the bytes from `start` on, also of a store that begins before."""
    skip = start - received.start
    if skip < 0:
        raise TransientError("it answered another range")
    for chunk in received.chunks:
        yield chunk[skip:]
        skip = max(0, skip - len(chunk))
