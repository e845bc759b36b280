"""What commands print: lines for people, or one JSON document."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import click

from remotedrive_client.errors import DriveError, ProblemError
from remotedrive_client.models import File, Folder, to_json

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")


def show_json(value: Any) -> None:
    """Print one JSON document."""
    click.echo(_json(value, indent=2))


def show_json_line(value: Any) -> None:
    """Print one JSON document on a line of its own."""
    click.echo(_json(value))


def show_table(rows: Iterable[Sequence[str]], *, right: Sequence[int] = ()) -> None:
    """Print columns; those numbered in `right` are aligned to the right."""
    lines = [tuple(row) for row in rows]
    widths = [max(len(row[at]) for row in lines) for at in range(len(lines[0]))] if lines else []
    for line in lines:
        cells = [
            cell.rjust(width) if at in right else cell.ljust(width)
            for at, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        click.echo("  ".join(cells).rstrip())


def fail_line(error: DriveError, what: object = None) -> None:
    """Print an error as one line on standard error."""
    start = "" if what is None or shown(what) in str(error) else f"{shown(what)}: "
    click.echo(f"drive: {start}{error}".replace("\n", " "), err=True)


def error_json(error: DriveError) -> dict[str, Any]:
    """Return an error as the JSON output has it."""
    members: dict[str, Any] = {"message": str(error)}
    if isinstance(error, ProblemError):
        members |= {
            "code": error.code,
            "status": error.status,
            "request_id": error.request_id,
        }
    return members


def shown(path: object) -> str:
    """Return a local path as text, also when its bytes are not UTF-8."""
    return os.fsencode(str(path)).decode(errors="backslashreplace")


def size(count: int | None) -> str:
    """Return bytes as people read them, `1.4 MiB`."""
    if count is None:
        return "no limit"
    value, unit = float(count), 0
    while value >= 1024 and unit < len(_UNITS) - 1:
        value, unit = value / 1024, unit + 1
    return f"{count} B" if unit == 0 else f"{value:.1f} {_UNITS[unit]}"


def time(moment: datetime | None) -> str:
    """Return a time in the zone of this machine, or a dash."""
    return "-" if moment is None else f"{moment.astimezone():%Y-%m-%d %H:%M}"


def _json(value: Any, **options: Any) -> str:
    """Return JSON that standard output can encode whatever its encoding."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    ascii_only = encoding.lower().replace("-", "") != "utf8"
    return json.dumps(to_json(value), ensure_ascii=ascii_only, **options)


def row(path: str, entry: File | Folder) -> tuple[str, ...]:
    """Return the line of the long listing."""
    if isinstance(entry, Folder):
        return ("-", time(entry.updated_at), "-", entry.id, f"{path}/")
    return (size(entry.size), time(entry.updated_at), f"v{entry.version}", entry.id, path)


def entry_json(path: str, entry: File | Folder) -> dict[str, Any]:
    """Return a file or a folder, with its path and which of the two it is."""
    kind = "folder" if isinstance(entry, Folder) else "file"
    members: dict[str, Any] = to_json(entry)
    return members | {"kind": kind, "path": path}
