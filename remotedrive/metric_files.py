"""The files in which several worker processes count together, by prometheus_client's multiprocess
mode ("Multiprocess Mode" of its documentation).

The process that starts the workers makes a folder, anew at each start. Each worker takes the lowest
number that no living one has, and the files of that number with the counts in them: so a worker
that died loses nothing, and there are never more files than workers that ran at the same moment.
A lock that ends with its process says who lives. On Windows there is none, and each worker counts
for itself.
"""

from __future__ import annotations

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

VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
"""The environment variable by which workers, and the library, know the folder."""
_PREFIX = "remotedrive-metrics-"
_ABANDONED_SECONDS = 60
"""A folder this old that nobody holds was left by a process that was killed."""
_BYTES = {"counter": 256 << 10, "histogram": 1 << 20, "gauge_livesum": 64 << 10}
"""Bytes of each kind of file, more than its metrics fill. They are written at once: where the disk
is full that is an error here, and not a signal that ends a worker when a count reaches a page."""

_held: list[IO[bytes]] = []
"""The locks of this process, which end with it."""


@contextmanager
def shared_folder() -> Iterator[None]:
    """Let the workers that the block starts count together; the folder goes with the block."""
    if fcntl is None:
        yield
        return
    _remove_abandoned()
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
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


def folder() -> Path | None:
    """Return the folder in which this process counts together with others, if it does."""
    found = os.environ.get(VARIABLE)
    return Path(found) if found and fcntl is not None else None


def take_number(folder: Path) -> str:
    """Take, for as long as this process lives, the number of its files in `folder`.

    Raises OSError where the folder has no room.
    """
    with _only_one(folder):
        for number in count(1):
            lock = (folder / f"{number}.lock").open("ab")
            if _is_free(lock):
                _held.append(lock)
                _forget_gauges(number, folder)
                for kind, size in _BYTES.items():
                    file = folder / f"{kind}_{number}.db"
                    if not file.exists():
                        file.write_bytes(bytes(size))
                return str(number)
            lock.close()
    raise AssertionError("unreachable")


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
