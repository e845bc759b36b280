"""The feed of changes: written in the transaction of each change, as its last lock.

A number is `users.change_seq + 1`, taken under the lock of the user's row, which is held until the
commit: so the order of numbers is the order of commits, and whoever has read up to a number never
misses a smaller one. Only what does not wait for another row may follow in the same transaction.

The collector trims a feed from its beginning, but never its newest entry: by that entry every
cursor can be told to be current, expired, or none.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.transaction import TransactionManagementError
from django.utils import timezone

from files.exceptions import ChangesExpiredError, InvalidError, NotFoundError
from files.models import Change, Share, User, queries
from files.models.changes import Entry, append
from files.models.compiled import Statement, execute

Kind = Change.Kind
Maker = User | Share | None
"""Who made a change: the user, whoever came through the share, or None for the collector."""


@dataclass(frozen=True)
class ChangesPage:
    """Entries in their order, the cursor after them, and whether there are more by now."""

    entries: Sequence[dict[str, Any]]
    next: int
    has_more: bool


def list_changes(*, user: User, columns: tuple[str, ...], after: int, limit: int) -> ChangesPage:
    """Return `columns`, with `seq`, of the first `limit` of the user's changes beyond `after`.

    `after` is the number of the last change that the caller knows, 0 for none: one SELECT. Raises
    `ChangesExpiredError` when the change after it was trimmed, `InvalidError` when there is no
    change of that number yet.
    """
    # From the known one on: where it is the newest, it shows that nothing is missing.
    page = queries.changes_page(columns, limit=limit + 2).all(user=user, first=after)
    if page and page[0]["seq"] == after:
        page = page[1:]
    elif page and page[0]["seq"] != after + 1:
        raise ChangesExpiredError
    elif not page and after:
        raise InvalidError("after", "There is no change of this number yet.")
    entries = page[:limit]
    newest = entries[-1]["seq"] if entries else after
    return ChangesPage(entries, next=newest, has_more=len(page) > limit)


def latest(*, user: User) -> int:
    """Return the number of the user's newest change, 0 where there is none.

    Raises `NotFoundError` for a user who is deleted.
    """
    newest = User.objects.filter(pk=user.pk).values_list("change_seq", flat=True).first()
    if newest is None:
        raise NotFoundError
    return newest


def record(
    *,
    user_id: UUID,
    kind: Change.Kind,
    by: Maker,
    file_id: UUID | None = None,
    folder_id: UUID | None = None,
    version: int | None = None,
) -> None:
    """Add one entry to the feed of the user, in the current transaction; locks the user's row."""
    record_many(user_id=user_id, by=by, entries=[Entry(kind, file_id, folder_id, version)])


def record_many(*, user_id: UUID, by: Maker, entries: Sequence[Entry], **counters: int) -> None:
    """Add entries to the feed of the user in their order, as `record` does one; none is fine.

    `counters` are added to those columns of the user's row.
    """
    if entries:
        statements = recorded(
            user_id=user_id,
            by_user=by.pk if isinstance(by, User) else None,
            by_share=by.pk if isinstance(by, Share) else None,
            entries=entries,
            **counters,
        )
        execute(*statements)


def record_for_owners(*, by: Maker, changed: Iterable[tuple[UUID, Entry]]) -> None:
    """Add each entry to the feed of the user before it; the users' rows are locked in order."""
    entries: defaultdict[UUID, list[Entry]] = defaultdict(list)
    for user_id, entry in changed:
        entries[user_id].append(entry)
    for user_id in sorted(entries):
        record_many(user_id=user_id, by=by, entries=entries[user_id])


def recorded(
    *,
    user_id: UUID,
    by_user: UUID | None,
    by_share: UUID | None,
    entries: Sequence[Entry],
    **counters: int,
) -> tuple[Statement, ...]:
    """Return the statements that record these, to be executed as the last ones with others."""
    if not connection.in_atomic_block:
        raise TransactionManagementError("a change is recorded in the transaction that makes it")
    return append(
        user_id, entries, at=timezone.now(), by_user=by_user, by_share=by_share, **counters
    )
