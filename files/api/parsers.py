"""Request bodies: one JSON object, read strictly (RFC 8259, I-JSON RFC 7493)."""

from __future__ import annotations

import codecs
import json
import math
from collections.abc import Mapping
from typing import IO, Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser

DEPTH_MAX = 32


class StrictJSONParser(BaseParser):
    """Refuses what a lenient parser guesses at: members twice, NaN, deep nesting, no object."""

    media_type = "application/json"

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        path = parser_context["request"].path_info if parser_context else ""
        limit: int = settings.LARGE_BODIES.get(path, settings.DATA_UPLOAD_MAX_MEMORY_SIZE)
        content = stream.read(limit + 1)
        if len(content) > limit:
            raise RequestDataTooBig
        return parse_object(content)


def parse_object(content: bytes) -> dict[str, Any]:
    """Return the JSON object in `content` (UTF-8); raises `ParseError` with what is wrong.

    A byte order mark before it is skipped (RFC 8259, section 8.1).
    """
    try:
        value = json.loads(
            content.removeprefix(codecs.BOM_UTF8).decode("utf-8"),
            object_pairs_hook=_object,
            parse_constant=_constant,
            parse_float=_float,
        )
    except UnicodeDecodeError as error:
        raise ParseError("The body is not UTF-8.") from error
    except (ValueError, RecursionError) as error:
        raise ParseError("The body is not JSON.") from error
    if not isinstance(value, dict):
        raise ParseError("The body must be a JSON object.")
    if _deeper_than(value, DEPTH_MAX):
        raise ParseError(f"The body is nested deeper than {DEPTH_MAX} levels.")
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members: dict[str, Any] = {}
    for name, value in pairs:
        name.encode()  # An error names members; a lone surrogate has no UTF-8.
        if name in members:
            raise ParseError(f"The body has the member {json.dumps(name[:100])} more than once.")
        members[name] = value
    return members


def _constant(name: str) -> float:
    raise ValueError(name)


def _float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(text)
    return value


def _deeper_than(value: Any, levels: int) -> bool:
    layer = [value]
    for _ in range(levels):
        layer = [
            child
            for container in layer
            for child in (container.values() if isinstance(container, dict) else container)
            if isinstance(child, (dict, list))
        ]
        if not layer:
            return False
    return True
