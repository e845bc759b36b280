"""The queries of the hot paths, each compiled once and with no more columns than are used.

A test holds each of them against the ORM's. What is someone's own is reached through
`visible_to(user)` here, too.
"""

from __future__ import annotations

from datetime import datetime
from enum import Enum, auto
from functools import cache
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet

from files.models.changes import Change
from files.models.compiled import CompiledQuery
from files.models.files import AT_TOP, File, FileVersion
from files.models.folders import Folder
from files.models.shares import Share
from files.models.uploads import Upload
from files.models.users import User


def _downloaded(user: User, file: UUID) -> QuerySet[FileVersion]:
    """The versions of a file, with what a download shows and signs."""
    versions = FileVersion.objects.visible_to(user).filter(file=file).select_related("file")
    return versions.only(
        "version",
        "key",
        "store_version_id",
        "size",
        "content_type",
        "checksum",
        "integrity",
        "purged_at",
        "file__name",
    )


NEWEST_VERSION = CompiledQuery(
    lambda user, file: _downloaded(user, file).newest(),  # type: ignore[attr-defined]
    user=User,
    file=UUID,
)
NUMBERED_VERSION = CompiledQuery(
    lambda user, file, version: _downloaded(user, file).filter(version=version),
    user=User,
    file=UUID,
    version=int,
)


def _committed(uploads: QuerySet[Upload], key: str) -> QuerySet[Upload]:
    """The upload of a key, with what its commit looks at, or shows again if it is the second."""
    return (
        uploads.filter(key=key)
        .select_related("file", "folder", "file_version__file")
        .only(
            "user",
            "share",
            "key",
            "filename",
            "folder__deleted_at",
            "folder__purged_at",
            "content_type",
            "size",
            "checksum",
            "multipart_id",
            "part_size",
            "read_version_id",
            "read_checksum",
            "state",
            "commit_by",
            "file__deleted_at",
            "file__purged_at",
            *(f"file_version__{name}" for name in ("version", "key", "size", "content_type")),
            *(f"file_version__{name}" for name in ("checksum", "integrity", "created_at")),
            "file_version__purged_at",
            "file_version__file__name",
            "file_version__file__purged_at",
        )
    )


UPLOAD_OF_USER = CompiledQuery(
    lambda user, key: _committed(Upload.objects.visible_to(user), key), user=User, key=str
)
UPLOAD_THROUGH_SHARE = CompiledQuery(
    lambda share, key: _committed(Upload.objects.through(share), key), share=Share, key=str
)

LOCKED_UPLOAD = CompiledQuery(
    lambda upload: (
        Upload.objects.select_for_update(no_key=True, of=("self",))
        .filter(pk=upload)
        .select_related("user")
        .only(
            *("state", "commit_by", "file_version", "file", "folder", "base_version", "reserved"),
            "user__bytes_used",
        )
    ),
    upload=UUID,
)
LOCKED_FILE = CompiledQuery(
    lambda file: (
        File.objects.select_for_update(no_key=True)
        .filter(pk=file)
        .only("name", "version_current", "deleted_at", "purged_at")
    ),
    file=UUID,
)

PRESENT_FOLDER = CompiledQuery(
    lambda user, folder: Folder.objects.visible_to(user).present().filter(pk=folder).only("name"),
    user=User,
    folder=UUID,
)
LOCKED_FOLDER = CompiledQuery(
    # Also a purged one: an upload may have begun while it was there.
    lambda user, folder: (
        Folder.objects.select_for_update(no_key=True)
        .filter(user=user, pk=folder)
        .only("deleted_at", "purged_at")
    ),
    user=User,
    folder=UUID,
)


@cache
def changes_page(columns: tuple[str, ...], *, limit: int) -> CompiledQuery[dict[str, Any]]:
    """The first `limit` of a user's changes whose number is `first` or more."""

    def build(user: User, first: int) -> Any:
        changes = Change.objects.visible_to(user).filter(seq__gte=first)
        return changes.order_by("seq").values(*columns)[:limit]

    return CompiledQuery(build, user=User, first=int)


def keyset_page(
    rows: QuerySet[Any],
    by: str,
    *,
    columns: tuple[str, ...],
    ascending: bool,
    limit: int,
    beyond: tuple[Any, UUID] | None,
) -> Any:
    """Return `columns` of the first `limit` of `rows`, by the column `by` and the id.

    Those `beyond` the values of both in a row come after it in that order.
    """
    if beyond is not None:
        than, (at, identifier) = "gt" if ascending else "lt", beyond
        rows = rows.filter(
            # The first condition says nothing new, but lets the index find where to begin.
            Q(**{f"{by}__{than}e": at}),
            Q(**{f"{by}__{than}": at}) | Q(**{f"id__{than}": identifier}),
        )
    sign = "" if ascending else "-"
    return rows.values(*columns).order_by(f"{sign}{by}", f"{sign}id")[:limit]


class Where(Enum):
    """Which of a user's files a listing has."""

    ANYWHERE = auto()
    AT_TOP = auto()
    IN_FOLDER = auto()


@cache
def files_page(
    columns: tuple[str, ...], *, ascending: bool, beyond: bool, limit: int, where: Where
) -> CompiledQuery[dict[str, Any]]:
    """The first `limit` of a user's files that are present, by time and id, without other filters.

    With `beyond` those after, or where not `ascending` before, the file of `at` and `id`; a
    `folder` is a parameter where it decides.
    """

    def build(
        user: User, at: datetime | None = None, id: UUID | None = None, folder: UUID | None = None
    ) -> Any:
        files = File.objects.visible_to(user).present()
        if where != Where.ANYWHERE:
            files = files.filter(AT_TOP if folder is None else Q(folder=folder))
        return keyset_page(
            files,
            "created_at",
            columns=columns,
            ascending=ascending,
            limit=limit,
            beyond=None if id is None else (at, id),
        )

    parameters: dict[str, type] = {"user": User}
    if beyond:
        parameters |= {"at": datetime, "id": UUID}
    if where == Where.IN_FOLDER:
        parameters["folder"] = UUID
    return CompiledQuery(build, **parameters)
