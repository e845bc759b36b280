"""The files in which several worker processes count together, by prometheus_client's multiprocess
mode ("Multiprocess Mode" of its documentation), and by which they take turns at their log.

The process that starts the workers makes a folder, anew at each start. Each worker takes the lowest
number that no living one has, and the files of that number with the counts in them: so a worker
that died loses nothing, and there are never more files than workers that ran at the same moment.
A lock that ends with its process says who lives. On Windows there is none, and each worker counts
for itself. Where no folder can be made, or a worker cannot make its files, that worker does not say
what it counts: from one question to the next the numbers would seem to fall.
"""

from __future__ import annotations

import logging
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import IO

from prometheus_client.multiprocess import mark_process_dead

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

VARIABLE = "REMOTEDRIVE_WORKERS_FOLDER"
"""The environment variable by which workers know the folder; empty where none could be made."""
_LIBRARYS_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
"""The one by which the library knows it. From outside it means nothing here."""
_PREFIX = "remotedrive-metrics-"
_ABANDONED_SECONDS = 60
"""A folder this old that nobody holds was left by a process that was killed."""
_BYTES = {"counter": 256 << 10, "histogram": 1 << 20, "gauge_livesum": 64 << 10}
"""Bytes of each kind of file, more than its metrics fill. They are written at once: where the disk
is full that is an error here, and not a signal that ends a worker when a count reaches a page."""

_logger = logging.getLogger(__name__)
_held: list[IO[bytes]] = []
"""The locks of this process, which end with it."""


@contextmanager
def shared_folder() -> Iterator[None]:
    """Let the workers that the block starts count together; the folder goes with the block."""
    if fcntl is None:
        yield
        return
    try:
        folder = _made()
    except OSError as error:
        _logger.error("The workers cannot count together, as no folder can be made: %s", error)
        os.environ[VARIABLE] = ""
        try:
            yield
        finally:
            os.environ.pop(VARIABLE, None)
        return
    # Such a lock also keeps systemd-tmpfiles from removing old files below the folder.
    descriptor = os.open(folder, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    os.environ[VARIABLE] = str(folder)
    try:
        yield
    finally:
        os.environ.pop(VARIABLE, None)
        shutil.rmtree(folder, ignore_errors=True)
        os.close(descriptor)


def is_one_of_several() -> bool:
    """Return whether this process is one of several workers that should count together."""
    return VARIABLE in os.environ and fcntl is not None


def folder() -> Path | None:
    """Return the folder in which this process counts together with others, if there is one."""
    return Path(os.environ[VARIABLE]) if is_one_of_several() and os.environ[VARIABLE] else None


class Turns:
    """Lets one process at a time do something, or several of them what harms none."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "turns"
        self._lock: IO[bytes] | None = None

    @contextmanager
    def take(self, *, alone: bool) -> Iterator[None]:
        """Wait for a turn; it ends with the block. Without the file nobody waits."""
        with suppress(OSError):
            if self._lock is None:
                self._lock = self._path.open("ab")
            fcntl.flock(self._lock, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        try:
            yield
        finally:
            if self._lock is not None:
                fcntl.flock(self._lock, fcntl.LOCK_UN)


def take_number(folder: Path) -> str:
    """Take, for as long as this process lives, the number of its files in `folder`.

    Tells the library where they are. Raises OSError where the folder has no room.
    """
    os.environ[_LIBRARYS_VARIABLE] = str(folder)
    with _only_one(folder):
        for number in count(1):
            lock = (folder / f"{number}.lock").open("ab")
            if _is_free(lock):
                _held.append(lock)
                _forget_gauges(number, folder)
                for kind, size in _BYTES.items():
                    file = folder / f"{kind}_{number}.db"
                    if not file.exists():
                        _write_whole(file, size)
                return str(number)
            lock.close()
    raise AssertionError("unreachable")


def _write_whole(file: Path, size: int) -> None:
    """Make a file of zeros, or none: of one that is too short nobody could read the counts."""
    part = file.with_suffix(".part")
    try:
        part.write_bytes(bytes(size))
        part.replace(file)
    except OSError:
        part.unlink(missing_ok=True)
        raise


def forget_dead(folder: Path) -> None:
    """Remove what says how things are now, like threads that are busy, of workers that died.

    Raises OSError where the folder is gone.
    """
    with _only_one(folder):
        for path in folder.glob("*.lock"):
            with path.open("ab") as lock:
                if _is_free(lock):
                    _forget_gauges(int(path.stem), folder)


def _forget_gauges(number: int, folder: Path) -> None:
    mark_process_dead(number, str(folder))  # type: ignore[no-untyped-call]


def _is_free(lock: IO[bytes]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def _only_one(folder: Path) -> Iterator[None]:
    with (folder / "one").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _made() -> Path:
    _remove_abandoned()
    return Path(tempfile.mkdtemp(prefix=_PREFIX))


def _remove_abandoned() -> None:
    for path in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with suppress(OSError):
            found = path.lstat()
            is_own = stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid()
            if not is_own or time.time() - found.st_mtime < _ABANDONED_SECONDS:
                continue
            descriptor = os.open(path, os.O_RDONLY)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(path, ignore_errors=True)
            finally:
                os.close(descriptor)
