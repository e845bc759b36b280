"""Reads files ahead of their transfer, in a thread of its own, and computes their SHA-256."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from remotedrive_client import local
from remotedrive_client.announcing import Announcer, Item, Source, in_parts
from remotedrive_client.errors import DriveError, StoppedError
from remotedrive_client.local import Snapshot
from remotedrive_client.progress import Progress, Silent
from remotedrive_client.results import Failed
from remotedrive_client.retries import Stop
from remotedrive_client.state import State

AHEAD_BYTES = 512 << 20
"""Files that were read and are not in the drive yet; more would let their URLs expire."""
AHEAD_FILES = 500


class Reader:
    """Puts an `Item` for each source, or why there is none, where `put` says.

    An exception that is no `DriveError` is put there, too, and ends the reading.
    At least `least` files are read ahead, however large. Each item is to be given to `leave` once.
    """

    def __init__(
        self,
        announcer: Announcer,
        state: State,
        stop: Stop,
        put: Callable[[Item | Failed | Exception], None],
        progress: Progress,
    ) -> None:
        self._announcer = announcer
        self._state = state
        self._stop = stop
        self._put = put
        self._progress = progress
        self._files = self._bytes = 0
        self._left = threading.Condition()

    def start(self, sources: Sequence[Source], *, least: int) -> None:
        """Begin to read, in this order."""
        threading.Thread(
            target=self._read_all, args=[sources, least], name="read", daemon=True
        ).start()

    def leave(self, size: int) -> None:
        """Let the thread go on: a file of this size is done with."""
        with self._left:
            self._files -= 1
            self._bytes -= size
            self._left.notify_all()

    def _read_all(self, sources: Sequence[Source], least: int) -> None:
        for source in sources:
            try:
                self._put(self._read(source, least))
            except StoppedError:
                return
            except DriveError as error:
                self._put(Failed(source.path, error))
            except Exception as error:
                self._put(error)
                return

    def _read(self, source: Source, least: int) -> Item:
        snapshot = Snapshot.of(source.path)
        self._enter(snapshot.size, least)
        watched = in_parts(snapshot.size)
        reading = (self._progress if watched else Silent()).reading(source.name, snapshot.size)
        try:
            checksum = local.checksum(snapshot, self._state, self._stop, reading.advance)
        except DriveError:
            self.leave(snapshot.size)
            raise
        finally:
            reading.end()
        return self._announcer.plan(source, snapshot, checksum)

    def _enter(self, size: int, least: int) -> None:
        with self._left:
            while self._files >= least and (
                self._files >= AHEAD_FILES or self._bytes + size > AHEAD_BYTES
            ):
                self._left.wait(0.2)
                self._stop.check()
            self._files += 1
            self._bytes += size
