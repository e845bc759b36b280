"""Copies of files: a new file whose first version has the pin of the other's newest."""

from __future__ import annotations

from uuid import UUID

from django.db import transaction

from files.exceptions import BusyError, NotFoundError
from files.models import File, FileVersion, User
from files.models.compiled import execute, insert
from files.services import changes, commits, quotas, trees, versions
from files.services.trees import NOT_GIVEN, FolderId, NotGiven


def copy_file(
    *,
    user: User,
    file_id: UUID,
    name: str | None = None,
    folder_id: FolderId | NotGiven = NOT_GIVEN,
) -> File:
    """Copy the newest version of the user's file, without its bytes, to a new file.

    That has the same name and place unless others are given, and counts in full for the quota.
    Raises `NotFoundError` (file or folder), `CorruptError`, `QuotaExceededError`, `BusyError`.
    """

    def copy() -> File:
        destination = _place_of(user, file_id) if folder_id is NOT_GIVEN else folder_id
        trees.lock_present(user, destination)
        present = File.objects.visible_to(user).present().select_for_update(no_key=True)
        source = present.filter(pk=file_id).first()
        if source is None:
            raise NotFoundError
        if folder_id is NOT_GIVEN and source.folder_id != destination:
            raise BusyError("The file is being moved.", retry_after=1)
        newest = FileVersion.objects.get(file=source, version=source.version_current)
        versions.require_readable(newest)
        made = File(user=user, name=name or source.name, folder_id=destination)
        first = versions.with_same_pin(newest, file=made, version=1, created_by=user)
        made.created_at = first.created_at
        execute(versions.set_current_version(made, first), insert(first))
        used = quotas.use(user, first.size)
        changes.record_many(user_id=user.pk, by=user, entries=[commits.entry_of(first)], **used)
        return made

    return quotas.when_counted(user, transaction.atomic(copy))


def _place_of(user: User, file_id: UUID) -> FolderId:
    found = File.objects.visible_to(user).present().filter(pk=file_id)
    for folder_id in found.values_list("folder", flat=True):
        return folder_id
    raise NotFoundError
