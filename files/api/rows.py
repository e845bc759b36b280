"""How rows and results are shown: what the serializers of the same names say, without going through
a field at a time, which took longer than all else of a listing.

`files/api/serializers.py` and `files/api/share_serializers.py` are the documented schema; a test
holds every function here against it. Times (UTC) and ids are left as they are: the renderer writes
them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import Model

from files.models import File, FileVersion, Share
from files.services.changes import ChangesPage
from files.services.commits import CommitResult
from files.services.downloads import Download
from files.services.folders import PlacedFolder
from files.services.quotas import Usage
from files.services.uploads import SignedUpload
from files.store.client import ReceivedPart

Row = Mapping[str, Any]
Shown = dict[str, Any]


@dataclass(frozen=True)
class Shape:
    """The columns that a row is shown from, as `QuerySet.values()` takes them, and how."""

    columns: tuple[str, ...]
    show: Callable[[Row], Shown]

    def of(self, instance: Model) -> Shown:
        """Show a row that was loaded as an instance."""
        return self.show({name: _value(instance, name) for name in self.columns})


def _value(instance: Model, path: str) -> Any:
    value: Any = instance
    for name in path.split("__"):
        if value is None:
            return None
        value = getattr(value, name)
    return value


def _file(row: Row) -> Shown:
    return {
        "id": row["id"],
        "name": row["name"],
        "size": row["size"],
        "content_type": row["content_type"],
        "checksum": row["checksum"],
        "integrity": row["integrity"],
        "version": row["version_current"],
        "key": row["key_current"],
        "created_at": row["created_at"],
        "updated_at": row["updated_at"],
        "deleted_at": row["deleted_at"],
        "folder_id": row["folder_id"],
    }


FILE = Shape(
    (
        "id",
        "name",
        "size",
        "content_type",
        "checksum",
        "integrity",
        "version_current",
        "key_current",
        "created_at",
        "updated_at",
        "deleted_at",
        "folder_id",
    ),
    _file,
)


def _folder(row: Row) -> Shown:
    return {
        "id": row["id"],
        "name": row["name"],
        "parent_id": row["parent_id"],
        "path": row["path"],
        "created_at": row["created_at"],
        "updated_at": row["updated_at"],
        "deleted_at": row["deleted_at"],
    }


FOLDER = Shape(("id", "name", "parent_id", "created_at", "updated_at", "deleted_at"), _folder)
"""Its rows also have a `path`, which is no column."""


def folder(placed: PlacedFolder) -> Shown:
    """Show a folder with its path."""
    columns = {name: getattr(placed.folder, name) for name in FOLDER.columns}
    return FOLDER.show({**columns, "path": placed.path})


def found(found: PlacedFolder | File | None) -> Shown:
    """Show what a path leads to; the top is no folder, and shown as null."""
    if isinstance(found, File):
        return {"file": FILE.of(found)}
    return {"folder": None if found is None else folder(found)}


def _version(row: Row) -> Shown:
    subject = row["created_by__subject"]
    return {
        "version": row["version"],
        "key": row["key"],
        "size": row["size"],
        "content_type": row["content_type"],
        "checksum": row["checksum"],
        "integrity": row["integrity"],
        "created_by": {"share": row["share_id"]} if subject is None else {"user": subject},
        "created_at": row["created_at"],
        "purged_at": row["purged_at"],
    }


VERSION = Shape(
    (
        "version",
        "key",
        "size",
        "content_type",
        "checksum",
        "integrity",
        "created_by__subject",
        "share_id",
        "created_at",
        "purged_at",
    ),
    _version,
)


def _upload(row: Row) -> Shown:
    size, part_size = row["size"], row["part_size"]
    return {
        "upload_id": row["id"],
        "key": row["key"],
        "filename": row["filename"],
        "size": size,
        "content_type": row["content_type"],
        "checksum": row["checksum"],
        "state": row["state"],
        "multipart": row["multipart_id"] is not None,
        "part_size": part_size,
        "part_count": None if part_size is None else -(-size // part_size),
        "created_at": row["created_at"],
        "commit_by": row["commit_by"],
        "folder_id": row["folder_id"],
        "fileId": row["file_version__file_id"],
        "version": row["file_version__version"],
    }


UPLOAD = Shape(
    (
        "id",
        "key",
        "filename",
        "size",
        "content_type",
        "checksum",
        "state",
        "multipart_id",
        "part_size",
        "created_at",
        "commit_by",
        "folder_id",
        "file_version__file_id",
        "file_version__version",
    ),
    _upload,
)


def _share(row: Row) -> Shown:
    return {
        "id": row["id"],
        "file_id": row["file_id"],
        "permission": row["permission"],
        "expires_at": row["expires_at"],
        "password_required": row["password"] is not None,
        "max_downloads": row["max_downloads"],
        "download_count": row["download_count"],
        "revoked_at": row["revoked_at"],
        "last_used_at": row["last_used_at"],
        "created_at": row["created_at"],
    }


SHARE = Shape(
    (
        "id",
        "file_id",
        "permission",
        "expires_at",
        "password",
        "max_downloads",
        "download_count",
        "revoked_at",
        "last_used_at",
        "created_at",
    ),
    _share,
)


def _event(row: Row) -> Shown:
    return {
        "at": row["at"],
        "what": row["what"],
        "reason": row["reason"] or None,
        "version": row["version"],
        "count": row["count"],
        "address": row["address"] or None,
    }


EVENT = Shape(("at", "what", "reason", "version", "count", "address"), _event)


def _change(row: Row) -> Shown:
    subject, share = row["by_user__subject"], row["by_share_id"]
    by = None
    if subject is not None:
        by = {"user": subject}
    elif share is not None:
        by = {"share": share}
    return {
        "seq": row["seq"],
        "at": row["at"],
        "kind": row["kind"],
        "file_id": row["file_id"],
        "folder_id": row["folder_id"],
        "version": row["version"],
        "by": by,
    }


CHANGE = Shape(
    ("seq", "at", "kind", "file_id", "folder_id", "version", "by_user__subject", "by_share_id"),
    _change,
)


def changes(page: ChangesPage) -> Shown:
    """Show a part of the feed, with the cursor after it."""
    return {
        "results": [CHANGE.show(entry) for entry in page.entries],
        "next": page.next,
        "has_more": page.has_more,
    }


def signed_upload(signed: SignedUpload) -> Shown:
    """Show an upload with the URLs just signed for it."""
    upload, put = signed.upload, signed.put
    shown = {
        "upload_id": upload.pk,
        "key": upload.key,
        "presigned_put_url": None if put is None else put.url,
        "headers": {} if put is None else put.headers,
        "expires_at": signed.expires_at,
    }
    if upload.multipart:
        shown["part_size"] = upload.part_size
        shown["part_count"] = upload.part_count
        shown["parts"] = [
            {
                "part_number": part.part_number,
                "presigned_put_url": part.url.url,
                "headers": part.url.headers,
            }
            for part in signed.parts
        ]
    return shown


def received_part(part: ReceivedPart) -> Shown:
    return {"part_number": part.part_number, "size": part.size}


def commit(result: CommitResult) -> Shown:
    """Show a committed version with its file."""
    version, file = result.version, result.file
    return {
        "fileId": file.pk,
        "version": version.version,
        "key": version.key,
        "name": file.name,
        "size": version.size,
        "content_type": version.content_type,
        "checksum": version.checksum,
        "integrity": version.integrity,
        "created_at": version.created_at,
    }


def download(signed: Download) -> Shown:
    """Show the presigned GET of a version."""
    version = signed.version
    return {
        "presigned_get_url": signed.url,
        "expires_at": signed.expires_at,
        "filename": version.file.name,
        "size": version.size,
        "content_type": version.content_type,
        "checksum": version.checksum,
        "integrity": version.integrity,
        "version": version.version,
    }


def usage(usage: Usage) -> Shown:
    """Show a user, and what the user has."""
    user = usage.user
    return {
        "subject": user.subject,
        "username": user.username,
        "email": user.email,
        "created_at": user.created_at,
        "files": usage.files,
        "bytes_used": usage.bytes_used,
        "bytes_reserved": usage.bytes_reserved,
        "quota_bytes": usage.quota_bytes,
    }


def locked_share(share: Share) -> Shown:
    """Return what a share shows of itself without its password."""
    return {
        "permission": share.permission,
        "expires_at": share.expires_at,
        "password_required": share.password is not None,
    }


def open_share(share: Share, version: FileVersion) -> Shown:
    """Return what a share shows of the file: nothing of its owner's."""
    return {
        "filename": version.file.name,
        "size": version.size,
        "content_type": version.content_type,
        "version": version.version,
        **locked_share(share),
    }
