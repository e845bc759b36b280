"""Folders moved to the trash, taken out of it and purged, each with all that goes with it.

What is present in a folder goes to the trash with it, and is marked so: that, and no more, comes
back with it, or is purged. What had been trashed by itself before stays in the trash by itself.
"""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from django.db.models import Q, QuerySet
from django.db.models.functions import Coalesce
from django.utils import timezone

from files.exceptions import NotFoundError
from files.models import File, Folder, Upload, User, folders
from files.models.changes import Entry
from files.services import changes, trees
from files.services.changes import Kind
from files.services.folders import (
    PlacedFolder,
    chain_of,
    placed,
    require_depth,
    require_free,
)
from files.services.purges import abort_pending, purge_files
from files.services.trees import lock_in_order


class Purged(NamedTuple):
    """How many rows a purge marked."""

    folders: int
    files: int


def trash_folder(*, user: User, folder_id: UUID) -> None:
    """Move the user's folder to the trash, with all that is present in it.

    As many statements for much as for little. Raises `NotFoundError`, also if it is there already.
    """
    with trees.changing(user.pk):
        folder = _visible(user, folder_id)
        if folder.deleted_at is not None:
            raise NotFoundError
        inside, files = _with_all(folder)
        lock_in_order(inside)
        lock_in_order(files)
        now = timezone.now()
        files.update(deleted_at=now, updated_at=now, trashed_with=folder_id)
        below = inside.exclude(pk=folder_id)
        below.update(deleted_at=now, updated_at=now, trashed_with=folder_id)
        Folder.objects.filter(pk=folder_id).update(deleted_at=now, updated_at=now)
        _record(user.pk, Kind.FOLDER_TRASHED, folder_id, by=user)


def restore_folder(*, user: User, folder_id: UUID) -> PlacedFolder:
    """Take the user's folder out of the trash, if it is there, with all that went there with it.

    It goes where it was, or to the top if that is gone or in the trash. Raises `NotFoundError`,
    `FolderTooDeepError`, `NameTakenError`.
    """
    with trees.changing(user.pk):
        folder = _visible(user, folder_id)
        if folder.deleted_at is None:
            return placed(chain_of(user, folder_id))
        try:
            above = chain_of(user, folder.parent_id)
        except NotFoundError:
            above = []
        parent_id = above[-1].pk if above else None
        require_depth(len(above) + folders.height(folder_id, trashed_with=_mark(folder)))
        require_free(user, parent_id, folder.name)
        inside, files = _with_all(folder)
        lock_in_order(inside)
        lock_in_order(files)
        now = timezone.now()
        files.update(deleted_at=None, updated_at=now, trashed_with=None)
        if parent_id != folder.parent_id:
            Folder.objects.filter(pk=folder_id).update(parent=parent_id)
        inside.update(deleted_at=None, updated_at=now, trashed_with=None)
        folder.parent_id, folder.deleted_at, folder.updated_at = parent_id, None, now
        _record(user.pk, Kind.FOLDER_RESTORED, folder_id, by=user)
    return placed([*above, folder])


def purge_folder(*, user: User, folder_id: UUID) -> None:
    """Purge the user's folder, present or in the trash, with all that is in it or went with it.

    Uploads into it, and of new versions of its files, are aborted. Raises `NotFoundError`.
    """
    with trees.changing(user.pk):
        _purge(_visible(user, folder_id), timezone.now(), by=user)


def purge_if_trashed(*, user_id: UUID, folder_id: UUID, before: datetime, now: datetime) -> Purged:
    """Purge a folder that was trashed by itself `before` that time, unless it was restored."""
    with trees.changing(user_id):
        due = Folder.objects.trashed().filter(trashed_with=None, deleted_at__lt=before)
        folder = due.filter(pk=folder_id).first()
        return Purged(0, 0) if folder is None else _purge(folder, now, by=None)


def empty_trash(*, user: User) -> None:
    """Purge all folders and files in the user's trash; with none there, do nothing."""
    inside = Folder.objects.visible_to(user).trashed()
    with_folders = File.objects.trashed().filter(folder__in=inside).exclude(trashed_with=None)
    alone = File.objects.visible_to(user).trashed().filter(trashed_with=None)
    with trees.changing(user.pk):
        _lock(inside, with_folders, alone)
        now = timezone.now()
        named = list(inside.filter(trashed_with=None).values_list("pk", flat=True))
        purge_files(user, alone)
        _mark_purged(inside, with_folders, now)
        _record(user.pk, Kind.FOLDER_PURGED, *named, by=user)


def _visible(user: User, folder_id: UUID) -> Folder:
    folder = Folder.objects.visible_to(user).filter(pk=folder_id).first()
    if folder is None:
        raise NotFoundError
    return folder


def _mark(folder: Folder) -> UUID:
    """Return with which folder this one, which is in the trash, went there."""
    return folder.trashed_with or folder.pk


def _with_all(folder: Folder) -> tuple[QuerySet[Folder], QuerySet[File]]:
    """Return the folder with those below it, and all their files, that share its fate."""
    below = Folder.objects.from_here(folder.pk)
    files = File.objects.filter(folder__in=folders.tree(folder.pk))
    if folder.deleted_at is None:
        return below.present(), files.present()
    mark = _mark(folder)
    return (
        below.filter(Q(pk=folder.pk) | Q(trashed_with=mark)),
        files.trashed().filter(trashed_with=mark),
    )


def _purge(folder: Folder, now: datetime, *, by: User | None) -> Purged:
    inside, files = _with_all(folder)
    _lock(inside, files)
    purged = _mark_purged(inside, files, now)
    _record(folder.user_id, Kind.FOLDER_PURGED, folder.pk, by=by)
    return purged


def _record(user_id: UUID, kind: Kind, *folders: UUID, by: User | None) -> None:
    """Record what happened to folders: an entry of each stands for all that is in it."""
    entries = [Entry(kind, folder_id=folder_id) for folder_id in folders]
    changes.record_many(user_id=user_id, by=by, entries=entries)


def _lock(inside: QuerySet[Folder], *files: QuerySet[File]) -> None:
    """Lock folders and files that are purged, and abort the uploads for them."""
    into = Upload.objects.filter(folder__in=inside.values("pk"))
    abort_pending(into, *(Upload.objects.filter(file__in=each.values("pk")) for each in files))
    lock_in_order(inside)
    first, *others = (each.values("pk") for each in files)
    lock_in_order(File.objects.filter(pk__in=first.union(*others) if others else first))


def _mark_purged(inside: QuerySet[Folder], files: QuerySet[File], now: datetime) -> Purged:
    ids = inside.values("pk")
    gone = {"purged_at": now, "deleted_at": Coalesce("deleted_at", now)}
    number = files.update(**gone)
    # What was trashed by itself stays in the trash, with nothing above it.
    File.objects.filter(folder__in=ids, purged_at=None).update(folder=None)
    apart = Folder.objects.filter(parent__in=ids, purged_at=None).exclude(pk__in=ids)
    apart.update(parent=None)
    return Purged(inside.update(parent=None, **gone), number)
