"""Retention: purges what was in the trash for too long, and versions beyond the newest ones.

Only rows are marked. Their bytes are collected `GC_DELAY` later, and never by the same run. Old
changes are deleted.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, F, OuterRef, QuerySet, Subquery

from files.models import Change, File, FileVersion, Folder, Upload, User
from files.models.changes import Entry
from files.services import changes, folder_trash
from files.services.changes import Kind
from files.services.garbage import Run, in_order
from files.services.trees import lock_in_order

_CHANGES_AT_ONCE = 10_000
"""Changes that one statement deletes."""


def trashed_before(run: Run) -> datetime | None:
    """Return before when a file must have been trashed to be purged; None: it never is."""
    return run.now - timedelta(days=settings.TRASH_DAYS) if settings.TRASH_DAYS else None


def purge_trash(*, run: Run) -> None:
    """Purge the folders and files that were in the trash for `TRASH_DAYS`."""
    limit = trashed_before(run)
    if limit is None:
        return
    # Each with all that went there with it: a restore at the same moment finds all of it, or none.
    _purge_folders(run, limit)
    due = File.objects.trashed().filter(deleted_at__lt=limit)
    for batch in in_order(due.only("deleted_at"), "deleted_at"):
        run.counts["files_purged"] += len(batch) if run.dry_run else _purge_files(run, batch, limit)


def purge_old_versions(*, run: Run) -> None:
    """Purge the versions beyond the newest `KEEP_VERSIONS` of each file."""
    keep = settings.KEEP_VERSIONS
    if not keep:
        return
    beyond = FileVersion.objects.filter(
        file=OuterRef("pk"), purged_at=None, version__lte=OuterRef("version_current") - keep
    )
    files = File.objects.filter(Exists(beyond), version_current__gt=keep, purged_at=None)
    for batch in in_order(files.only("created_at"), "pk"):
        if run.dry_run:
            run.counts["versions_purged"] += _beyond(keep, batch).count()
        else:
            run.counts["versions_purged"] += _purge_versions(run, batch, keep)


def _purge_folders(run: Run, limit: datetime) -> None:
    due = Folder.objects.trashed().filter(deleted_at__lt=limit)
    if run.dry_run:
        run.counts["folders_purged"] += due.count()
        return
    alone = due.filter(trashed_with=None).only("user", "deleted_at")
    for batch in in_order(alone, "deleted_at"):
        for folder in batch:
            purged = folder_trash.purge_if_trashed(
                user_id=folder.user_id, folder_id=folder.pk, before=limit, now=run.now
            )
            run.counts["folders_purged"] += purged.folders
            run.counts["files_purged"] += purged.files


def trim_changes(*, run: Run) -> None:
    """Delete the changes that are older than `CHANGES_DAYS`, from the beginning of each feed.

    A later change whose clock was behind stays until all before it go. The newest change always
    stays: it tells which cursors are expired.
    """
    before = run.now - timedelta(days=settings.CHANGES_DAYS)
    oldest = Change.objects.filter(user=OuterRef("pk")).order_by("seq")
    due = User.objects.alias(
        seq=Subquery(oldest.values("seq")[:1]), at=Subquery(oldest.values("at")[:1])
    ).filter(at__lt=before, seq__lt=F("change_seq"))
    for users in in_order(due.only("change_seq"), "pk"):
        for user in users:
            run.counts["changes_trimmed"] += _trim(run, user, before)


def _trim(run: Run, user: User, before: datetime) -> int:
    feed = Change.objects.visible_to(user).order_by("seq").values_list("seq", flat=True)
    first, kept = feed.first(), feed.filter(at__gte=before).first()
    if first is None:
        return 0
    end = user.change_seq if kept is None else min(kept, user.change_seq)
    for begin in range(first, end, _CHANGES_AT_ONCE):
        if not run.dry_run:
            Change.objects.filter(user=user, seq__lt=min(begin + _CHANGES_AT_ONCE, end)).delete()
    return end - first


def _purge_files(run: Run, files: Sequence[File], limit: datetime) -> int:
    """Purge these files unless they were restored, and abort the uploads of new versions."""
    ids = [file.pk for file in files]
    with transaction.atomic():
        uploads = Upload.objects.filter(file__in=ids, state=Upload.State.PENDING)
        lock_in_order(uploads)
        due = File.objects.trashed().filter(pk__in=ids, deleted_at__lt=limit)
        locked = due.select_for_update(no_key=True).order_by("pk")
        owners = dict(locked.values_list("pk", "user"))
        uploads.filter(file__in=owners).update(state=Upload.State.ABORTED)
        File.objects.filter(pk__in=owners).update(purged_at=run.now)
        purged = ((user, Entry(Kind.FILE_PURGED, file_id=pk)) for pk, user in owners.items())
        changes.record_for_owners(by=None, changed=purged)
    return len(owners)


def _purge_versions(run: Run, files: Sequence[File], keep: int) -> int:
    with transaction.atomic():
        # So that no other version is restored from one that is being purged.
        lock_in_order(File.objects.filter(pk__in=[file.pk for file in files]))
        found = list(
            _beyond(keep, files)
            .order_by("file", "version")
            .values_list("pk", "file", "version", "file__user")
        )
        FileVersion.objects.filter(pk__in=[each[0] for each in found]).update(purged_at=run.now)
        purged = (
            (user, Entry(Kind.VERSION_PURGED, file_id=file, version=version))
            for _, file, version, user in found
        )
        changes.record_for_owners(by=None, changed=purged)
    return len(found)


def _beyond(keep: int, files: Sequence[File]) -> QuerySet[FileVersion]:
    return FileVersion.objects.live().filter(
        file__in=files, version__lte=F("file__version_current") - keep
    )
