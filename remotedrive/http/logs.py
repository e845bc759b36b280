"""Log lines, as JSON or as text: one line for each request, and no secret in any line.

In JSON each record is one line, its traceback included. In text the lines of a traceback are
indented, and what cannot be seen is escaped, so that nobody can forge a line. Lines have an end:
what a client sends may be long.
"""

from __future__ import annotations

import logging
import re
import time
from collections import deque
from collections.abc import Iterator
from functools import cache, lru_cache
from itertools import islice, product
from typing import Any

import orjson
from django.conf import settings
from django.http import HttpRequest
from django.urls import ResolverMatch
from django.utils.functional import LazyObject

from remotedrive import request_notes
from remotedrive.http import request_id
from remotedrive.request_notes import UNMATCHED, Notes

_SECRETS = (
    # A URL's query, whatever its names are; a signature stands there, and so may a token.
    ("?", re.compile(r"(\?)[\w.~%+-]+=[^\s\"'<>]*")),
    (
        "=",
        re.compile(
            r"(?i)\b((?:Signature|Credential|Security-Token|client_secret|client_assertion"
            r"|(?:access|refresh|id)_token|code_verifier|sessionid|csrftoken)=)[^&\s\"',;]+"
        ),
    ),
    # Shorter codes are those of errors.
    ("code=", re.compile(r"(?i)\b(code=)[^&\s\"',;]{16,}")),
    # Headers, also as Python shows them.
    (
        "authorization",
        re.compile(r"(?i)(Authorization[\"']?\s?[:=,]\s?b?[\"']?(?:[\w-]{1,20}\s+)?)[^\s\"',;]+"),
    ),
    ("cookie", re.compile(r"(?i)(Cookie[\"']?\s?[:=,]\s?b?[\"']?)[^\"'\n]+")),
    ("password", re.compile(r"(?i)(Password[\"']?\s?[:=]\s?b?[\"']?)[^\s\"'&,;]+")),
    ("bearer", re.compile(r"(?i)\b(Bearer\s+)[A-Za-z0-9_.~+/=-]+")),
    # A JSON Web Token begins with a JSON object in base64url. What it begins with is looked for in
    # whole runs of such characters, each of them once.
    ("eyj", re.compile(r"()(?<![\w-])(?=[\w-]*eyJ)[\w-]{9,}+(?:\.[\w-]*)+", re.ASCII)),
    ("://", re.compile(r"(://[^\s/:@\"']*:)[^\s/@\"']+(?=@)")),
    # What PostgreSQL says more of an error has the values of the row.
    ("detail:", re.compile(r"(DETAIL:).*?(?=\n\n|\Z)", re.DOTALL)),
)
"""What stands before each kind of secret, and what a text must contain, case folded, to have it:
most lines have none, and looking for that costs a tenth of the pattern. Each takes a time in
proportion to the text, whoever wrote it."""
MESSAGE_MAX = 2_000
TRACEBACK_MAX = 16_000
"""Characters of a message, and of a traceback, that a line has; clients choose some of them."""
_CUT = " …"
_CAUSES_MAX = 10
_ROUTE_PARAMETER = re.compile(r"<(?:\w+:)?(\w+)>")


class _Escapes(dict[int, str]):
    """Escapes, for `str.translate`, what cannot be seen: it could forge a line, or turn it."""

    def __missing__(self, code: int) -> str:
        char = chr(code)
        if char.isprintable():
            return char
        if code < 0x100:
            return f"\\x{code:02x}"
        return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


_ESCAPED = _Escapes()
_ESCAPED_BUT_LINES = _Escapes({ord("\n"): "\n"})
_REQUEST = (
    "{method} {route} {status} {duration_ms} ms store={store_ms} database={database_ms}"
    " user={user} peer={peer}"
)
_access = logging.getLogger("remotedrive.access")


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
    """Return `text` with secrets starred out: tokens, also in paths, the queries of URLs, and
    passwords of addresses."""
    folded = text.casefold()
    pieces, paths = _secret_paths(tuple(settings.SECRET_PATHS))
    if any(piece in folded for piece in pieces):
        text = paths.sub(r"\1***\2", text)
    for piece, pattern in _SECRETS:
        if piece in folded:
            text = pattern.sub(r"\1***", text)
    return text


@cache
def _route(pattern: str) -> str:
    return "/" + _ROUTE_PARAMETER.sub(r"{\1}", pattern)


def route_of(match: ResolverMatch | None) -> str:
    """Return the pattern of a URL as it stands in logs and metrics: `/files/{pk}`.

    Of the admin, which has many, it is `/admin/`.
    """
    if match is None or match.route is None:
        return UNMATCHED
    return "/admin/" if match.route.startswith("admin/") else _route(match.route)


def note(request: HttpRequest) -> None:
    """Note the route and the user of a request that has a response."""
    notes = request_notes.current()
    if request.resolver_match is None and request.path.startswith(settings.STATIC_URL):
        notes.route = settings.STATIC_URL
    else:
        notes.route = route_of(request.resolver_match)
    # A page's user is lazy: it is asked for here only where it is known already.
    user = getattr(request, "_cached_user", None) or request.__dict__.get("user")
    if user is not None and not isinstance(user, LazyObject) and user.is_authenticated:
        notes.user_id = str(user.pk)


class RouteForPath(logging.Filter):
    """Puts the route in the place of the path, where Django's own lines name a request's."""

    def filter(self, record: logging.LogRecord) -> bool:
        request = getattr(record, "request", None)
        path = getattr(request, "path", None)
        if path is not None and isinstance(record.args, tuple):
            route = route_of(getattr(request, "resolver_match", None))
            record.args = tuple(route if each == path else each for each in record.args)
        return True


class WithoutUnavailable(logging.Filter):
    """Drops what Django says of responses with status 503: the line of the request has it."""

    def filter(self, record: logging.LogRecord) -> bool:
        return getattr(record, "status_code", None) != 503


class TextFormatter(logging.Formatter):
    """Formats a record for people: time, level, logger, request id, message; then a traceback."""

    default_msec_format = "%s.%03d"

    def format(self, record: logging.LogRecord) -> str:
        request = getattr(record, "of_request", None)
        message = _message(record.getMessage()) if request is None else _REQUEST.format_map(request)
        if not message.isprintable():
            message = message.translate(_ESCAPED)
        line = (
            f"{self.formatTime(record)} {record.levelname} {record.name}"
            f" [{_id_of(record) or '-'}] {message}"
        )
        traceback = _traceback(self, record)
        if traceback:
            shown = traceback.translate(_ESCAPED_BUT_LINES)
            line += "\n    " + shown.replace("\n", "\n    ")
        return line


class JsonFormatter(logging.Formatter):
    """Formats a record as one JSON object in one line; `docx/operations.md` has its members."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": _utc(record.created),
            "level": record.levelname,
            "logger": record.name,
            "request_id": _id_of(record),
        }
        request = getattr(record, "of_request", None)
        if request is not None:
            line.update(request)
        else:
            line["message"] = _encodable(_message(record.getMessage()))
            if record.exc_info and record.exc_info[1] is not None:
                causes = islice(_chain(record.exc_info[1]), _CAUSES_MAX)
                line["causes"] = [
                    _encodable(_message(f"{type(each).__name__}: {each}")) for each in causes
                ]
            traceback = _traceback(self, record)
            if traceback:
                line["traceback"] = _encodable(traceback)
        return orjson.dumps(line).decode()


def _id_of(record: logging.LogRecord) -> str | None:
    found: str | None = getattr(record, "request_id", None)
    return found or request_id.current()


def _utc(seconds: float) -> str:
    whole, milliseconds = divmod(int(seconds * 1000), 1000)
    return f"{_second(whole)}.{milliseconds:03}Z"


@lru_cache(maxsize=1)
def _second(seconds: int) -> str:
    """Return a time as RFC 3339 has it; the lines of one second share it."""
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))


def _encodable(text: str) -> str:
    """Return `text` without surrogates, which no JSON has."""
    return text.encode(errors="backslashreplace").decode()


def _message(text: str) -> str:
    """Return the beginning of `text`, without secrets.

    It looks at twice as much as it shows, so that a secret at the end is seen whole.
    """
    shown = without_secrets(text[: 2 * MESSAGE_MAX])
    return shown if len(shown) <= MESSAGE_MAX else shown[:MESSAGE_MAX] + _CUT


def _traceback(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    """Return the end of the traceback, without secrets; of a long line the beginning."""
    parts = [formatter.formatException(record.exc_info)] if record.exc_info else []
    if record.stack_info:
        parts.append(record.stack_info)
    if not parts:
        return ""
    lines: deque[str] = deque()
    room = TRACEBACK_MAX - 2
    for line in reversed("\n".join(parts).split("\n")):
        kept = line if len(line) <= MESSAGE_MAX else _message(line)
        room -= len(kept) + 1
        if room < 0:
            lines.appendleft(_CUT.strip())
            break
        lines.appendleft(kept)
    return without_secrets("\n".join(lines))


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield the exception, what caused it or what was handled when it came, and so on."""
    seen: set[int] = set()
    each: BaseException | None = error
    while each is not None and id(each) not in seen:
        seen.add(id(each))
        yield each
        each = each.__cause__ or (None if each.__suppress_context__ else each.__context__)


def write_request(
    notes: Notes, *, method: str, status: int, seconds: float, peer: str | None, wait: bool
) -> None:
    """Log the line of a request that was answered, or whose client left (499).

    With `wait` it may stay in memory until `flush()`. Makes the record itself: `Logger.info` would
    look up the calling line, which nobody shows.
    """
    if not _access.isEnabledFor(logging.INFO):
        return
    record = logging.LogRecord(_access.name, logging.INFO, "", 0, "a request", None, None)
    record.request_id = request_id.current()
    record.may_wait = wait
    record.of_request = {
        "method": method,
        "route": notes.route,
        "status": status,
        "duration_ms": round(seconds * 1000, 1),
        "store_ms": round(sum(notes.store_waits, 0.0) * 1000, 1),
        "database_ms": round(notes.database_seconds * 1000, 1),
        "user": notes.user_id,
        "peer": peer,
    }
    _access.handle(record)


def flush() -> None:
    """Write what waits to be written."""
    for handler in logging.getLogger().handlers:
        handler.flush()
