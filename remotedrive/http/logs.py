"""Log lines: one form for all of them, with the request's id and without secrets."""

from __future__ import annotations

import logging
import re
from functools import cache
from itertools import product
from urllib.parse import quote

from django.conf import settings

from remotedrive.http import request_id

_SECRETS = (
    ("x-amz-", re.compile(r"(?i)(X-Amz-(?:Signature|Credential|Security-Token)=)[^&\s\"']+")),
    ("bearer", re.compile(r"(?i)\b(Bearer\s+)[A-Za-z0-9_.~+/=-]+")),
)
"""What stands before each kind of secret, and what a text must contain, case folded, to have it:
most lines have none, and looking for that costs a tenth of the pattern."""
_access = logging.getLogger("remotedrive.access")
_LONG = re.compile(r"[A-Za-z0-9_-]{32,}")
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@cache
def _secret_paths(prefixes: tuple[str, ...]) -> tuple[list[str], re.Pattern[str]]:
    """Return what matches the segments after any of these path prefixes, however it is written,
    and the case folded pieces of text of which a text that matches contains one.

    A short plain word at the end is left: it says what was asked for. Secrets are longer.
    """
    names = [prefix.strip("/") for prefix in prefixes]
    slashes = ("/", "%2f")
    pieces = [
        before + name.casefold() + after for before, name, after in product(slashes, names, slashes)
    ]
    slash = f"(?:{'|'.join(slashes)})"
    pattern = re.compile(
        rf"({slash}(?:{'|'.join(map(re.escape, names))}){slash}+)[^\s\"'<>?#,;)\]}}]+?"
        rf"(/[a-z-]{{1,12}})?(?=[\s\"'<>?#,;)\]}}]|$)",
        re.IGNORECASE,
    )
    return pieces, pattern


def without_secrets(text: str) -> str:
    """Return `text` with tokens in paths, signatures of URLs and bearer tokens starred out."""
    folded = text.casefold()
    pieces, paths = _secret_paths(tuple(settings.SECRET_PATHS))
    if any(piece in folded for piece in pieces):
        text = paths.sub(r"\1***\2", text)
    for piece, pattern in _SECRETS:
        if piece in folded:
            text = pattern.sub(r"\1***", text)
    return text


def shown_path(path: str) -> str:
    """Return a request's decoded path as the log shows it: quoted, so that it has no line breaks.

    What is as long as a token is starred out wherever it stands, except UUIDs: a token in a
    mistyped link is as good as in a right one.
    """
    return _LONG.sub(_starred_unless_uuid, quote(path))


def _starred_unless_uuid(found: re.Match[str]) -> str:
    return found[0] if _UUID.fullmatch(found[0]) else "***"


class Formatter(logging.Formatter):
    """Formats a record, its traceback included, adds the request's id and stars out secrets."""

    def format(self, record: logging.LogRecord) -> str:
        record.request_id = request_id.current() or "-"
        return without_secrets(super().format(record))


def write_access(method: str, path: str, status: int, milliseconds: float) -> None:
    """Write the line of the access log for a request of this decoded path.

    Makes the record itself: `Logger.info` would look up the calling line, which nobody shows.
    """
    if _access.isEnabledFor(logging.INFO):
        values = (method, shown_path(path)[:500], status, milliseconds)
        record = _access.makeRecord(
            _access.name, logging.INFO, __file__, 0, "%s %s %d %.1f ms", values, None
        )
        _access.handle(record)
