"""What the service holds, for its operator: by user for the prompt, in figures for the admin.

The database sums up; nothing here holds more than a row for each user at a time. The admin's
figures read whole tables, so each has a time limit and is remembered for a minute.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, TypeVar

from django.conf import settings
from django.db import Error
from django.db.models import Count, F, Q, QuerySet, Sum
from django.db.models.functions import Now, TruncDate
from django.utils import timezone

from files.models import FileVersion, Integrity, Upload, User
from remotedrive.database.limits import no_statement_timeout, time_limit
from remotedrive.waiting import others_run

ResultT = TypeVar("ResultT")

DAYS = 30
OWNERS = 10
EXPIRED = "expired"
"""What an upload is called that is pending in the table, and too late to be committed."""
REMEMBERED_SECONDS = 60.0
PAGE_SECONDS = 5.0
"""What all figures of a page may take."""
FIGURE_SECONDS = 2.5
"""What the statements of a figure may take, so that one figure does not take it from all others."""

WAITING_UPLOADS = Q(collected_at=None) & (
    Q(state=Upload.State.ABORTED) | Q(state=Upload.State.PENDING, commit_by__lte=Now())
)
"""Uploads that have ended without a commit, and whose bytes may be in the store."""


@dataclass(frozen=True)
class Amount:
    """How many, and the bytes of all together."""

    number: int
    size: int


@dataclass(frozen=True)
class Owner:
    """A user, and the versions of the user's files whose bytes are not collected."""

    user: User
    stored: Amount


@dataclass(frozen=True)
class UserUsage:
    """What a user has in the store; `quota` is the one that applies (bytes), None for no limit.

    `files`: not purged, those in the trash included. `versions` and `size`: until the bytes are
    collected, as a quota counts them.
    """

    subject: str
    files: int
    versions: int
    size: int
    quota: int | None


def usage_by_user() -> Iterator[UserUsage]:
    """Yield the usage of every user, the most bytes first; takes as long as it needs."""
    with no_statement_timeout():
        for row in _by_user().iterator(chunk_size=1000):
            yield _usage(row)


def _by_user() -> QuerySet[User, tuple[Any, ...]]:
    stored = Q(files__versions__collected_at=None)
    # Of each file that is not purged there is one newest version, so files need no count of
    # different ones.
    newest = Q(files__purged_at=None, files__versions__version=F("files__version_current"))
    return (
        User.objects.annotate(
            file_count=Count("files__versions", filter=newest),
            version_count=Count("files__versions", filter=stored),
            stored=Sum("files__versions__size", filter=stored, default=0),
        )
        .order_by("-stored", "subject")
        .values_list(*("subject", "file_count", "version_count", "stored", "quota_bytes"))
    )


def _usage(row: tuple[Any, ...]) -> UserUsage:
    subject, files, versions, stored, quota = row
    quota = settings.DEFAULT_QUOTA if quota is None else quota
    return UserUsage(subject, files, versions, int(stored), quota)


class _Figures:
    """Remembers figures; one is computed at a time, whoever asks."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[str, tuple[float, Any]] = {}

    def get(self, name: str, compute: Callable[[], ResultT], until: float) -> ResultT | None:
        """Return the figure, or None if the database did not give it in time.

        `until`: the monotonic time after which nothing more is asked.
        """
        with others_run():
            self._lock.acquire()
        try:
            valid_until, value = self._known.get(name, (0.0, None))
            now = time.monotonic()
            if now >= valid_until:
                if now >= until:
                    return None
                value = self._computed(compute, min(FIGURE_SECONDS, until - now))
                # A failure, too: it would take as long the next time.
                self._known[name] = time.monotonic() + REMEMBERED_SECONDS, value
            result: ResultT | None = value
            return result
        finally:
            self._lock.release()

    def _computed(self, compute: Callable[[], ResultT], seconds: float) -> ResultT | None:
        try:
            with time_limit(seconds):
                return compute()
        except Error:
            return None


_figures = _Figures()


def _figure(compute: Callable[[], ResultT]) -> Callable[[float], ResultT | None]:
    """Make a function a figure: remembered for a minute, None if it is not to be had in time.

    It takes the monotonic time at which its page has no time left.
    """

    def figure(until: float) -> ResultT | None:
        return _figures.get(compute.__name__, compute, until)

    figure.__doc__ = compute.__doc__
    return figure


@_figure
def uploads_by_state() -> dict[str, int]:
    """Return how many uploads are in each state; of those pending, the `expired` apart."""
    expired = Count("pk", filter=Q(commit_by__lte=Now()))
    counted = Upload.objects.values_list("state").annotate(number=Count("pk"), late=expired)
    found = {state: (number, late) for state, number, late in counted.order_by()}
    states = {state.value: found.get(state.value, (0, 0))[0] for state in Upload.State}
    late = found.get(Upload.State.PENDING.value, (0, 0))[1]
    states[Upload.State.PENDING.value] -= late
    return states | {EXPIRED: late}


@_figure
def committed_by_day() -> dict[date, Amount]:
    """Return the versions made on each of the last 30 days (UTC), today the last."""
    today = timezone.now().astimezone(UTC).date()
    first = today - timedelta(days=DAYS - 1)
    counted = (
        FileVersion.objects.filter(created_at__gte=datetime(*first.timetuple()[:3], tzinfo=UTC))
        .values_list(TruncDate("created_at", tzinfo=UTC))
        .annotate(Count("pk"), Sum("size"))
        .order_by()
    )
    found = {day: Amount(number, int(size)) for day, number, size in counted}
    days = (first + timedelta(days=each) for each in range(DAYS))
    return {day: found.get(day, Amount(0, 0)) for day in days}


@_figure
def biggest_owners() -> list[Owner]:
    """Return the ten users with the most bytes."""
    # Without the users' own columns it is summed up by several processes of PostgreSQL.
    counted = (
        FileVersion.objects.filter(collected_at=None)
        .values_list("file__user")
        .annotate(number=Count("pk"), stored=Sum("size"))
        .order_by("-stored", "file__user")[:OWNERS]
    )
    found = {user_id: Amount(number, int(stored)) for user_id, number, stored in counted}
    users = User.objects.in_bulk(list(found))
    return [Owner(users[user_id], stored) for user_id, stored in found.items() if user_id in users]


@_figure
def doubtful_versions() -> dict[str, Amount]:
    """Return the stored versions whose integrity is `declared` or `corrupt`."""
    doubtful = (Integrity.DECLARED.value, Integrity.CORRUPT.value)
    counted = (
        FileVersion.objects.filter(integrity__in=doubtful, collected_at=None)
        .values_list("integrity")
        .annotate(Count("pk"), Sum("size"))
        .order_by()
    )
    found = {integrity: Amount(number, int(size)) for integrity, number, size in counted}
    return {integrity: found.get(integrity, Amount(0, 0)) for integrity in doubtful}


@_figure
def waiting_versions() -> Amount:
    """Return the versions that are purged, alone or with their file, and not collected."""
    # One condition for both would have every version read; each of these has an index.
    stored = FileVersion.objects.filter(collected_at=None)
    alone = _amount(stored.filter(purged_at__isnull=False))
    with_file = _amount(stored.filter(purged_at=None, file__purged_at__isnull=False))
    return Amount(alone.number + with_file.number, alone.size + with_file.size)


@_figure
def waiting_uploads() -> Amount:
    """Return the uploads that ended without a commit and are not collected; the declared sizes."""
    return _amount(Upload.objects.filter(WAITING_UPLOADS))


def _amount(rows: QuerySet[Any]) -> Amount:
    found = rows.aggregate(number=Count("pk"), size=Sum("size", default=0))
    return Amount(found["number"], int(found["size"]))
