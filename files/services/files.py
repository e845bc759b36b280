"""Files: find, list, rename, move, also to the trash and back."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models import QuerySet
from django.db.models.expressions import RawSQL
from django.utils import timezone

from files.exceptions import NotFoundError
from files.models import File, FileVersion, Folder, User, folders, queries
from files.models.changes import Entry
from files.models.compiled import update_all
from files.models.files import AT_TOP
from files.models.queries import Where
from files.services import changes, trees
from files.services.changes import Kind
from files.services.trees import NOT_GIVEN, FolderId, NotGiven

VERSIONS_SHOWN = 100
_SAMPLE = 100
"""The newest files of a user, from whose names the rare parts of a name are told."""
_FOLDERS_NAMED = 1_000
"""Folders of a subtree that a query names one by one."""
_PARTS_MAX = 10
"""So many parts find a name about as well as more, which take longer to plan."""


def list_files(
    *,
    user: User,
    trashed: bool = False,
    folder_id: FolderId | NotGiven = NOT_GIVEN,
    within: UUID | None = None,
    name: str | None = None,
    content_type: str | None = None,
    created_after: datetime | None = None,
    created_before: datetime | None = None,
) -> QuerySet[File]:
    """Return the user's files that match all the given filters, in no order.

    `folder_id` is where they are, `within` the folder that they are in or below, which costs a
    SELECT here and raises `NotFoundError` where there is none. Of what is `trashed`, without
    either, those that were trashed by themselves. `name` matches a substring,
    ignoring case; on PostgreSQL it costs a SELECT here. `content_type` is exact or like `image/*`;
    the times are exclusive.
    """
    files = File.objects.visible_to(user)
    files = files.trashed() if trashed else files.present()
    if folder_id is None:
        files = files.filter(AT_TOP)
    elif folder_id is not NOT_GIVEN:
        files = files.filter(folder=folder_id)
    if within is not None:
        files = files.filter(folder__in=_folders_within(user, within, trashed=trashed))
    elif trashed and (folder_id is NOT_GIVEN or folder_id is None):
        files = files.filter(trashed_with=None)
    if name:
        files = files.filter(name__regex=_in_any_case(name))
        if connection.vendor == "postgresql":
            files = files.with_name_parts(_rare_parts(user, name))
    if content_type is not None:
        files = files.of_type(content_type)
    if created_after is not None:
        files = files.filter(created_at__gt=created_after)
    if created_before is not None:
        files = files.filter(created_at__lt=created_before)
    return files


def page_of_files(
    *,
    user: User,
    columns: tuple[str, ...],
    ascending: bool,
    limit: int,
    beyond: tuple[datetime, UUID] | None = None,
    trashed: bool = False,
    folder_id: FolderId | NotGiven = NOT_GIVEN,
    within: UUID | None = None,
    **filters: Any,
) -> list[dict[str, Any]]:
    """Return `columns` of the first `limit` files of `list_files`, by time and id.

    Those `beyond` a time and id come after it in that order. Raises `NotFoundError` for a folder
    that is not there: `folder_id` is looked for only where no file is in it.
    """
    order: Any = {"columns": columns, "ascending": ascending, "limit": limit}
    if trashed or within is not None or filters:
        files = list_files(
            user=user, trashed=trashed, folder_id=folder_id, within=within, **filters
        )
        found = list(queries.keyset_page(files, "created_at", beyond=beyond, **order))
    else:
        found = _plain_page(user, folder_id, beyond, order)
    if not found and isinstance(folder_id, UUID):
        _require_folder(user, folder_id, trashed=trashed)
    return found


def _plain_page(
    user: User,
    folder_id: FolderId | NotGiven,
    beyond: tuple[datetime, UUID] | None,
    order: dict[str, Any],
) -> list[dict[str, Any]]:
    """Return a page of present files without other filters than their folder: compiled."""
    values: dict[str, Any] = {"user": user}
    if beyond is not None:
        values |= {"at": beyond[0], "id": beyond[1]}
    where = Where.ANYWHERE
    if folder_id is None:
        where = Where.AT_TOP
    elif folder_id is not NOT_GIVEN:
        where = Where.IN_FOLDER
        values["folder"] = folder_id
    return queries.files_page(where=where, beyond=beyond is not None, **order).all(**values)


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


def change_file(
    *,
    user: User,
    file_id: UUID,
    name: str | None = None,
    folder_id: FolderId | NotGiven = NOT_GIVEN,
) -> File:
    """Rename the user's file, or move it to a folder or the top, or both.

    Its versions keep their keys; the name and the place that it has already change nothing. Raises
    `NotFoundError`, for the file and for the folder.
    """
    with transaction.atomic():
        if folder_id is not NOT_GIVEN:
            trees.lock_present(user, folder_id)
        present = File.objects.visible_to(user).present().filter(pk=file_id)
        file = _one(present.select_for_update(no_key=True))
        kinds = []
        if name is not None and name != file.name:
            file.name = name
            kinds.append(Kind.FILE_RENAMED)
        if folder_id is not NOT_GIVEN and folder_id != file.folder_id:
            file.folder_id = folder_id
            kinds.append(Kind.FILE_MOVED)
        if kinds:
            file.updated_at = timezone.now()
            file.save(update_fields=["name", "folder", "updated_at"])
            entries = [Entry(kind, file_id=file_id) for kind in kinds]
            changes.record_many(user_id=user.pk, by=user, entries=entries)
        return file


def trash_file(*, user: User, file_id: UUID) -> None:
    """Move the user's file to the trash; raises `NotFoundError`, also if it is there already."""
    file = File.objects.visible_to(user).present().filter(pk=file_id)
    if not _change(user, file, Kind.FILE_TRASHED, deleted_at=timezone.now()):
        raise NotFoundError


def restore_file(*, user: User, file_id: UUID) -> File:
    """Take the user's file out of the trash, if it is there; raises `NotFoundError`.

    It goes to the top if its folder is gone or in the trash.
    """
    trashed = File.objects.visible_to(user).trashed().filter(pk=file_id)
    with transaction.atomic():
        for folder_id in trashed.values_list("folder", flat=True):
            place = folder_id if trees.try_to_lock_present(user, folder_id) else None
            restored = {"deleted_at": None, "trashed_with": None, "folder": place}
            _change(user, trashed, Kind.FILE_RESTORED, **restored)
        return _one(File.objects.visible_to(user).present().filter(pk=file_id))


def _change(user: User, files: QuerySet[File], kind: Kind, **values: Any) -> bool:
    """Change the user's file that is in `files`, if there is one, and record it."""
    with transaction.atomic():
        changed = update_all(files, **values, updated_at=timezone.now())
        entries = [Entry(kind, file_id=pk) for pk in changed]
        changes.record_many(user_id=user.pk, by=user, entries=entries)
    return bool(changed)


def _rare_parts(user: User, name: str) -> list[str]:
    """Return parts of `name`, three letters in upper case, that the user's newest names lack.

    They ask for nothing that `name` does not, but are found in the index of names, which takes long
    for parts that most names have. Letters beyond ASCII that have case are left out: the index has
    them as they were written.
    """
    newest = File.objects.visible_to(user).present().order_by("-created_at", "-id")
    sample = "\n".join(newest.values_list("name", flat=True)[:_SAMPLE]).upper()
    parts = dict.fromkeys(name[at : at + 3] for at in range(len(name) - 2))
    rare = [
        part.upper()
        for part in parts
        if part.upper() not in sample
        and all(letter.isascii() or letter.lower() == letter.upper() for letter in part)
    ]
    return rare[:_PARTS_MAX]


def _in_any_case(text: str) -> str:
    """Return a regular expression that matches `text` in any case.

    Both cases of each letter are spelled out: SQLite, and PostgreSQL with the locale C, ignore the
    case of ASCII letters only.
    """
    spellings = (sorted({letter, letter.lower(), letter.upper()}) for letter in text)
    return "".join(f"(?:{'|'.join(map(re.escape, each))})" for each in spellings)


def _folders_within(user: User, top: UUID, *, trashed: bool) -> Sequence[UUID] | RawSQL:
    """Return the ids of the user's folder `top` and those below it, in the trash only if `trashed`.

    The ids themselves, as then the database knows whether it finds the files by their folders, or
    by going through the listing; of very many, a subquery. Raises `NotFoundError`.
    """
    inside = Folder.objects.visible_to(user).from_here(top)
    inside = inside if trashed else inside.present()
    ids = list(inside.values_list("pk", flat=True)[: _FOLDERS_NAMED + 1])
    if not ids:
        raise NotFoundError
    return ids if len(ids) <= _FOLDERS_NAMED else folders.tree(top)


def _require_folder(user: User, folder_id: UUID, *, trashed: bool) -> None:
    """Raise `NotFoundError` unless the user has the folder; in the trash only where `trashed`."""
    found = Folder.objects.visible_to(user).filter(pk=folder_id)
    if not (found if trashed else found.present()).exists():
        raise NotFoundError


def _one(files: QuerySet[File]) -> File:
    file = files.first()
    if file is None:
        raise NotFoundError
    return file
