"""Folders: make, show, list, rename, move; and what a path leads to.

Whoever makes or changes a folder holds the lock of the user's tree. So two moves cannot make a loop
between them, and what is looked at here (the depth, a name that is taken) holds until the commit.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.utils import timezone

from files.exceptions import (
    FolderLoopError,
    FolderTooDeepError,
    NameTakenError,
    NotFoundError,
)
from files.models import File, Folder, User, folders
from files.models.changes import Entry
from files.models.folders import DEPTH_MAX
from files.models.queries import keyset_page
from files.services import changes, trees
from files.services.changes import Kind
from files.services.trees import NOT_GIVEN, FolderId, NotGiven

PathStep = dict[str, Any]


@dataclass(frozen=True)
class PlacedFolder:
    """A folder with its path: `id` and `name` of each folder from the top down to itself."""

    folder: Folder
    path: list[PathStep]


def create_folder(*, user: User, name: str, parent_id: FolderId = None) -> PlacedFolder:
    """Make a folder in another one, or at the top.

    Raises `NotFoundError` (no such parent, or in the trash), `FolderTooDeepError`,
    `NameTakenError`.
    """
    with trees.changing(user.pk):
        above = chain_of(user, parent_id)
        require_depth(len(above) + 1)
        require_free(user, parent_id, name)
        folder = Folder(user=user, parent_id=parent_id, name=name)
        folder.updated_at = folder.created_at
        folder.save(force_insert=True)
        _record(user, Kind.FOLDER_CREATED, folder=folder)
    return placed([*above, folder])


def get_folder(*, user: User, folder_id: UUID) -> PlacedFolder:
    """Return the user's folder, with its path; raises `NotFoundError`, also if it is trashed."""
    return placed(chain_of(user, folder_id))


def list_folders(
    *,
    user: User,
    columns: tuple[str, ...],
    ascending: bool,
    limit: int,
    beyond: tuple[str, UUID] | None,
    trashed: bool = False,
    parent_id: FolderId | NotGiven = NOT_GIVEN,
) -> list[dict[str, Any]]:
    """Return `columns` and the path of the first `limit` folders of a place, by name and id.

    Without `parent_id` that is the top, or, where `trashed`, all that were trashed by themselves.
    Raises `NotFoundError` for a parent that is not there.
    """
    found = Folder.objects.visible_to(user)
    found = found.trashed() if trashed else found.present()
    above: list[Folder] | None = None
    if parent_id is NOT_GIVEN and trashed:
        found = found.filter(trashed_with=None)
    else:
        parent = None if parent_id is NOT_GIVEN else parent_id
        above = _chain(user, parent) if trashed else chain_of(user, parent)
        found = found.filter(parent=parent)
    page = keyset_page(
        found, "name", columns=columns, ascending=ascending, limit=limit, beyond=beyond
    )
    rows: list[dict[str, Any]] = list(page)
    if above is None:
        of_id = folders.chains(user, (row["id"] for row in rows))
        # One that was purged after the first query is listed once more, by itself.
        return [
            row | {"path": path(of_id.get(row["id"], ())) or [_step(row["id"], row["name"])]}
            for row in rows
        ]
    return [row | {"path": [*path(above), _step(row["id"], row["name"])]} for row in rows]


def change_folder(
    *,
    user: User,
    folder_id: UUID,
    name: str | None = None,
    parent_id: FolderId | NotGiven = NOT_GIVEN,
) -> PlacedFolder:
    """Rename the user's folder, or move it with all that is in it, or both.

    Raises `NotFoundError` (folder or parent), `FolderLoopError`, `FolderTooDeepError`,
    `NameTakenError`.
    """
    with trees.changing(user.pk):
        *above, folder = chain_of(user, folder_id)
        renamed = name is not None and name != folder.name
        moved = parent_id is not NOT_GIVEN and parent_id != folder.parent_id
        if parent_id is not NOT_GIVEN and moved:
            above = chain_of(user, parent_id)
            if folder in above:
                raise FolderLoopError
            require_depth(len(above) + folders.height(folder.pk))
            folder.parent_id = parent_id
        if name is not None:
            folder.name = name
        if renamed or moved:
            require_free(user, folder.parent_id, folder.name)
            trees.lock_in_order(Folder.objects.filter(pk=folder.pk))
            folder.updated_at = timezone.now()
            folder.save(update_fields=["name", "parent", "updated_at"])
        kinds = [Kind.FOLDER_RENAMED] * renamed + [Kind.FOLDER_MOVED] * moved
        _record(user, *kinds, folder=folder)
    return placed([*above, folder])


def look_up(*, user: User, names: Sequence[str]) -> PlacedFolder | File | None:
    """Return what the path of these names leads to: a folder, else the newest file of that name.

    None for the top, the path without a name. Raises `NotFoundError`. Two SELECTs at most, however
    long the path is.
    """
    if not names:
        return None
    if len(names) > DEPTH_MAX + 1:
        raise NotFoundError
    found = folders.walk(user, names)
    if len(found) == len(names):
        return placed(found)
    if len(found) < len(names) - 1:
        raise NotFoundError
    parent = found[-1] if found else None
    files = File.objects.visible_to(user).present().filter(folder=parent, name=names[-1])
    newest = files.order_by("-created_at", "-id").first()
    if newest is None:
        raise NotFoundError
    return newest


def chain_of(user: User, folder_id: FolderId) -> list[Folder]:
    """Return the user's present folder with those above it, from the top; of the top itself, [].

    Raises `NotFoundError`.
    """
    chain = _chain(user, folder_id)
    if chain and chain[-1].deleted_at is not None:
        raise NotFoundError
    return chain


def placed(chain: Sequence[Folder]) -> PlacedFolder:
    """Return the last folder of a chain from the top, with its path."""
    return PlacedFolder(chain[-1], path(chain))


def path(chain: Iterable[Folder]) -> list[PathStep]:
    return [_step(folder.pk, folder.name) for folder in chain]


def require_depth(depth: int) -> None:
    if depth > DEPTH_MAX:
        raise FolderTooDeepError


def require_free(user: User, parent_id: FolderId, name: str) -> None:
    """Raise `NameTakenError` if a folder in that place has the name."""
    same = Folder.objects.visible_to(user).present().filter(parent=parent_id, name=name)
    taken = same.values_list("pk", flat=True).first()
    if taken is not None:
        raise NameTakenError(folder_id=taken)


def _record(user: User, *kinds: Kind, folder: Folder) -> None:
    entries = [Entry(kind, folder_id=folder.pk) for kind in kinds]
    changes.record_many(user_id=user.pk, by=user, entries=entries)


def _step(folder_id: UUID, name: str) -> PathStep:
    return {"id": folder_id, "name": name}


def _chain(user: User, folder_id: FolderId) -> list[Folder]:
    if folder_id is None:
        return []
    chain = folders.chains(user, [folder_id]).get(folder_id)
    if chain is None:
        raise NotFoundError
    return chain
