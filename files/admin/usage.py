"""The figures on the admin's first page: what each says, to whom, and how long its bars are.

Who may not view a table gets no figure of it. Subjects are shown to those who may view users, but
those of superusers only to superusers, as in the list of users.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest

from files.models import FileVersion, Upload, User
from files.services import usage
from files.services.usage import Amount
from remotedrive.sizes import written_size

BAR_LENGTH = 100
"""The longest bar, in units of its picture."""


@dataclass(frozen=True)
class Row:
    """One line of a figure: its name, what it comes to, and the length of its bar."""

    label: str
    value: str
    length: float
    offset: int = 0
    """Where its column begins, in a figure of columns."""


@dataclass(frozen=True)
class Figure:
    """A table and its picture; `rows` is None where the database did not give them in time."""

    name: str
    title: str
    note: str
    rows: Sequence[Row] | None
    in_columns: bool = False
    width: int = field(default=BAR_LENGTH)


def figures(request: HttpRequest) -> list[Figure]:
    """Return the figures that whoever asks may see."""
    sees_uploads, sees_versions = _may_view(Upload, request), _may_view(FileVersion, request)
    until = time.monotonic() + usage.PAGE_SECONDS
    found = []
    if sees_uploads:
        found.append(_uploads(until))
    if sees_versions:
        found += [_days(until), _owners(request, until), _doubtful(until)]
    if sees_uploads or sees_versions:
        found.append(_waiting(sees_versions, sees_uploads, until))
    return found


def _may_view(table: type[Model], request: HttpRequest) -> bool:
    return admin.site.get_model_admin(table).has_view_permission(request)


def _uploads(until: float) -> Figure:
    states = usage.uploads_by_state(until)
    rows = None if states is None else _rows([(s, str(n), n) for s, n in states.items()])
    note = "Those that ended are forgotten some time after (UPLOAD_HISTORY_DAYS)."
    return Figure("uploads", "Uploads by state", note, rows)


def _days(until: float) -> Figure:
    days = usage.committed_by_day(until)
    rows = None
    if days is not None:
        shown = [(day.isoformat(), _written(amount), amount.size) for day, amount in days.items()]
        rows = _rows(shown)
    note = "By days in UTC; restored and copied versions are counted, too."
    width = usage.DAYS * 10
    return Figure("days", "Committed, by day", note, rows, in_columns=True, width=width)


def _owners(request: HttpRequest, until: float) -> Figure:
    owners = usage.biggest_owners(until)
    rows = None
    if owners is not None:
        sees_users = _may_view(User, request)
        sees_all = isinstance(request.user, User) and request.user.is_superuser
        shown = []
        for place, owner in enumerate(owners, start=1):
            is_seen = sees_all or (sees_users and not owner.user.is_superuser)
            name = owner.user.subject if is_seen else f"no. {place}"
            shown.append((name, _written(owner.stored), owner.stored.size))
        rows = _rows(shown)
    return Figure("owners", "Biggest owners", "The ten with the most bytes in the store.", rows)


def _doubtful(until: float) -> Figure:
    versions = usage.doubtful_versions(until)
    rows = None
    if versions is not None:
        rows = _rows([(name, _written(each), each.number) for name, each in versions.items()])
    note = "Declared: verify_checksums will check them. Corrupt: restore them from a backup."
    return Figure("integrity", "Versions to be checked, or corrupt", note, rows)


def _waiting(sees_versions: bool, sees_uploads: bool, until: float) -> Figure:
    amounts = {}
    if sees_versions:
        amounts["versions"] = usage.waiting_versions(until)
    if sees_uploads:
        amounts["uploads"] = usage.waiting_uploads(until)
    rows = None
    known = {what: amount for what, amount in amounts.items() if amount is not None}
    if len(known) == len(amounts):
        names = {"versions": "purged versions", "uploads": "ended uploads"}
        rows = _rows([(names[k], _written(each, k), each.size) for k, each in known.items()])
    note = "What the collector will delete; of uploads the declared bytes."
    return Figure("waiting", "Waiting to be collected", note, rows)


def _written(amount: Amount, what: str = "versions") -> str:
    return f"{amount.number} {what}, {written_size(amount.size)}"


def _rows(shown: Sequence[tuple[str, str, int]]) -> list[Row]:
    """Return rows of (label, value, what the bar is to be as long as)."""
    longest: Any = max((number for _, _, number in shown), default=0) or 1
    return [
        Row(label, value, round(number * BAR_LENGTH / longest, 1), 10 * place)
        for place, (label, value, number) in enumerate(shown)
    ]
