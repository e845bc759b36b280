"""Log lines: one form for all of them, with the request's id and without secrets."""

from __future__ import annotations

import logging
import re
from functools import cache

from django.conf import settings

from remotedrive.http import request_id

_SECRETS = (
    (re.compile(r"(?i)(X-Amz-(?:Signature|Credential|Security-Token)=)[^&\s\"']+"), r"\1***"),
    (re.compile(r"(?i)\b(Bearer\s+)[A-Za-z0-9_.~+/=-]+"), r"\1***"),
)


@cache
def _secret_paths(prefixes: tuple[str, ...]) -> re.Pattern[str]:
    """Return what matches the segments after any of these path prefixes, however it is written.

    A short plain word at the end is left: it says what was asked for. Secrets are longer.
    """
    slash = r"(?:/|%2f)"
    names = "|".join(re.escape(prefix.strip("/")) for prefix in prefixes)
    return re.compile(
        rf"({slash}+(?:\.{slash}+)*(?:{names}){slash}+)[^\s\"'<>?#,;)\]}}]+?"
        rf"(/[a-z-]{{1,12}})?(?=[\s\"'<>?#,;)\]}}]|$)",
        re.IGNORECASE,
    )


def without_secrets(text: str) -> str:
    """Return `text` with tokens in paths, signatures of URLs and bearer tokens starred out."""
    text = _secret_paths(tuple(settings.SECRET_PATHS)).sub(r"\1***\2", text)
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return text


class Formatter(logging.Formatter):
    """Formats a record, its traceback included, adds the request's id and stars out secrets."""

    def format(self, record: logging.LogRecord) -> str:
        record.request_id = request_id.current() or "-"
        return without_secrets(super().format(record))
