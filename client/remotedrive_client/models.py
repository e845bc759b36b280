"""What the service answers, as frozen dataclasses. Members that they do not name are ignored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, TypeVar, get_type_hints

from remotedrive_client.errors import UnexpectedAnswerError

T = TypeVar("T")


@dataclass(frozen=True)
class File:
    id: str
    name: str
    size: int
    content_type: str
    checksum: str
    integrity: str
    version: int
    created_at: datetime
    updated_at: datetime
    folder_id: str | None = None
    deleted_at: datetime | None = None


@dataclass(frozen=True)
class Version:
    version: int
    size: int
    content_type: str
    checksum: str
    integrity: str
    created_by: Mapping[str, str]
    created_at: datetime
    purged_at: datetime | None = None


@dataclass(frozen=True)
class Folder:
    """`path` names the folders from the top down to this one, each `{id, name}`."""

    id: str
    name: str
    parent_id: str | None
    path: tuple[Mapping[str, str], ...]
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None = None


@dataclass(frozen=True)
class Commit:
    """What a commit recorded."""

    fileId: str  # noqa: N815 - the API's name
    version: int
    name: str
    size: int
    content_type: str
    checksum: str
    integrity: str
    created_at: datetime


@dataclass(frozen=True)
class Download:
    """A presigned URL for the bytes of one version."""

    presigned_get_url: str
    expires_at: datetime
    filename: str
    size: int
    content_type: str
    checksum: str
    integrity: str
    version: int


@dataclass(frozen=True)
class Share:
    id: str
    file_id: str
    permission: str
    expires_at: datetime | None
    password_required: bool
    max_downloads: int | None
    download_count: int
    revoked_at: datetime | None
    last_used_at: datetime | None
    created_at: datetime
    token: str | None = None
    """Only of a share that was just made."""
    url: str | None = None


@dataclass(frozen=True)
class Change:
    seq: int
    at: datetime
    kind: str
    file_id: str | None
    folder_id: str | None
    version: int | None
    by: Any


@dataclass(frozen=True)
class Changes:
    """A page of the feed. `next` is the cursor for the page after it."""

    results: tuple[Change, ...]
    next: int
    has_more: bool


@dataclass(frozen=True)
class Account:
    """Who calls, and the bytes of theirs. `quota_bytes` is None where there is no limit."""

    subject: str
    username: str
    email: str
    created_at: datetime
    files: int
    bytes_used: int
    bytes_reserved: int
    quota_bytes: int | None


def parse(kind: type[T], members: Mapping[str, Any]) -> T:
    """Return `members` of an answer as `kind`.

    Raises `UnexpectedAnswerError` when a required one is missing, or a time is none.
    """
    hints = get_type_hints(kind)
    values: dict[str, Any] = {}
    for field in fields(kind):  # type: ignore[arg-type]
        if field.name not in members:
            continue
        value = members[field.name]
        if isinstance(value, str) and hints[field.name] in (datetime, datetime | None):
            try:
                value = datetime.fromisoformat(value)
            except ValueError:
                raise UnexpectedAnswerError from None
        elif isinstance(value, list):
            value = tuple(value)
        values[field.name] = value
    try:
        return kind(**values)
    except TypeError:
        raise UnexpectedAnswerError from None


def to_json(value: Any) -> Any:
    """Return a dataclass of this module, or a container of them, as JSON has it."""
    if hasattr(value, "__dataclass_fields__"):
        return {each.name: to_json(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, Mapping):
        return {name: to_json(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [to_json(each) for each in value]
    return value
