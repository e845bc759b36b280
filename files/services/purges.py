"""Purges: files and versions removed for good. Rows are marked; their bytes go later.

Nothing here calls the store: `manage.py collect_garbage` deletes what no live row pins. Rows are
locked in the order upload, folder, file, user. A restored version shares the pin of an earlier one,
and so does a copy: both, and the purge of a version, lock the file, so what no live row pins is
never pinned again.
"""

from __future__ import annotations

from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Coalesce
from django.utils import timezone

from files.exceptions import NotFoundError, VersionCurrentError
from files.models import File, FileVersion, Upload, User
from files.models.changes import Entry
from files.models.compiled import execute, insert, update_all
from files.services import changes, commits, quotas, versions
from files.services.changes import Kind
from files.services.commits import CommitResult
from files.services.trees import lock_in_order


def purge_file(*, user: User, file_id: UUID) -> None:
    """Purge the user's file, present or in the trash, and abort the uploads of new versions.

    Its row stands for all its versions, so this takes as long for one as for many. Raises
    `NotFoundError`, also when it is purged already.
    """
    with transaction.atomic():
        abort_pending(Upload.objects.filter(user=user, file=file_id))
        if not purge_files(user, File.objects.visible_to(user).filter(pk=file_id)):
            raise NotFoundError


def purge_version(*, user: User, file_id: UUID, version: int) -> None:
    """Purge an older version of the user's file; its record stays. Idempotent.

    Raises `NotFoundError`, `VersionCurrentError`.
    """
    with transaction.atomic():
        file = _locked(user, file_id)
        found = _numbered(file, version)
        if found.version == file.version_current:
            raise VersionCurrentError
        if found.purged_at is None:
            found.purged_at = timezone.now()
            found.save(update_fields=["purged_at"])
            changes.record(
                user_id=user.pk,
                kind=Kind.VERSION_PURGED,
                by=user,
                file_id=file.pk,
                version=found.version,
            )


def restore_version(*, user: User, file_id: UUID, version: int) -> CommitResult:
    """Make a version of the user's file the newest again: as a new one, with the same pin.

    It counts in full for the quota. Raises `NotFoundError`, `VersionPurgedError`, `CorruptError`,
    `QuotaExceededError`.
    """

    def restore() -> CommitResult:
        file = _locked(user, file_id)
        found = _numbered(file, version)
        versions.require_readable(found)
        number = file.version_current + 1
        restored = versions.with_same_pin(found, file=file, version=number, created_by=user)
        execute(versions.set_current_version(file, restored), insert(restored))
        used = quotas.use(user, restored.size)
        entries = [commits.entry_of(restored)]
        changes.record_many(user_id=user.pk, by=user, entries=entries, **used)
        return CommitResult(restored, file, created=True)

    return quotas.when_counted(user, transaction.atomic(restore))


def purge_files(user: User, files: QuerySet[File]) -> bool:
    """Purge the user's `files` and record it; return whether there was one."""
    now = timezone.now()
    # Locked in order by the same statement, as two purges may meet.
    locked = files.select_for_update(no_key=True).order_by("pk").values("pk")
    purged = update_all(
        File.objects.filter(pk__in=locked), purged_at=now, deleted_at=Coalesce("deleted_at", now)
    )
    entries = [Entry(Kind.FILE_PURGED, file_id=pk) for pk in purged]
    changes.record_many(user_id=user.pk, by=user, entries=entries)
    return bool(purged)


def abort_pending(*uploads: QuerySet[Upload]) -> None:
    """Abort those of the uploads that are pending; locked in order first, as purges may meet."""
    # Each by an index of its own, where OR would read the table.
    first, *others = (each.filter(state=Upload.State.PENDING).values("pk") for each in uploads)
    pending = Upload.objects.filter(
        pk__in=first.union(*others) if others else first, state=Upload.State.PENDING
    )
    if lock_in_order(pending):
        pending.update(state=Upload.State.ABORTED)


def _locked(user: User, file_id: UUID) -> File:
    files = File.objects.visible_to(user).present().select_for_update(no_key=True)
    file = files.filter(pk=file_id).first()
    if file is None:
        raise NotFoundError
    return file


def _numbered(file: File, version: int) -> FileVersion:
    found = FileVersion.objects.filter(file=file, version=version).first()
    if found is None:
        raise NotFoundError
    return found
