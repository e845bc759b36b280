"""What the tests of `backup_objects` and `restore_objects` have in common."""

from __future__ import annotations

import errno
import io
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import OperationalError

from files.models import FileVersion

BACKED_UP = "{} versions, {} copied, {} there before"
RESTORED = "{} versions, {} restored, {} there before"


def run(command: str, folder: Path, *options: str) -> tuple[int, str]:
    """Run the command; return its exit status and what it printed."""
    out = StringIO()
    try:
        call_command(command, str(folder), *options, stdout=out)
    except SystemExit as stop:
        return int(str(stop.code)), out.getvalue()
    return 0, out.getvalue()


def back_up(folder: Path, *options: str) -> tuple[int, str]:
    return run("backup_objects", folder, *options)


def restore(folder: Path) -> tuple[int, str]:
    return run("restore_objects", folder)


def files_in(folder: Path) -> dict[str, bytes]:
    """Return all that is in the folder, those names too that begin with a dot."""
    found = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


def pins() -> dict[str, tuple[str, str, str]]:
    """Return what each row says of its object, by key."""
    rows = FileVersion.objects.values_list("key", "store_version_id", "etag", "integrity")
    return {key: rest for key, *rest in rows}  # type: ignore[misc]


def bucket() -> str:
    return str(settings.MINIO_BUCKET)


class _Rotten(io.FileIO):
    """A file on a disk that is failing."""

    def readinto(self, buffer: Any) -> int:
        raise OSError(errno.EIO, "Input/output error")


def rot(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on `path` can be opened, and not be read."""
    opens = Path.open

    def open_it(self: Path, *arguments: Any, **options: Any) -> Any:
        if self == path:
            return io.BufferedReader(_Rotten(self))
        return opens(self, *arguments, **options)

    monkeypatch.setattr(Path, "open", open_it)


def without_versions(execute: Any, sql: str, *arguments: Any) -> Any:
    """For `connection.execute_wrapper`: the database does not answer about versions."""
    if FileVersion._meta.db_table in sql:
        raise OperationalError("canceling statement due to statement timeout")
    return execute(sql, *arguments)
