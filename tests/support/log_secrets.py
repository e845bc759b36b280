"""Finds secrets in what a process wrote: those that its test knows, and what looks like one."""

from __future__ import annotations

import logging
import os
import re
import threading
from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import parse_qs, quote, unquote, urlsplit

from remotedrive.http.logs import JsonFormatter, RouteForPath, TextFormatter

_SHORTEST = 8
"""Shorter values would be found by chance."""
_NAMES = ("SECRET_KEY", "JWT_SECRET", "JWT_SECRET_OLD", "METRICS_TOKEN", "OIDC_CLIENT_SECRET")
_STORE_NAMES = ("MINIO_SECRET_KEY", "MINIO_UPLOAD_SECRET_KEY", "MINIO_SESSION_TOKEN")
_ADDRESSES = ("DATABASE_URL", "CACHE_URL")
_SHAPES = {
    "a JSON Web Token": re.compile(r"(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{4,}"),
    "a signature": re.compile(r"(?i)x-amz-(?:signature|security-token)=(?!\*\*\*)[^\s&\"']+"),
    "a bearer token": re.compile(r"(?i)\bbearer\s+(?!\*\*\*)[A-Za-z0-9_.~+/=-]{12,}"),
    "a query": re.compile(r"\?[\w.~%+-]+=[^*\s]"),
    "a link of a share": re.compile(r"(?i)/s/(?!\*\*\*)[A-Za-z0-9_-]{20,}"),
}

_PLAIN = re.compile(r"[a-z-]+")
"""Passwords of nothing but such letters may stand in a log by chance."""
_WORD = re.compile(r"[A-Za-z0-9_-]{8,}")
_CHECKED = (JsonFormatter(), TextFormatter())
_OF_TESTS = ("httpx", "httpcore", "asyncio")
"""Loggers of what the tests call the service with, in their own process."""

_lock = threading.Lock()
_words: set[str] = set()
"""Thousands of signatures and tokens: they are looked up in what was logged, not searched for."""
_phrases: set[str] = set()


def remember(*secrets: str | None) -> None:
    """Remember secrets that a test sends or was given: no log may have them."""
    with _lock:
        for each in secrets:
            if each and len(each) >= _SHORTEST and not _PLAIN.fullmatch(each):
                (_words if _WORD.fullmatch(each) else _phrases).add(each)


def remember_exchange(
    headers: Mapping[str, str], body: object, answered: object, form: bytes | None = None
) -> None:
    """Remember what opens a door in a request's headers and body, and in its answer."""
    remember(headers.get("X-Share-Password"), *_found_in(body), *_found_in(answered))
    if form is not None:
        remember_form(form)


def remember_form(body: bytes) -> None:
    """Remember the passwords of a form, if this is one."""
    fields = parse_qs(body.decode("latin-1"), errors="replace")
    remember(*(value for name in fields if "password" in name for value in fields[name]))


def _found_in(body: object) -> Iterator[str]:
    if isinstance(body, list):
        for each in body:
            yield from _found_in(each)
    elif isinstance(body, Mapping):
        for name, value in body.items():
            if isinstance(value, list | Mapping):
                yield from _found_in(value)
            elif isinstance(value, str) and name in ("token", "password"):
                yield value
            elif isinstance(value, str) and "X-Amz-Signature=" in value:
                yield value.partition("X-Amz-Signature=")[2].partition("&")[0]


class Watching(logging.Handler):
    """Keeps what the service logs in the process of pytest, as it would be written, in each form.

    Lines that come again, but for their time, are kept once.
    """

    def __init__(self) -> None:
        super().__init__()
        self._lines: dict[tuple[object, ...], str] = {}

    def emit(self, record: logging.LogRecord) -> None:
        if not record.name.startswith(_OF_TESTS):
            RouteForPath().filter(record)
            key = record.name, record.msg, str(record.args), str(record.exc_info)
            self._lines[key] = "\n".join(each.format(record) for each in _CHECKED)

    def check(self) -> None:
        """Fail where a line since the last check has a secret."""
        lines, self._lines = self._lines, {}
        if lines:
            assert_none("\n".join(lines.values()))


def secrets_of(environment: Mapping[str, str]) -> set[str]:
    """Return the secrets among settings."""
    found = {environment.get(name, "") for name in (*_NAMES, *_STORE_NAMES)}
    for name in _ADDRESSES:
        # As it is written there, and as it is.
        password = urlsplit(environment.get(name, "")).password or ""
        found |= {password, unquote(password)}
    return {each for each in found if len(each) >= _SHORTEST}


def assert_none(text: str, environment: Mapping[str, str] = os.environ) -> None:
    """Fail where `text` has a secret; the message says which kind, and the line without it."""
    with _lock:
        words = _words & {*_WORD.findall(text), *_WORD.findall(unquote(text))}
        known = words | _phrases | secrets_of(environment)
    found = [*_known_in(text, known), *_shapes_in(text)]
    shown = "\n".join(found[:10])
    for secret in known:
        shown = shown.replace(secret, "<HERE>")
    for pattern in _SHAPES.values():
        shown = pattern.sub("<HERE>", shown)
    assert not found, f"the log has {len(found)} secrets:\n{shown}"


def _known_in(text: str, known: Iterable[str]) -> Iterator[str]:
    for secret in known:
        for form in {secret, quote(secret, safe="")}:
            at = text.find(form)
            if at >= 0:
                yield f"one that was used: {_line(text, at).replace(form, '<HERE>')}"


def _shapes_in(text: str) -> Iterator[str]:
    for kind, pattern in _SHAPES.items():
        match = pattern.search(text)
        if match is not None:
            yield f"{kind}: {_line(text, match.start()).replace(match[0], '<HERE>')}"


def _line(text: str, at: int) -> str:
    return text[text.rfind("\n", 0, at) + 1 : text.find("\n", at) % (len(text) + 1)][:500]
