"""Log lines: one form for all of them, with the request's id and without what must stay secret."""

from __future__ import annotations

import logging
import re

from remotedrive.http import request_id

_SECRETS = (
    (re.compile(r"(/s/)[A-Za-z0-9_~.%-]+"), r"\1***"),
    (re.compile(r"(?i)(X-Amz-(?:Signature|Credential|Security-Token)=)[^&\s\"']+"), r"\1***"),
    (re.compile(r"(?i)\b(Bearer\s+)[A-Za-z0-9_.~+/=-]+"), r"\1***"),
)


def without_secrets(text: str) -> str:
    """Return `text` with share tokens, signatures of URLs and bearer tokens starred out."""
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return text


class Formatter(logging.Formatter):
    """Formats a record, its traceback included, adds the request's id and stars out secrets."""

    def format(self, record: logging.LogRecord) -> str:
        record.request_id = request_id.current() or "-"
        return without_secrets(super().format(record))
