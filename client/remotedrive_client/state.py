"""What a later run must know: uploads under way, and the checksums of files read before.

One SQLite file beside the configuration, mode 0600. It holds neither tokens nor URLs.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from remotedrive_client.errors import LocalFileError

KEEP_SECONDS = 8 * 86400
"""By then the service has ended every upload that is not committed."""
AT_ONCE = 64 << 20
"""Bytes from which on what is known of a file is written at once: reading it again takes long."""
TOGETHER = 200
"""Checksums of smaller files that are written together."""

_TABLES = """
CREATE TABLE IF NOT EXISTS uploads (
    path TEXT, target TEXT, size INTEGER, mtime_ns INTEGER, checksum TEXT, idempotency_key TEXT,
    upload_id TEXT, key TEXT, part_size INTEGER, at REAL, PRIMARY KEY (path, target)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS checksums (
    path TEXT PRIMARY KEY, size INTEGER, mtime_ns INTEGER, ctime_ns INTEGER, checksum TEXT
) WITHOUT ROWID;
"""


@dataclass(frozen=True)
class Pending:
    """An upload that was begun, or was about to be: `upload_id` and `key` are empty until then."""

    path: str
    target: str
    """Names the service and the place in the drive that the file goes to."""
    size: int
    mtime_ns: int
    checksum: str
    idempotency_key: str
    upload_id: str = ""
    key: str = ""
    part_size: int = 0
    """Bytes; 0 unless the upload is multipart."""


class State:
    """May be used by several threads and processes at once. Without a file it is kept in memory.

    All methods raise `LocalFileError` when the file cannot be used.
    """

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self._lock = threading.Lock()
        self._unsaved: list[tuple[str, int, int, int, str]] = []
        try:
            if file is not None:
                file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                os.close(os.open(file, os.O_CREAT | os.O_RDWR, 0o600))
            self._database = sqlite3.connect(
                file or ":memory:", timeout=30, check_same_thread=False
            )
            self._database.execute("PRAGMA journal_mode=WAL")
            # After a kill everything is there; after a power cut, what `keep` made durable.
            self._database.execute("PRAGMA synchronous=NORMAL")
            self._database.executescript(_TABLES)
            with self._database:
                self._database.execute(
                    "DELETE FROM uploads WHERE at < ?", [time.time() - KEEP_SECONDS]
                )
        except (OSError, sqlite3.Error) as error:
            raise self._unusable(error) from None

    def pending(self, path: Path, target: str) -> Pending | None:
        """Return the upload of `path` to `target` that is under way."""
        names = ", ".join(field.name for field in fields(Pending))
        with self._locked():
            row = self._database.execute(
                f"SELECT {names} FROM uploads WHERE path = ? AND target = ?",  # noqa: S608
                [_text(path), target],
            ).fetchone()
        return None if row is None else Pending(*row)

    def upload_ids(self) -> set[str]:
        """Return the ids of all uploads that are under way, of any file."""
        with self._locked():
            rows = self._database.execute("SELECT upload_id FROM uploads").fetchall()
        return {row[0] for row in rows}

    def keep(self, uploads: Sequence[Pending]) -> None:
        """Insert or replace, in one transaction; that of a large upload survives a power cut.

        A small one that is lost is sent again, which costs less than to flush the disk for each.
        """
        marks = ", ".join("?" * (len(fields(Pending)) + 1))
        large = any(upload.size >= AT_ONCE for upload in uploads)
        with self._locked():
            self._database.execute(f"PRAGMA synchronous={'FULL' if large else 'NORMAL'}")
            with self._database:
                self._save_checksums()
                self._database.executemany(
                    f"INSERT OR REPLACE INTO uploads VALUES ({marks})",  # noqa: S608
                    [(*astuple(upload), time.time()) for upload in uploads],
                )

    def forget(self, uploads: Iterable[Pending]) -> None:
        """Delete those that are still the same uploads."""
        with self._locked(), self._database:
            self._database.executemany(
                "DELETE FROM uploads WHERE path = ? AND target = ? AND idempotency_key = ?",
                [(upload.path, upload.target, upload.idempotency_key) for upload in uploads],
            )

    def checksum(self, path: Path, size: int, mtime_ns: int, ctime_ns: int) -> str | None:
        """Return the checksum that a file in this state had."""
        with self._locked():
            row = self._database.execute(
                "SELECT checksum FROM checksums"
                " WHERE path = ? AND size = ? AND mtime_ns = ? AND ctime_ns = ?",
                [_text(path), size, mtime_ns, ctime_ns],
            ).fetchone()
        return None if row is None else str(row[0])

    def keep_checksum(
        self, path: Path, size: int, mtime_ns: int, ctime_ns: int, checksum: str
    ) -> None:
        """Remember the checksum of a file in this state; written at the latest by `close`."""
        with self._locked(), self._database:
            self._unsaved.append((_text(path), size, mtime_ns, ctime_ns, checksum))
            if size >= AT_ONCE or len(self._unsaved) >= TOGETHER:
                self._save_checksums()

    def close(self) -> None:
        """Close the file."""
        with self._locked():
            try:
                with self._database:
                    self._save_checksums()
            finally:
                self._database.close()

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Hold the database for this thread."""
        with self._lock:
            try:
                yield
            except sqlite3.Error as error:
                raise self._unusable(error) from None

    def _unusable(self, error: Exception) -> LocalFileError:
        return LocalFileError(f"{self._file or 'The state'} cannot be used: {error}.")

    def _save_checksums(self) -> None:
        self._database.executemany(
            "INSERT OR REPLACE INTO checksums VALUES (?, ?, ?, ?, ?)", self._unsaved
        )
        self._unsaved.clear()


def _text(path: Path) -> str:
    """Return a path as SQLite takes it, also when it is no valid text."""
    return os.fspath(path).encode("utf-8", "surrogateescape").decode("utf-8", "replace")
