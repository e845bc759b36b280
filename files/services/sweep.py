"""The sweep: goes through the store by day of key, and deletes what nothing else finds.

Late, second and slow PUTs, and keys of nobody. A day is swept once no URL for its keys can be
valid; then once a day for a week, for what a PUT left that had begun in time; then no more.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta

from django.db.models import Q

from files.keys import day_of, first_id
from files.models import FileVersion, SweptDay, Upload
from files.services.garbage import EXPIRY, Run
from files.store import deletion
from files.store.deletion import StoredVersion

_ROOT = "uploads/"
_DAY = timedelta(days=1)
_SWEPT_AGAIN_AFTER = timedelta(hours=20)
"""So that a run once a day, and one that begins a bit early, sweeps such a day again."""


def due_days(*, run: Run, every_day: bool = False) -> list[date]:
    """Return the days in the store to sweep, in order; all that are old enough with `every_day`.

    Otherwise not those of which the database has no row at all: it may be new, or an old dump, and
    the objects another's, or waiting for their rows. They are counted.
    """
    swept = dict(SweptDay.objects.values_list("day", "swept_at"))
    unsettled = _unsettled_days(run)
    days = []
    for day in _stored_days():
        end = _midnight(day) + _DAY
        if end > run.swept_before:
            continue
        before = swept.get(day)
        # Seen from then, it was old enough not to be swept again.
        is_final = before is not None and end < before - (run.now - run.settled_before)
        is_due = before is None or before <= run.now - _SWEPT_AGAIN_AFTER
        if not (every_day or (is_due and (day in unsettled or not is_final))):
            continue
        if every_day or before is not None or _is_known(day):
            days.append(day)
        else:
            run.counts["days_unknown"] += 1
    return days


def sweep(*, run: Run, days: Sequence[date]) -> None:
    """Sweep these days, and then the multipart uploads of the bucket that are as old."""
    for day in days:
        kept: set[str] = set()
        for page in deletion.versions(prefix=f"{_ROOT}{day:%Y/%m/%d}/"):
            kept |= run.delete(_unpinned(run, page))
            if run.at_limit:
                return
        run.counts["days_swept"] += 1
        if not (run.dry_run or kept):
            SweptDay.objects.update_or_create(day=day, defaults={"swept_at": run.now})
    _sweep_multipart_uploads(run)


def _unsettled_days(run: Run) -> set[date]:
    """Return the days of keys that an upload may still, or could lately, write.

    An upload lives for as long as somebody signs URLs for it.
    """
    uploads = Upload.objects.alias(expiry=EXPIRY).filter(
        Q(expiry__gte=run.settled_before)
        | (Q(collected_at=None) & ~Q(state=Upload.State.COMMITTED)),
        created_at__lt=run.swept_before,
    )
    keys = uploads.values_list("key", flat=True).iterator(chunk_size=1000)
    return {day for key in keys if (day := day_of(key))}


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time.min, UTC)


def _is_known(day: date) -> bool:
    ids = {"pk__gte": first_id(_midnight(day)), "pk__lt": first_id(_midnight(day) + _DAY)}
    return any(model.objects.filter(**ids).exists() for model in (Upload, FileVersion))


def _stored_days() -> Iterator[date]:
    for year in deletion.folders(prefix=_ROOT):
        if not (len(year) == 4 and year.isdecimal()):
            continue  # Nothing of ours.
        for month in deletion.folders(prefix=f"{_ROOT}{year}/"):
            for number in deletion.folders(prefix=f"{_ROOT}{year}/{month}/"):
                try:
                    day = datetime.strptime(f"{year}/{month}/{number}", "%Y/%m/%d").date()
                except ValueError:
                    continue
                if f"{day:%Y/%m/%d}" == f"{year}/{month}/{number}":
                    yield day


def _unpinned(run: Run, page: Sequence[StoredVersion]) -> list[StoredVersion]:
    """Return which of these no uncollected row pins, and no upload or purged version waits for."""
    keys = {each.key for each in page}
    # Uploads first: what commits after this has not ended; what has ended is among the versions.
    waiting = _under_way(run, keys)
    rows = FileVersion.objects.filter(key__in=keys, collected_at=None)
    pinned = set()
    for key, version_id, purged_at, file_purged_at in rows.values_list(
        "key", "store_version_id", "purged_at", "file__purged_at"
    ):
        pinned.add((key, version_id))
        if any(at and at < run.collected_before for at in (purged_at, file_purged_at)):
            # Collection deletes all under this key; it failed, or this is a dry run.
            waiting.add(key)
    return [
        each
        for each in page
        if each.key not in waiting and (each.key, each.version_id) not in pinned
    ]


def _under_way(run: Run, keys: Collection[str]) -> set[str]:
    """Return the keys whose upload has not ended, or for which a URL is still valid."""
    rows = Upload.objects.filter(key__in=keys).annotate(expiry=EXPIRY)
    return {
        key
        for key, state, collected_at, expiry in rows.values_list(
            "key", "state", "collected_at", "expiry"
        )
        if (state != Upload.State.COMMITTED and collected_at is None)
        or expiry >= run.expired_before
    }


def _sweep_multipart_uploads(run: Run) -> None:
    for page in deletion.multipart_uploads():
        old = [
            each for each in page if each.begun_at < run.swept_before and each.key.startswith(_ROOT)
        ]
        under_way = _under_way(run, {each.key for each in old})
        for each in old:
            if each.key not in under_way:
                run.abort_multipart(each.key, each.upload_id)
