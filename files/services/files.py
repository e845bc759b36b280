"""Files: find, list, rename, move to the trash and back."""

from __future__ import annotations

import re
from datetime import datetime
from uuid import UUID

from django.db.models import QuerySet
from django.utils import timezone

from files.exceptions import NotFoundError
from files.models import File, FileVersion, User

VERSIONS_SHOWN = 100


def list_files(
    *,
    user: User,
    trashed: bool = False,
    name: str | None = None,
    content_type: str | None = None,
    created_after: datetime | None = None,
    created_before: datetime | None = None,
) -> QuerySet[File]:
    """Return the user's files that match all the given filters, in no order.

    `name` matches a substring, ignoring case; `content_type` is exact or like `image/*`; the times
    are exclusive.
    """
    files = File.objects.visible_to(user)
    files = files.trashed() if trashed else files.present()
    if name:
        files = files.filter(name__regex=_in_any_case(name))
    if content_type is not None and content_type.endswith("/*"):
        files = files.filter(content_type__istartswith=content_type.removesuffix("*"))
    elif content_type is not None:
        files = files.filter(content_type__iexact=content_type)
    if created_after is not None:
        files = files.filter(created_at__gt=created_after)
    if created_before is not None:
        files = files.filter(created_at__lt=created_before)
    return files


def get_file(*, user: User, file_id: UUID) -> tuple[File, list[FileVersion]]:
    """Return the user's file and its newest versions (at most 100); raises `NotFoundError`."""
    file = _one(File.objects.visible_to(user).present().filter(pk=file_id))
    newest = file.versions.select_related("created_by").order_by("-version")[:VERSIONS_SHOWN]
    return file, list(newest)


def list_versions(*, user: User, file_id: UUID) -> QuerySet[FileVersion]:
    """Return all versions of the user's file, in no order; raises `NotFoundError`."""
    if not File.objects.visible_to(user).present().filter(pk=file_id).exists():
        raise NotFoundError
    return FileVersion.objects.visible_to(user).filter(file=file_id).select_related("created_by")


def get_version(*, user: User, file_id: UUID, version: int) -> FileVersion:
    """Return one version of the user's file; raises `NotFoundError`."""
    found = (
        FileVersion.objects.visible_to(user)
        .select_related("created_by")
        .filter(file=file_id, version=version)
        .first()
    )
    if found is None:
        raise NotFoundError
    return found


def rename_file(*, user: User, file_id: UUID, name: str) -> File:
    """Rename the user's file; its versions keep their keys. Raises `NotFoundError`."""
    file = File.objects.visible_to(user).present().filter(pk=file_id)
    if not file.update(name=name, updated_at=timezone.now()):
        raise NotFoundError
    return _one(file)


def trash_file(*, user: User, file_id: UUID) -> None:
    """Move the user's file to the trash; raises `NotFoundError`, also if it is there already."""
    file = File.objects.visible_to(user).present().filter(pk=file_id)
    now = timezone.now()
    if not file.update(deleted_at=now, updated_at=now):
        raise NotFoundError


def restore_file(*, user: User, file_id: UUID) -> File:
    """Take the user's file out of the trash, if it is there; raises `NotFoundError`."""
    trashed = File.objects.visible_to(user).trashed().filter(pk=file_id)
    trashed.update(deleted_at=None, updated_at=timezone.now())
    return _one(File.objects.visible_to(user).present().filter(pk=file_id))


def _in_any_case(text: str) -> str:
    """Return a regular expression that matches `text` in any case.

    Both cases of each letter are spelled out: SQLite, and PostgreSQL with the locale C, ignore the
    case of ASCII letters only.
    """
    spellings = (sorted({letter, letter.lower(), letter.upper()}) for letter in text)
    return "".join(f"(?:{'|'.join(map(re.escape, each))})" for each in spellings)


def _one(files: QuerySet[File]) -> File:
    file = files.first()
    if file is None:
        raise NotFoundError
    return file
