"""Local files: what identifies one state of a file, its SHA-256, and its bytes while unchanged."""

from __future__ import annotations

import hashlib
import os
import re
import stat
import time
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from remotedrive_client.errors import FileChangedError, LocalFileError
from remotedrive_client.retries import Stop
from remotedrive_client.state import State
from remotedrive_client.store import CHUNK

READ = 1 << 20
SETTLED_NS = 2_000_000_000
"""A file changed less long ago may change again within the same tick of its modification time."""
PART_DIGITS = 16
PART_SUFFIX = ".part"
_PARTIAL = re.compile(rf"\.[0-9a-f]{{{PART_DIGITS}}}{re.escape(PART_SUFFIX)}\Z")
"""The end of the name of an unfinished download; other names in `.part` are people's own."""

Advance = Callable[[int], None]
"""Called with the number of bytes that went forward."""


@dataclass(frozen=True)
class Snapshot:
    """One state of a file. Whoever writes to it makes another, by its times if not its size."""

    path: Path
    size: int
    mtime_ns: int
    ctime_ns: int
    device: int
    inode: int

    @classmethod
    def of(cls, path: Path) -> Snapshot:
        """Raises `LocalFileError` when there is no such file, or it is not a regular one."""
        try:
            return cls._of(path, path.stat())
        except OSError as error:
            raise LocalFileError(f"{path} cannot be read: {error.strerror}.") from None

    @classmethod
    def _of(cls, path: Path, found: os.stat_result) -> Snapshot:
        if not stat.S_ISREG(found.st_mode):
            # To read a FIFO or a device may never end.
            raise LocalFileError(f"{path} is not a regular file.")
        times = (found.st_mtime_ns, found.st_ctime_ns)
        return cls(path, found.st_size, *times, found.st_dev, found.st_ino)

    def require_unchanged(self, file: BinaryIO) -> None:
        """Raise `FileChangedError` unless the open `file` is in this state."""
        if Snapshot._of(self.path, os.fstat(file.fileno())) != self:
            raise FileChangedError(self.path)

    def open(self) -> BinaryIO:
        """Open it. Raises `FileChangedError`, `LocalFileError`."""
        try:
            file = self.path.open("rb", buffering=0)
        except OSError as error:
            raise LocalFileError(f"{self.path} cannot be read: {error.strerror}.") from None
        try:
            self.require_unchanged(file)
        except LocalFileError:
            file.close()
            raise
        return file

    def read(self, start: int, size: int) -> Iterator[bytes]:
        """Yield these bytes. Raises `FileChangedError` at the end, too."""
        with self.open() as file:
            file.seek(start)
            left = size
            while left:
                chunk = file.read(min(CHUNK, left))
                if not chunk:
                    raise FileChangedError(self.path)
                left -= len(chunk)
                if not left:
                    # Before the last bytes leave: without them nothing is stored.
                    self.require_unchanged(file)
                yield chunk


def checksum(
    snapshot: Snapshot, state: State, stop: Stop, advance: Advance = lambda count: None
) -> str:
    """Return the SHA-256, from `state` if the file was read before and is the same since."""
    known = state.checksum(snapshot.path, snapshot.size, snapshot.mtime_ns, snapshot.ctime_ns)
    if known is not None:
        advance(snapshot.size)
        return known
    digest, read = hashlib.sha256(), 0
    buffer = memoryview(bytearray(READ))
    with snapshot.open() as file:
        while count := _read(file, buffer, snapshot.path):
            stop.check()
            digest.update(buffer[:count])
            read += count
            advance(count)
        snapshot.require_unchanged(file)
    if read != snapshot.size:
        raise FileChangedError(snapshot.path)
    value = f"sha256:{digest.hexdigest()}"
    if time.time_ns() - snapshot.mtime_ns > SETTLED_NS:
        times = (snapshot.mtime_ns, snapshot.ctime_ns)
        state.keep_checksum(snapshot.path, snapshot.size, *times, value)
    return value


def walk(folder: Path) -> Iterator[tuple[tuple[str, ...], Path]]:
    """Yield the files below `folder`, each with the names that lead to it, in order of names.

    Symbolic links to folders are not followed, and files that a download has not finished are left
    out. Raises `LocalFileError`.
    """
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        raise LocalFileError(f"{folder} cannot be read: {error.strerror}.") from None
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            for names, path in walk(Path(entry.path)):
                yield (normalized(entry.name), *names), path
        elif entry.is_file() and not _PARTIAL.search(entry.name):
            yield (normalized(entry.name),), Path(entry.path)


def normalized(name: str) -> str:
    """Return `name` as the drive keeps it: in Unicode NFC."""
    return unicodedata.normalize("NFC", name)


def _read(file: BinaryIO, buffer: memoryview, path: Path) -> int:
    try:
        return file.readinto(buffer) or 0  # type: ignore[attr-defined]
    except OSError as error:
        raise LocalFileError(f"{path} cannot be read: {error.strerror}.") from None
