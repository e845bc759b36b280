"""Collection: deletes from the store what ended uploads and purged versions left, then their rows.

Each step can be repeated: bytes go first, then `collected_at` is set, and the quota given back in
the same transaction. No store call is made in a transaction: what no live row pins is never pinned
again. Rows are locked in the order upload, file, share, user.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Count, Exists, OuterRef, Q, QuerySet

from files.keys import first_id
from files.models import File, FileVersion, Folder, Share, ShareEvent, Upload
from files.services import attempts, quotas
from files.services.garbage import EXPIRY, Run, in_order, pins, remember_days, under_keys
from files.services.retention import trashed_before
from files.services.trees import lock_in_order


def collect_uploads(*, run: Run) -> None:
    """Delete what uploads that were never committed left, once no URL can write it any more."""
    for batch in in_order(_due_uploads(run), "commit_by"):
        uploads = batch if run.dry_run else _ended(run, batch)
        for upload in uploads:
            if upload.multipart_id is not None:
                run.abort_multipart(upload.key, upload.multipart_id)
        keys = [upload.key for upload in uploads]
        kept = run.delete(under_keys(keys, pinned=pins(run, keys)))
        gone = [upload.pk for upload in uploads if upload.key not in kept]
        run.counts["uploads_collected"] += len(gone) if run.dry_run else _collect(run, gone)
        if run.at_limit:
            return


def forget_uploads(*, run: Run) -> None:
    """Delete the rows of uploads that ended `UPLOAD_HISTORY_DAYS` ago.

    One stays until its day is swept for the last time: it says until when its URLs were valid.
    """
    before = run.now - timedelta(days=settings.UPLOAD_HISTORY_DAYS)
    ended = Q(collected_at__lt=before) | Q(
        state=Upload.State.COMMITTED, file_version__created_at__lt=before
    )
    ended &= Q(pk__in=Upload.objects.alias(expiry=EXPIRY).filter(expiry__lt=run.settled_before))
    # Ids are made by time: with this condition the younger rows are not read.
    old = Upload.objects.filter(ended, pk__lt=first_id(before))
    for batch in in_order(old.only("key"), "pk"):
        if not run.dry_run:
            remember_days(upload.key for upload in batch)
            Upload.objects.filter(pk__in=[upload.pk for upload in batch]).delete()
        run.counts["uploads_forgotten"] += len(batch)


def collect_versions(*, run: Run) -> None:
    """Delete the bytes of versions that were purged by themselves `GC_DELAY` ago."""
    due = _due_versions(run).filter(purged_at__lt=run.collected_before)
    for batch in in_order(due, "purged_at"):
        _collect_versions(run, batch)
        if run.at_limit:
            return


def collect_files(*, run: Run) -> None:
    """Delete the bytes of files that were purged `GC_DELAY` ago, and then all their rows."""
    due = File.objects.filter(purged_at__lt=run.collected_before).only("purged_at")
    for files in in_order(due, "purged_at"):
        ids = [file.pk for file in files]
        # Those purged by themselves had their turn.
        rest = _due_versions(run).exclude(purged_at__lt=run.collected_before)
        kept: set[str] = set()
        for batch in in_order(rest.filter(file__in=ids), "pk"):
            kept |= _collect_versions(run, batch)
        finished = _finished(run, ids, kept)
        run.counts["files_removed"] += (
            len(finished) if run.dry_run else _remove(finished, _delete_files)
        )
        if run.at_limit:
            return


def remove_folders(*, run: Run) -> None:
    """Delete the rows of folders that were purged `GC_DELAY` ago, once no file's row names them."""
    due = Folder.objects.filter(purged_at__lt=run.collected_before).only("purged_at")
    for batch in in_order(due, "purged_at"):
        ids = [folder.pk for folder in batch]
        pending = Upload.objects.filter(folder__in=ids, state=Upload.State.PENDING)
        named = {
            *File.objects.filter(folder__in=ids).values_list("folder", flat=True),
            *pending.values_list("folder", flat=True),
        }
        free = [each for each in ids if each not in named]
        run.counts["folders_removed"] += (
            len(free) if run.dry_run else _remove(free, _delete_folders)
        )


def _delete_folders(ids: Sequence[UUID]) -> None:
    """Delete the rows of these folders, which the uploads that were for them forget."""
    uploads = Upload.objects.filter(folder__in=ids).exclude(state=Upload.State.PENDING)
    lock_in_order(uploads)
    uploads.update(folder=None)
    folders = Folder.objects.filter(pk__in=ids)
    folders._raw_delete(folders.db)


def _due_uploads(run: Run) -> QuerySet[Upload]:
    """The uploads that were aborted or have expired, and whose URLs have, by any clock."""
    aborted = Q(state=Upload.State.ABORTED)
    if run.dry_run and (limit := trashed_before(run)) is not None:
        # Retention would have aborted these.
        for what in ("file", "folder"):
            due = {f"{what}__purged_at": None, f"{what}__deleted_at__lt": limit}
            aborted |= Q(state=Upload.State.PENDING, **due)
    return (
        Upload.objects.alias(expiry=EXPIRY)
        .filter(collected_at=None, file_version=None)
        .filter(
            (aborted & Q(expiry__lt=run.expired_before))
            | Q(state=Upload.State.PENDING, commit_by__lt=run.expired_before)
        )
    )


def _ended(run: Run, uploads: Sequence[Upload]) -> list[Upload]:
    """Mark the pending ones of these as aborted; return those that are due by then.

    A commit at the same moment wins or loses here, by the row lock.
    """
    with transaction.atomic():
        due = _due_uploads(run).filter(pk__in=[upload.pk for upload in uploads])
        locked = list(due.select_for_update(no_key=True, of=("self",)).order_by("pk"))
        Upload.objects.filter(
            pk__in=[upload.pk for upload in locked], state=Upload.State.PENDING
        ).update(state=Upload.State.ABORTED)
    return locked


def _collect(run: Run, ids: Collection[UUID]) -> int:
    """Mark uploads whose bytes are gone, and release what was reserved for them."""
    if not ids:
        return 0
    with transaction.atomic():
        rows = Upload.objects.filter(pk__in=ids, collected_at=None)
        locked = list(rows.select_for_update(no_key=True, of=("self",)).order_by("pk"))
        sizes: Counter[UUID] = Counter()
        for upload in locked:
            sizes[upload.user_id] += upload.size if upload.reserved else 0
        rows.update(collected_at=run.now)
        _release(reserved=sizes)
    return len(locked)


def _due_versions(run: Run) -> QuerySet[FileVersion]:
    """Versions whose bytes are not collected, and whose key no URL can write any more."""
    writable = Upload.objects.alias(expiry=EXPIRY).filter(
        key=OuterRef("key"), expiry__gte=run.expired_before
    )
    return FileVersion.objects.filter(~Exists(writable), collected_at=None)


def _collect_versions(run: Run, versions: Sequence[FileVersion]) -> set[str]:
    """Delete the bytes of these versions; return the keys of which some are still there."""
    keys = {version.key for version in versions}
    kept = run.delete(under_keys(keys - run.named_keys, pinned=pins(run, keys)))
    gone = [version.pk for version in versions if version.key not in kept]
    run.counts["versions_collected"] += len(gone)
    if run.dry_run:
        # A run would find nothing there when it comes to the others.
        run.named_keys |= _of_several_versions(keys - kept)
    if run.dry_run or not gone:
        return kept
    with transaction.atomic():
        rows = FileVersion.objects.filter(pk__in=gone, collected_at=None)
        locked = rows.select_for_update(no_key=True, of=("self",)).order_by("pk")
        sizes: Counter[UUID] = Counter()
        for user_id, size in locked.values_list("file__user", "size"):
            sizes[user_id] += size
        rows.update(collected_at=run.now)
        _release(used=sizes)
    return kept


def _of_several_versions(keys: Collection[str]) -> set[str]:
    rows = FileVersion.objects.filter(key__in=keys, collected_at=None).order_by()
    return set(rows.values_list("key", flat=True).annotate(number=Count("pk")).filter(number__gt=1))


def _release(*, used: Mapping[UUID, int] = {}, reserved: Mapping[UUID, int] = {}) -> None:
    for user_id in sorted({*used, *reserved}):
        quotas.release(
            user_id=user_id, used=used.get(user_id, 0), reserved=reserved.get(user_id, 0)
        )


def _finished(run: Run, ids: Sequence[UUID], kept: Collection[str]) -> list[UUID]:
    """Return which of these purged files have neither bytes nor uploads in the store any more.

    In a dry run: which would have none but those under the keys that are `kept`.
    """
    versions = FileVersion.objects.filter(file__in=ids, collected_at=None)
    under_way = Upload.objects.filter(collected_at=None).exclude(state=Upload.State.COMMITTED)
    if run.dry_run:
        due = Exists(_due_versions(run).filter(pk=OuterRef("pk")))
        versions = versions.filter(~due | Q(key__in=kept))
        under_way = under_way.exclude(pk__in=_due_uploads(run).values("pk"))
    unfinished = {
        *versions.values_list("file", flat=True),
        *under_way.filter(file__in=ids).values_list("file", flat=True),
        *under_way.filter(share__file__in=ids).values_list("share__file", flat=True),
    }
    return [each for each in ids if each not in unfinished]


def _remove(ids: Sequence[UUID], delete: Callable[[Sequence[UUID]], None]) -> int:
    """Delete these files or folders, by `delete` in one transaction; return how many went."""
    if not ids:
        return 0
    try:
        with transaction.atomic():
            delete(ids)
    except IntegrityError:
        # An upload began at this moment, for one of them; that one goes when the upload has ended.
        return sum(_remove([each], delete) for each in ids) if len(ids) > 1 else 0
    return len(ids)


def _delete_files(ids: Sequence[UUID]) -> None:
    """Delete all rows of these files."""
    versions = FileVersion.objects.filter(file__in=ids)
    shares = Share.objects.filter(file__in=ids)
    for uploads in (
        Upload.objects.filter(file__in=ids),
        Upload.objects.filter(share__in=shares),
        Upload.objects.filter(file_version__in=versions),
    ):
        # One that began at this moment stays, and its foreign key refuses the rest.
        uploads = uploads.filter(Q(state=Upload.State.COMMITTED) | Q(collected_at__isnull=False))
        remember_days(uploads.values_list("key", flat=True))
        uploads.delete()
    remember_days(versions.values_list("key", flat=True))
    files = File.objects.filter(pk__in=ids)
    list(files.select_for_update().order_by("pk").values("pk"))
    ShareEvent.objects.filter(share__in=shares).delete()
    attempts.forget_wrong_passwords(*shares.values_list("pk", flat=True))
    # Not delete(), which would first read all the rows, to look for others that refer to them.
    for rows in (versions, shares, files):
        rows._raw_delete(rows.db)
