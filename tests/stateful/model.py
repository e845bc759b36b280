"""What must be so, by the documents alone: people's files and uploads, and the right answers.

Knows nothing of HTTP; `machine.py` does the same things to a running service and compares.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from tests.support.client import sha256

PutKind = Literal["right", "other bytes", "other length"]


@dataclass(frozen=True)
class Expected:
    """The status of an answer, and its problem code."""

    status: int
    code: str | None = None


COMMITTED, NOT_FOUND = Expected(201), Expected(404, "not-found")
VERSION_PURGED = Expected(410, "version-purged")
STORE_DOWN = Expected(503, "store-unavailable")


@dataclass(eq=False)
class Folder:
    """A folder of person `owner`, in another one or at the top."""

    owner: int
    id: str
    name: str
    parent: Folder | None = None
    trashed: bool = False
    trashed_with: Folder | None = None
    """With which it went to the trash, unless it was trashed by itself."""

    @property
    def path(self) -> list[str]:
        above = [] if self.parent is None else self.parent.path
        return [*above, self.name]

    def is_below(self, top: Folder) -> bool:
        """Whether it is `top`, or anywhere in it."""
        return self is top or (self.parent is not None and self.parent.is_below(top))


@dataclass(eq=False)
class File:
    """A file of person `owner` with the bytes of its versions, from 1."""

    owner: int
    id: str
    name: str
    versions: list[bytes] = field(default_factory=list)
    folder: Folder | None = None
    trashed: bool = False
    trashed_with: Folder | None = None
    purged: bool = False
    purged_versions: set[int] = field(default_factory=set)


@dataclass(eq=False)
class Upload:
    """An upload with what the store has for it; a multipart one has a single part."""

    owner: int
    data: bytes
    bound: bool
    multipart: bool
    file: File | None
    base_version: int | None
    body: Mapping[str, Any]
    idempotency_key: str | None
    folder: Folder | None = None
    """Where its file goes, if it makes one."""
    id: str = ""
    key: str = ""
    url: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    state: Literal["pending", "committed", "aborted"] = "pending"
    stored: bytes | None = None
    """The newest bytes under the key; of a multipart one, those of the part."""
    completed: bool = False
    """Whether the store has made an object of the part."""
    result: Mapping[str, Any] = field(default_factory=dict)
    """What the commit was answered with."""

    @property
    def purged(self) -> bool:
        """Whether the file is gone that it was for, or became."""
        return self.file is not None and self.file.purged

    @property
    def path(self) -> str:
        return f"/uploads/{self.id}"

    @property
    def lists_parts(self) -> bool:
        """Whether it is known which parts the store lists: of a completed one MinIO has none left,
        Swift still all."""
        return self.multipart and self.state == "pending" and not self.completed


@dataclass(frozen=True)
class CommitArguments:
    """What a commit says: the declared values unless told otherwise."""

    checksum: str
    size: int
    base_version: int | None = None

    def body(self, upload: Upload) -> dict[str, Any]:
        said = {} if self.base_version is None else {"base_version": self.base_version}
        return {"key": upload.key, "checksum": self.checksum, "size": self.size} | said


def bytes_of(seed: int, size: int) -> bytes:
    return random.Random(seed).randbytes(size)


def other_bytes(data: bytes) -> bytes:
    """Return bytes of the same length that differ from `data`, which is not empty."""
    return bytes([data[0] ^ 1]) + data[1:]


def expect_put(upload: Upload, kind: PutKind) -> set[int]:
    """Return the statuses that a PUT may be answered with, and take note of what is then stored."""
    gone = upload.multipart and (upload.completed or upload.state == "aborted")
    if kind == "other length":
        return {403, 404} if gone else {403}
    if gone:
        # An abort that the store was not told of leaves the part's URL good, for nothing.
        return {404, 200} if upload.state == "aborted" else {404}
    if upload.bound and not upload.multipart:
        if kind == "other bytes":
            return {400} if upload.stored is None else {400, 412}
        if upload.stored is not None:
            return {412}
    upload.stored = upload.data if kind == "right" else other_bytes(upload.data)
    return {200}


def expect_commit(upload: Upload, said: CommitArguments, *, store_up: bool) -> Expected:
    """Return the answer to a commit by the owner: the first row of the table that is so."""
    if upload.purged:
        return NOT_FOUND
    if upload.file is not None and upload.result.get("version") in upload.file.purged_versions:
        return NOT_FOUND
    if upload.state == "committed":
        same = (said.checksum, said.size) == (sha256(upload.data), len(upload.data))
        return Expected(200) if same else Expected(409, "commit-conflict")
    if upload.state == "aborted":
        return Expected(410, "upload-aborted")
    if said.size != len(upload.data):
        return Expected(422, "size-mismatch")
    if upload.bound and said.checksum != sha256(upload.data):
        return Expected(422, "checksum-mismatch")
    if upload.file is None and said.base_version is not None:
        return Expected(400, "invalid")
    if upload.file is not None and upload.file.trashed:
        return Expected(409, "file-trashed")
    if upload.file is None and upload.folder is not None and upload.folder.trashed:
        return Expected(409, "folder-trashed")
    if not store_up:
        return STORE_DOWN
    if upload.stored is None:
        return Expected(409, "parts-missing" if upload.multipart else "object-missing")
    upload.completed = upload.multipart
    if said.checksum != sha256(upload.stored):
        return Expected(422, "checksum-mismatch")
    base_version = said.base_version or upload.base_version
    if upload.file is not None and base_version not in (None, len(upload.file.versions)):
        return Expected(412, "version-conflict")
    return COMMITTED


def expect_abort(upload: Upload) -> Expected:
    if upload.purged:
        return NOT_FOUND
    if upload.state == "committed":
        return Expected(409, "upload-complete")
    return Expected(204)


def expect_urls(upload: Upload, *, store_up: bool) -> Expected:
    """Return the answer where fresh URLs are asked for."""
    if upload.purged:
        return NOT_FOUND
    if upload.state != "pending":
        return expect_ended(upload)
    if upload.multipart and not store_up:
        return STORE_DOWN
    return Expected(200)


def expect_ended(upload: Upload) -> Expected:
    if upload.state == "committed":
        return Expected(409, "upload-complete")
    return Expected(410, "upload-aborted")
