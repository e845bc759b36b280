"""Folders: the places of a user's files, and the recursive queries on their tree."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Self
from uuid import UUID

from django.db import connection, models
from django.db.models import Q
from django.db.models.expressions import RawSQL
from django.utils import timezone

from files.keys import new_id
from files.models.files import NAME_LENGTH
from files.models.trash import PRESENT, TRASHED, TrashQuerySet
from files.models.users import User

DEPTH_MAX = 32
"""Folders in a path."""


class FolderQuerySet(TrashQuerySet["Folder"]):
    def from_here(self, top: UUID) -> Self:
        """Return the folder `top` and all that are below it, present or not.

        Above what is present everything is: so the present ones among them are a tree, too.
        """
        return self.filter(pk__in=tree(top))


class Folder(models.Model):
    """A named place of a user's, inside another one or at the top."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="folders", db_index=False)
    parent = models.ForeignKey(
        "self",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="children",
        help_text="Null: the top.",
    )
    name = models.CharField(max_length=NAME_LENGTH)
    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(default=timezone.now)
    deleted_at = models.DateTimeField(null=True, blank=True)
    trashed_with = models.UUIDField(
        null=True, blank=True, help_text="The folder with which this one went to the trash."
    )
    purged_at = models.DateTimeField(null=True, blank=True)

    objects = FolderQuerySet.as_manager()

    class Meta:
        db_table = "folders"
        indexes = (
            models.Index(
                fields=["user", "name", "id"],
                condition=TRASHED & Q(trashed_with=None, purged_at=None),
                name="folders_trash",
            ),
            models.Index(
                fields=["deleted_at"],
                condition=TRASHED & Q(purged_at=None),
                name="folders_trash_age",
            ),
            models.Index(
                fields=["purged_at"], condition=Q(purged_at__isnull=False), name="folders_purged"
            ),
        )
        constraints = (
            # On PostgreSQL the column has the collation C: names are in the order of code points.
            models.UniqueConstraint(
                fields=["user", "parent", "name"],
                condition=PRESENT & Q(parent__isnull=False),
                name="folders_name",
            ),
            models.UniqueConstraint(
                fields=["user", "name"],
                condition=PRESENT & Q(parent=None),
                name="folders_name_at_top",
            ),
            models.CheckConstraint(
                condition=Q(purged_at=None) | Q(deleted_at__isnull=False),
                name="folders_purged_not_present",
            ),
            models.CheckConstraint(
                condition=Q(trashed_with=None) | Q(deleted_at__isnull=False),
                name="folders_trashed_with_not_present",
            ),
        )

    def __str__(self) -> str:
        return self.name


def tree(top: UUID) -> RawSQL:
    """Return the ids of the folder `top` and of all below it, as a subquery."""
    return RawSQL(_TREE, [_adapted(top)], output_field=models.UUIDField())  # noqa: S611


def chains(user: User, ids: Iterable[UUID]) -> dict[UUID, list[Folder]]:
    """Return, by its id, each of these folders of the user with those that it is in: one SELECT.

    Each list begins at the top and ends with the folder. One that the user may not see is left out.
    """
    start = list(dict.fromkeys(ids))
    if not start:
        return {}
    sql = _CHAINS.format(start=", ".join(["%s"] * len(start)))
    found: dict[UUID, list[Folder]] = {}
    rows: Iterable[Any] = Folder.objects.raw(sql, [_adapted(user.pk), *map(_adapted, start)])
    for folder in rows:
        # A column of no model, so SQLite gives it as text.
        found.setdefault(UUID(str(folder.start)), []).append(folder)
    return found


def height(top: UUID, *, trashed_with: UUID | None = None) -> int:
    """Return how many folders the longest path down from `top` has, itself included.

    Only present folders count below it, and those that went to the trash with `trashed_with`.
    """
    mark = None if trashed_with is None else _adapted(trashed_with)
    with connection.cursor() as cursor:
        cursor.execute(_HEIGHT, [_adapted(top), mark])
        return int(cursor.fetchone()[0])


def walk(user: User, names: Sequence[str]) -> list[Folder]:
    """Return the user's present folders with these names, each in the one before: one SELECT.

    The list ends where there is no folder of that name.
    """
    values = ", ".join(["(%s, %s)"] * len(names))
    params = [each for step, name in enumerate(names, start=1) for each in (step, name)]
    owner = _adapted(user.pk)
    return list(Folder.objects.raw(_WALK.format(values=values), [*params, owner, owner]))


def _adapted(identifier: UUID) -> UUID | str:
    return identifier if connection.features.has_native_uuid_field else identifier.hex


_COLUMNS = (
    "id, user_id, parent_id, name, created_at, updated_at, deleted_at, trashed_with, purged_at"
)
_OF_F = ", ".join(f"f.{name}" for name in _COLUMNS.split(", "))

_TREE = """
WITH RECURSIVE tree (id) AS (
    SELECT id FROM folders WHERE id = %s
    UNION ALL
    SELECT f.id FROM folders f JOIN tree ON f.parent_id = tree.id WHERE f.purged_at IS NULL
) SELECT id FROM tree
"""

_HEIGHT = """
WITH RECURSIVE tree (id, depth) AS (
    SELECT id, 1 FROM folders WHERE id = %s
    UNION ALL
    SELECT f.id, depth + 1 FROM folders f JOIN tree ON f.parent_id = tree.id
    WHERE f.purged_at IS NULL AND (f.deleted_at IS NULL OR f.trashed_with = %s)
) SELECT max(depth) FROM tree
"""

_CHAINS = f"""
WITH RECURSIVE chain AS (
    SELECT {_COLUMNS}, id AS start, 0 AS up FROM folders
    WHERE user_id = %s AND purged_at IS NULL AND id IN ({{start}})
    UNION ALL
    SELECT {_OF_F}, chain.start, chain.up + 1
    FROM folders f JOIN chain ON f.id = chain.parent_id
) SELECT * FROM chain ORDER BY start, up DESC
"""  # noqa: S608

_WALK = f"""
WITH RECURSIVE names (step, name) AS (VALUES {{values}}), walk AS (
    SELECT {_OF_F}, names.step FROM folders f JOIN names ON f.name = names.name
    WHERE names.step = 1 AND f.user_id = %s AND f.parent_id IS NULL AND f.deleted_at IS NULL
    UNION ALL
    SELECT {_OF_F}, names.step
    FROM walk JOIN names ON names.step = walk.step + 1
    JOIN folders f ON f.parent_id = walk.id AND f.name = names.name
    WHERE f.user_id = %s AND f.deleted_at IS NULL
) SELECT * FROM walk ORDER BY step
"""  # noqa: S608
