"""The tree of a user's folders: its lock, and the places that files and folders are put into.

Whoever changes the tree locks it first, then rows in the order upload, folder, file, share, user,
those of one table by id. What only goes into a folder locks that folder's row, so that the folder
is not trashed at the same moment.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum, auto
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction
from django.db.models import QuerySet

from files.exceptions import FolderTrashedError, NotFoundError
from files.models import Folder, User, queries
from files.places import Places
from remotedrive.made_once import made_once


class NotGiven(Enum):
    """Stands for an argument that was left out, where None is a value."""

    NOT_GIVEN = auto()


NOT_GIVEN = NotGiven.NOT_GIVEN
FolderId = UUID | None
"""The id of a folder, or None for the top."""


@contextmanager
def changing(user_id: UUID) -> Iterator[None]:
    """Run the block as one transaction, that of the only one who changes the user's tree.

    On SQLite a transaction is such a lock by itself: it begins as a writing one, and there is only
    one at a time. Only a quarter of the threads may wait for these locks, and half of them for the
    same one. Raises `BusyError`.
    """
    with _turns().hold({user_id: max(1, settings.THREADS // 8)}), transaction.atomic():
        if connection.vendor == "postgresql":
            # The second half of an id is random.
            key = int.from_bytes(user_id.bytes[8:], signed=True)
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_xact_lock(%s)", [key])
        yield


@made_once
def _turns() -> Places:
    total = max(1, settings.THREADS // 4)
    return Places(total, waiting=total)


def lock_in_order(rows: QuerySet[Any]) -> list[UUID]:
    """Lock all of `rows`, by id; return their ids."""
    locking = rows.select_for_update(no_key=True, of=("self",)).order_by("pk")
    return list(locking.values_list("pk", flat=True))


def require_present(user: User, folder_id: FolderId) -> None:
    """Raise `NotFoundError` unless it is the top, or a folder of the user's that is present."""
    if folder_id is not None and queries.PRESENT_FOLDER.one(user=user, folder=folder_id) is None:
        raise NotFoundError


def lock_present(user: User, folder_id: FolderId) -> None:
    """Lock the folder's row, so that it is not trashed; raises as `require_present`."""
    if not try_to_lock_present(user, folder_id):
        raise NotFoundError


def try_to_lock_present(user: User, folder_id: FolderId) -> bool:
    """Lock the folder's row as `lock_present` does; return whether it is present."""
    if folder_id is None:
        return True
    folder = queries.LOCKED_FOLDER.one(user=user, folder=folder_id)
    return folder is not None and folder.deleted_at is None


def require_folder(folder: Folder | None, folder_id: FolderId | NotGiven) -> None:
    """Raise `FolderTrashedError` unless a commit may put its file into the user's `folder`.

    Where the commit names it by `folder_id` itself, one that is not there is `NotFoundError`;
    otherwise it was there when the upload began.
    """
    if folder is None or folder.purged_at is not None:
        raise FolderTrashedError if folder_id is NOT_GIVEN else NotFoundError
    if folder.deleted_at is not None:
        raise FolderTrashedError
