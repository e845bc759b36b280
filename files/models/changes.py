"""The feed of changes: what happened in a user's drive, in the order in which it was committed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple, Self
from uuid import UUID

from django.db import connection, models
from django.db.models import Q
from django.utils import timezone

from files.models.compiled import Statement, add
from files.models.users import User


class ChangeQuerySet(models.QuerySet["Change"]):
    def visible_to(self, user: User) -> Self:
        """Return the changes of the user's own drive."""
        return self.filter(user=user)


class Change(models.Model):
    """An entry of a user's feed; the numbers `seq` are 1, 2, 3 … in the order of commits.

    What it names may be gone, so its ids are no foreign keys.
    """

    class Kind(models.TextChoices):
        FILE_CREATED = "file-created"
        VERSION_ADDED = "version-added"
        FILE_RENAMED = "file-renamed"
        FILE_MOVED = "file-moved"
        FILE_TRASHED = "file-trashed"
        FILE_RESTORED = "file-restored"
        FILE_PURGED = "file-purged"
        VERSION_PURGED = "version-purged"
        FOLDER_CREATED = "folder-created"
        FOLDER_RENAMED = "folder-renamed"
        FOLDER_MOVED = "folder-moved"
        FOLDER_TRASHED = "folder-trashed"
        FOLDER_RESTORED = "folder-restored"
        FOLDER_PURGED = "folder-purged"
        SHARE_CREATED = "share-created"
        SHARE_CHANGED = "share-changed"
        SHARE_REVOKED = "share-revoked"

    id = models.BigAutoField(primary_key=True)
    user = models.ForeignKey(
        User,
        on_delete=models.CASCADE,
        related_name="changes",
        db_index=False,
        help_text="Whose drive it is.",
    )
    seq = models.BigIntegerField()
    at = models.DateTimeField(default=timezone.now)
    kind = models.CharField(max_length=15, choices=Kind)
    file_id = models.UUIDField(null=True, blank=True, help_text="Of a share: its file.")
    folder_id = models.UUIDField(null=True, blank=True)
    version = models.BigIntegerField(null=True, blank=True)
    by_user = models.ForeignKey(
        User,
        null=True,
        blank=True,
        on_delete=models.DO_NOTHING,
        related_name="+",
        db_index=False,
        db_constraint=False,
        help_text="Null where it was done through a share, or by the collector.",
    )
    by_share_id = models.UUIDField(null=True, blank=True)

    objects = ChangeQuerySet.as_manager()

    class Meta:
        db_table = "changes"
        constraints = (
            models.UniqueConstraint(fields=["user", "seq"], name="changes_number"),
            models.CheckConstraint(condition=Q(seq__gte=1), name="changes_seq_min"),
            models.CheckConstraint(
                condition=(
                    Q(file_id__isnull=False, folder_id=None)
                    | Q(file_id=None, folder_id__isnull=False)
                ),
                name="changes_one_subject",
            ),
            models.CheckConstraint(
                condition=Q(by_user=None) | Q(by_share_id=None), name="changes_one_maker"
            ),
        )

    def __str__(self) -> str:
        return f"{self.seq} {self.kind}"


class Entry(NamedTuple):
    """What one entry of the feed says; a file's id or a folder's, and never both."""

    kind: Change.Kind
    file_id: UUID | None = None
    folder_id: UUID | None = None
    version: int | None = None


def append(
    user_id: UUID,
    entries: Sequence[Entry],
    *,
    at: datetime,
    by_user: UUID | None,
    by_share: UUID | None,
    **counters: int,
) -> tuple[Statement, Statement]:
    """Return the statements that number the entries by the user's counter, and insert them.

    To be executed together. `counters` are added to those columns of the user's row, too.
    """
    counting = add(User, user_id, change_seq=len(entries), **counters)
    time = connection.ops.adapt_datetimefield_value(at)
    if connection.vendor == "postgresql":
        counting = Statement(f"{counting.sql} RETURNING change_seq", counting.params, "numbered")
        common = (user_id, time, by_user, by_share)
        if len(entries) == 1:
            # As all but a few are, a commit's too: arrays would take it a fifth longer.
            return counting, Statement(_INSERT_ONE_POSTGRESQL, (*common, *entries[0]))
        columns = [list(column) for column in zip(*entries, strict=True)]
        return counting, Statement(_INSERT_POSTGRESQL, (*common, len(entries), *columns))
    rows = json.dumps([(kind, _hex(file), _hex(folder), n) for kind, file, folder, n in entries])
    owner, maker, share = map(_hex, (user_id, by_user, by_share))
    params = (owner, time, maker, share, len(entries), rows, owner)
    return counting, Statement(_INSERT_SQLITE, params)


def _hex(identifier: UUID | None) -> str | None:
    return None if identifier is None else identifier.hex


_COLUMNS = "user_id, at, by_user_id, by_share_id, seq, kind, file_id, folder_id, version"
_INSERT_ONE_POSTGRESQL = f"""
INSERT INTO changes ({_COLUMNS})
SELECT %s::uuid, %s::timestamptz, %s::uuid, %s::uuid, change_seq, %s, %s::uuid, %s::uuid, %s::bigint
FROM numbered
"""  # noqa: S608
_INSERT_POSTGRESQL = f"""
INSERT INTO changes ({_COLUMNS})
SELECT %s::uuid, %s::timestamptz, %s::uuid, %s::uuid, change_seq - %s + place,
    kind, file_id, folder_id, version
FROM numbered, unnest(%s::varchar[], %s::uuid[], %s::uuid[], %s::bigint[])
    WITH ORDINALITY AS entry (kind, file_id, folder_id, version, place)
"""  # noqa: S608
_INSERT_SQLITE = f"""
INSERT INTO changes ({_COLUMNS})
SELECT %s, %s, %s, %s, change_seq - %s + 1 + key,
    json_extract(value, '$[0]'), json_extract(value, '$[1]'),
    json_extract(value, '$[2]'), json_extract(value, '$[3]')
FROM users, json_each(%s) WHERE users.id = %s
"""  # noqa: S608
