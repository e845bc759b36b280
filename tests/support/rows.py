"""Rows of files whose bytes nobody reads: for tests of what is listed, not of what is stored."""

from __future__ import annotations

from datetime import datetime

from django.utils import timezone

from files.keys import object_key
from files.models import File, FileVersion, Integrity, User
from files.models.compiled import execute, insert
from files.services.versions import set_current_version


def make_file(
    user: User,
    name: str = "a.txt",
    *,
    content_type: str = "text/plain",
    created_at: datetime | None = None,
    versions: int = 1,
) -> File:
    """Insert a file of `user` with so many versions, as commits would, but without an object."""
    now = created_at or timezone.now()
    file = File(user=user, name=name, created_at=now)
    for number in range(1, versions + 1):
        version = FileVersion(
            file=file,
            version=number,
            key=object_key(name),
            store_version_id="none",
            etag="none",
            size=number,
            content_type=content_type,
            checksum="sha256:" + "0" * 64,
            integrity=Integrity.DECLARED,
            created_by=user,
            created_at=now,
        )
        execute(set_current_version(file, version), insert(version))
    return file
