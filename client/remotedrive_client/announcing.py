"""Uploads as the service knows them: begun, found again after a kill, committed, aborted."""

from __future__ import annotations

import contextlib
import mimetypes
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

from remotedrive_client.errors import DriveError, OutcomeUnknownError, ProblemError
from remotedrive_client.local import Snapshot
from remotedrive_client.models import File
from remotedrive_client.service import Service
from remotedrive_client.state import Pending, State

MULTIPART_ABOVE = 64 << 20
"""Bytes; larger files go in parts."""
BATCH = 500
ENDED = ("not-found", "upload-aborted", "upload-expired", "idempotency-conflict")
"""Problems of an upload of an earlier run that cannot be gone on with; the file needs a new one."""


LOST_AT_MOST = 5
"""How often a batch is begun whose answers are lost."""


@dataclass(frozen=True)
class Source:
    """A local file, and where it goes: `name` in a folder (None: the top).

    `existing` gets a new version, unless it has the same bytes already.
    """

    path: Path
    name: str
    folder_id: str | None = None
    existing: File | None = None


@dataclass
class Item:
    """A file that was read, and the upload of it. `answer` is that of init-upload."""

    source: Source
    snapshot: Snapshot
    checksum: str
    pending: Pending
    answer: Mapping[str, Any] | None = None
    sent: int = 0
    """How often its bytes were sent."""
    restarted: bool = False
    uncertain: bool = False
    """Whether the service may have begun it in a call whose answer never came."""

    @property
    def multipart(self) -> bool:
        return in_parts(self.snapshot.size)


def in_parts(size: int) -> bool:
    """Return whether a file of this size goes in parts."""
    return size > MULTIPART_ABOVE


class Announcer:
    """Begins and ends uploads, and keeps `state` so that a later run finds them."""

    def __init__(self, service: Service, state: State) -> None:
        self._service = service
        self._state = state

    def plan(self, source: Source, snapshot: Snapshot, checksum: str) -> Item:
        """Return a new upload that nobody knows of yet."""
        pending = Pending(
            path=str(source.path),
            target=self._target(source),
            size=snapshot.size,
            mtime_ns=snapshot.mtime_ns,
            checksum=checksum,
            idempotency_key=str(uuid4()),
        )
        return Item(source, snapshot, checksum, pending)

    def find(self, item: Item) -> bool:
        """Return whether an earlier run has begun this upload, which `item` then is.

        One of an earlier state of the file is aborted.
        """
        earlier = self._state.pending(item.source.path, item.pending.target)
        if earlier is None:
            return False
        begun = bool(earlier.upload_id)
        if (earlier.size, earlier.mtime_ns, earlier.checksum) != (
            item.snapshot.size,
            item.snapshot.mtime_ns,
            item.checksum,
        ) or (begun and bool(earlier.part_size) != item.multipart):
            self.abandon(earlier)
            return False
        item.pending = earlier
        item.uncertain = not begun
        return begun

    def begin(self, items: Sequence[Item]) -> list[DriveError | None]:
        """Begin the uploads; return for each None, or why it could not.

        All are recorded before. One alone is begun under its idempotency key; of a batch whose
        answer is lost, in this run or an earlier one, the uploads that it began are adopted.
        """
        for _ in range(LOST_AT_MOST):
            try:
                self._adopt([item for item in items if item.uncertain])
            except DriveError as error:
                return [error for _ in items]
            due = [item for item in items if not item.pending.upload_id]
            self._state.keep([item.pending for item in due])
            answers = self._begin_all(due)
            if len(due) == 1 or not any(_is_lost(answer) for answer in answers):
                break
            for item in due:
                item.uncertain = True
        errors: dict[int, DriveError] = {}
        begun, refused = [], []
        for item, answer in zip(due, answers, strict=True):
            if isinstance(answer, DriveError):
                errors[id(item)] = answer
                if isinstance(answer, ProblemError) and not _is_lost(answer):
                    refused.append(item.pending)
                continue
            item.answer = answer
            item.pending = replace(
                item.pending,
                upload_id=answer["upload_id"],
                key=answer["key"],
                part_size=answer.get("part_size", 0),
            )
            begun.append(item.pending)
        self._state.keep(begun)
        self._state.forget(refused)
        return [errors.get(id(item)) for item in items]

    def commit(self, items: Sequence[Item]) -> list[Mapping[str, Any] | DriveError]:
        """Commit the uploads; return for each what was recorded, or why it was not."""
        bodies = [
            {"key": item.pending.key, "checksum": item.checksum, "size": item.snapshot.size}
            for item in items
        ]
        if len(items) > 1:
            results = self._batch("/files/commit/batch", "commits", bodies, repeatable=True)
        else:
            results = [self._one("/files/commit", bodies[0], repeatable=True)]
        done = [
            item.pending
            for item, result in zip(items, results, strict=True)
            if not isinstance(result, DriveError)
        ]
        self._state.forget(done)
        return results

    def urls(self, item: Item, part_numbers: Sequence[int] | None = None) -> Mapping[str, Any]:
        """Return fresh URLs, of these parts if the upload is multipart."""
        body = {} if part_numbers is None else {"part_numbers": list(part_numbers)}
        path = f"/uploads/{item.pending.upload_id}/urls"
        answer: Mapping[str, Any] = self._service.call("POST", path, body, repeatable=True)
        return answer

    def received_parts(self, item: Item) -> dict[int, int] | None:
        """Return the sizes of the parts that the store has, by number; None once committed."""
        shown = self._service.call("GET", f"/uploads/{item.pending.upload_id}")
        if shown["state"] != "pending":
            return None
        return {part["part_number"]: part["size"] for part in shown["received_parts"]}

    def renew(self, item: Item) -> None:
        """Let the file begin with a new upload."""
        self._state.forget([item.pending])
        item.pending = self.plan(item.source, item.snapshot, item.checksum).pending
        item.answer, item.uncertain = None, False

    def abandon(self, pending: Pending) -> None:
        """Abort an upload, so that its bytes count against no quota. Its failure is none here."""
        self._state.forget([pending])
        if pending.upload_id:
            with contextlib.suppress(DriveError):
                self._service.call("DELETE", f"/uploads/{pending.upload_id}")

    def _target(self, source: Source) -> str:
        existing = "" if source.existing is None else source.existing.id
        return "\n".join((self._service.base_url, source.folder_id or "", source.name, existing))

    def _adopt(self, items: Sequence[Item]) -> None:
        """Let new files be the uploads that the service has of them. Raises as `Service.call`.

        Those of new versions are left to their end: the listing does not name the file.
        """
        items = [item for item in items if item.source.existing is None]
        if not items:
            return
        known = self._state.upload_ids()
        there = {
            # A service that does not tell the folder gives nothing to adopt.
            (row["filename"], row["size"], row["checksum"], row.get("folder_id", "")): row
            for row in self._service.pages("/uploads")
            if row["upload_id"] not in known
        }
        adopted = []
        for item in items:
            source = item.source
            row = there.get((source.name, item.snapshot.size, item.checksum, source.folder_id))
            if row is not None and bool(row["part_size"]) == item.multipart:
                item.pending = replace(
                    item.pending,
                    upload_id=row["upload_id"],
                    key=row["key"],
                    part_size=row["part_size"] or 0,
                )
                adopted.append(item.pending)
        self._state.keep(adopted)

    def _begin_all(self, items: Sequence[Item]) -> list[Mapping[str, Any] | DriveError]:
        bodies = [_announcement(item) for item in items]
        if len(items) == 1:
            return [self._begin_one(bodies[0], items[0].pending.idempotency_key)]
        if not items:
            return []
        return self._batch("/files/init-upload/batch", "uploads", bodies, repeatable=False)

    def _begin_one(
        self, body: Mapping[str, Any], idempotency_key: str
    ) -> Mapping[str, Any] | DriveError:
        return self._one("/files/init-upload", body, idempotency_key=idempotency_key)

    def _one(
        self, path: str, body: Mapping[str, Any], **options: Any
    ) -> Mapping[str, Any] | DriveError:
        try:
            answer: Mapping[str, Any] = self._service.call("POST", path, body, **options)
        except DriveError as error:
            return error
        return answer

    def _batch(
        self, path: str, member: str, bodies: Sequence[Mapping[str, Any]], **options: Any
    ) -> list[Mapping[str, Any] | DriveError]:
        answer = self._one(path, {member: bodies}, **options)
        if isinstance(answer, DriveError):
            return [answer for _ in bodies]
        return [
            ProblemError(result["status"], result) if "code" in result else result
            for result in answer["results"]
        ]


def _is_lost(answer: Mapping[str, Any] | DriveError) -> bool:
    """Return whether the service may have done what a call asked for that cannot be repeated."""
    if isinstance(answer, ProblemError):
        return answer.status in (502, 504)
    return isinstance(answer, OutcomeUnknownError)


def _announcement(item: Item) -> dict[str, Any]:
    """Return the body of init-upload; always the same for the same item."""
    source = item.source
    content_type, encoding = mimetypes.guess_type(source.name)
    body: dict[str, Any] = {
        "filename": source.name,
        "size": item.snapshot.size,
        "checksum": item.checksum,
    }
    if content_type is not None and encoding is None:
        body["content_type"] = content_type
    if item.multipart:
        body["multipart"] = True
    if source.existing is not None:
        body["file_id"] = source.existing.id
    elif source.folder_id is not None:
        body["folder_id"] = source.folder_id
    return body
