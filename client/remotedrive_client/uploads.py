"""Many uploads at once: read ahead, begun and committed in batches, sent by several threads.

A thread reads files and computes their SHA-256 ahead of the transfer. This one begins those that
are read, as soon as the `jobs` threads that send would run out of work, and commits what was sent:
many in one request, or one alone. Files that go in parts come last.
"""

from __future__ import annotations

import contextlib
import queue
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from typing import Any, TypeGuard

from remotedrive_client.announcing import BATCH, ENDED, Announcer, Item, Source, in_parts
from remotedrive_client.errors import DriveError, FileChangedError, ProblemError, StoppedError
from remotedrive_client.local import Snapshot
from remotedrive_client.multipart import PartSender, size_of
from remotedrive_client.progress import Progress
from remotedrive_client.reading import Reader
from remotedrive_client.results import Failed, Outcome, Uploaded
from remotedrive_client.retries import Retries, Stop
from remotedrive_client.sending import Piece, SignedUrl, send
from remotedrive_client.service import Service
from remotedrive_client.state import State
from remotedrive_client.store import ObjectStore

TOGETHER = 32
"""Files that are committed in one request, unless `AT_LEAST_EVERY` seconds have passed."""
AT_LEAST_EVERY = 1.0
ENOUGH_BYTES = 32 << 20
"""While so much is begun and not sent, and four files for each thread, others wait for each other:
begun in one request, they cost the service a fraction."""
SENT_AT_MOST = 3
"""How often bytes are sent that the service does not find in the store."""

Result = Uploaded | Failed


@dataclass(frozen=True)
class _Sent:
    item: Item
    error: Exception | None = None


_Message = Item | Failed | _Sent | Exception
"""An exception ends the run: a thread met what it does not expect."""


class Uploader:
    """Uploads files for one person. `run` may be called once."""

    def __init__(
        self,
        service: Service,
        store: ObjectStore,
        state: State,
        stop: Stop,
        *,
        jobs: int,
        part_jobs: int,
        progress: Progress,
    ) -> None:
        self._announcer = Announcer(service, state)
        self._store = store
        self._stop = stop
        self._jobs = jobs
        self._part_jobs = part_jobs
        self._progress = progress
        self._parts = PartSender(self._announcer, store, stop, jobs=part_jobs)
        self._inbox: queue.SimpleQueue[_Message] = queue.SimpleQueue()
        self._reader = Reader(self._announcer, state, stop, self._inbox.put, progress)
        self._results: list[Result] = []
        self._pool = ThreadPoolExecutor(jobs, thread_name_prefix="put")
        self._begun_files = self._begun_bytes = 0
        """Given to the pool, and not sent yet."""

    def run(self, sources: Iterable[Source]) -> list[Result]:
        """Upload all; one that fails does not stop the others. Their order is not kept."""
        small, large = self._by_size(sources)
        try:
            self._run_small(small)
            self._run_large(large)
        except BaseException:
            self._stop.set()
            raise
        finally:
            self._pool.shutdown(wait=False, cancel_futures=True)
        return self._results

    def _by_size(self, sources: Iterable[Source]) -> tuple[list[Source], list[Source]]:
        small: list[Source] = []
        large: list[Source] = []
        for source in sources:
            try:
                size = Snapshot.of(source.path).size
            except DriveError as error:
                self._results.append(Failed(source.path, error))
                continue
            self._progress.expect(size)
            (large if in_parts(size) else small).append(source)
        return small, large

    def _run_small(self, sources: Sequence[Source]) -> None:
        self._reader.start(sources, least=2 * self._jobs)
        end = len(self._results) + len(sources)
        begin: list[Item] = []
        sent: list[Item] = []
        committed_at = time.monotonic()
        while len(self._results) < end:
            for message in self._messages():
                match message:
                    case Failed():
                        self._results.append(message)
                    case Item() as item:
                        self._take(item, begin, sent)
                    case _Sent(item, error):
                        self._begun_files -= 1
                        self._begun_bytes -= item.snapshot.size
                        if error is None:
                            sent.append(item)
                        elif not self._restart(item, error, begin):
                            self._end_failed(item, error)
                    case Exception():
                        raise message
            if self._begun_files < 4 * self._jobs or self._begun_bytes < ENOUGH_BYTES:
                self._begin(begin)
                begin = []
            if (
                len(sent) >= TOGETHER
                or len(self._results) + len(sent) == end
                or time.monotonic() - committed_at >= AT_LEAST_EVERY
            ):
                self._commit(sent)
                sent, committed_at = [], time.monotonic()

    def _run_large(self, sources: Sequence[Source]) -> None:
        self._reader.start(sources, least=2)
        pool = ThreadPoolExecutor(max(1, self._jobs // self._part_jobs))
        try:
            sending = []
            for _ in sources:
                match _next(self._inbox):
                    case Item() as item:
                        sending.append(pool.submit(self._upload_large, item))
                    case Failed() as failed:
                        self._results.append(failed)
                    case Exception() as error:
                        raise error
            for future in as_completed(sending):
                future.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def _messages(self) -> list[_Message]:
        """Return what has come; wait a little if that is nothing."""
        messages = []
        with contextlib.suppress(queue.Empty):
            messages.append(self._inbox.get(timeout=AT_LEAST_EVERY))
            while len(messages) < BATCH:
                messages.append(self._inbox.get_nowait())
        return messages

    def _take(self, item: Item, begin: list[Item], commit: list[Item]) -> None:
        """Decide what is next for a file that was read."""
        if self._is_unchanged(item):
            return
        if self._announcer.find(item):
            # An earlier run has begun it; the bytes may be in the store, as the commit will tell.
            commit.append(item)
        else:
            begin.append(item)

    def _is_unchanged(self, item: Item) -> bool:
        existing = item.source.existing
        if existing is None or (existing.size, existing.checksum) != (
            item.snapshot.size,
            item.checksum,
        ):
            return False
        self._progress.expect(-item.snapshot.size)
        self._reader.leave(item.snapshot.size)
        self._results.append(_uploaded(item, existing.id, existing.version, "unchanged"))
        return True

    def _begin(self, items: Sequence[Item]) -> None:
        """Begin uploads, and have their bytes sent."""
        due, retries = list(items), Retries(self._stop)
        while due:
            again: list[tuple[Item, ProblemError]] = []
            fresh: list[Item] = []
            for item, error in zip(due, self._announcer.begin(due), strict=True):
                if error is None:
                    self._have_sent(item)
                elif _can_wait(error):
                    again.append((item, error))
                elif not self._restart(item, error, fresh):
                    self._end_failed(item, error)
            due = fresh + self._after_wait(retries, again)

    def _commit(self, items: Sequence[Item]) -> None:
        """Commit uploads; send again what the store does not have."""
        due, retries = list(items), Retries(self._stop)
        while due:
            again: list[tuple[Item, ProblemError]] = []
            fresh: list[Item] = []
            for item, result in zip(due, self._announcer.commit(due), strict=True):
                if not isinstance(result, DriveError):
                    self._end_committed(item, result)
                elif _can_wait(result):
                    again.append((item, result))
                elif _code(result) == "object-missing" and item.sent < SENT_AT_MOST:
                    self._have_sent(item)
                elif not self._restart(item, result, fresh):
                    self._end_failed(item, result)
            self._begin(fresh)
            due = self._after_wait(retries, again)

    def _after_wait(
        self, retries: Retries, again: Sequence[tuple[Item, ProblemError]]
    ) -> list[Item]:
        """Wait as the problems ask for, then return the items; fail them when patience is over."""
        if not again:
            return []
        try:
            retries.wait(again[0][1], max(error.retry_after or 0.0 for _, error in again))
        except ProblemError:
            for item, error in again:
                self._end_failed(item, error)
            return []
        return [item for item, _ in again]

    def _restart(self, item: Item, error: Exception | None, fresh: list[Item]) -> bool:
        """Plan a new upload when that of an earlier run has ended; once for each file."""
        if _code(error) not in ENDED or item.restarted:
            return False
        item.restarted = True
        self._announcer.renew(item)
        fresh.append(item)
        return True

    def _have_sent(self, item: Item) -> None:
        self._begun_files += 1
        self._begun_bytes += item.snapshot.size
        self._pool.submit(self._send, item)

    def _send(self, item: Item) -> None:
        """Send a file that goes in one PUT. Runs in a thread of the pool."""
        error: Exception | None = None
        item.sent += 1
        try:
            self._send_whole(item)
        except Exception as caught:
            # One that is committed needs no bytes: another process has sent them.
            error = None if _code(caught) == "upload-complete" else caught
        self._inbox.put(_Sent(item, error))

    def _send_whole(self, item: Item) -> None:
        transfer = self._progress.begin(item.source.name, item.snapshot.size)
        try:
            piece = Piece(item.snapshot, 0, item.snapshot.size, self._urls(item))
            send(piece, self._store, self._stop, transfer)
        finally:
            transfer.end()

    def _urls(self, item: Item) -> Callable[[bool], SignedUrl]:
        """Return what gives the URL of a PUT: init-upload's, or one signed since."""
        signed = None
        if item.answer is not None:
            signed = SignedUrl.of(item.answer, item.answer["expires_at"])

        def url(fresh: bool) -> SignedUrl:
            nonlocal signed
            if signed is None or fresh or not signed.is_good:
                answer = self._announcer.urls(item)
                signed = SignedUrl.of(answer, answer["expires_at"])
            return signed

        return url

    def _upload_large(self, item: Item) -> None:
        """Upload a file in parts. Runs in a thread of the pool."""
        try:
            self._try_large(item)
        except Exception as error:
            # The main thread may wait for a message, and the reader for this file to leave.
            self._inbox.put(error)
            raise

    def _try_large(self, item: Item) -> None:
        if self._is_unchanged(item):
            return
        try:
            try:
                self._send_parts(item)
            except ProblemError as error:
                if not self._restart(item, error, []):
                    raise
                self._send_parts(item)
        except DriveError as error:
            self._end_failed(item, error)

    def _send_parts(self, item: Item) -> None:
        found = self._announcer.find(item)
        if not found and (error := self._announcer.begin([item])[0]) is not None:
            raise error
        numbers = self._parts.missing(item) if found else self._parts.planned(item)
        size = item.snapshot.size
        done = size - size_of(item, numbers)
        transfer = self._progress.begin(item.source.name, size, done)
        try:
            while True:
                item.sent += 1
                self._parts.send(item, numbers, transfer)
                result = self._announcer.commit([item])[0]
                if not isinstance(result, DriveError):
                    break
                if _code(result) != "parts-missing" or item.sent >= SENT_AT_MOST:
                    raise result
                numbers = self._parts.missing(item)
                transfer.advance(-size_of(item, numbers))
        finally:
            transfer.end()
        self._end_committed(item, result)

    def _end_committed(self, item: Item, recorded: Mapping[str, Any]) -> None:
        self._reader.leave(item.snapshot.size)
        outcome: Outcome = "created" if item.source.existing is None else "new-version"
        self._results.append(_uploaded(item, recorded["fileId"], recorded["version"], outcome))

    def _end_failed(self, item: Item, error: Exception) -> None:
        self._reader.leave(item.snapshot.size)
        if not isinstance(error, DriveError) or isinstance(error, StoppedError):
            raise error
        if isinstance(error, FileChangedError) or _code(error) == "checksum-mismatch":
            self._announcer.abandon(item.pending)
        self._results.append(Failed(item.source.path, error))


def _next(inbox: queue.SimpleQueue[_Message]) -> _Message:
    """Wait for a message. On Windows a wait without end would not be ended by Ctrl-C."""
    while True:
        try:
            return inbox.get(timeout=0.5)
        except queue.Empty:
            continue


def _uploaded(item: Item, file_id: str, version: int, outcome: Outcome) -> Uploaded:
    source = item.source
    return Uploaded(
        path=source.path,
        outcome=outcome,
        file_id=file_id,
        name=source.name if source.existing is None else source.existing.name,
        version=version,
        size=item.snapshot.size,
        checksum=item.checksum,
    )


def _code(error: Exception | None) -> str:
    return error.code if isinstance(error, ProblemError) else ""


def _can_wait(error: DriveError) -> TypeGuard[ProblemError]:
    """Return whether one of a batch is to be repeated later."""
    return isinstance(error, ProblemError) and error.retry_after is not None
