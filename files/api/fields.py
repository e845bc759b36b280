"""Serializer fields that take what the API documents, and nothing that looks like it."""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.utils.dateparse import parse_datetime
from rest_framework import serializers

from files import checksums

INTEGER_MAX = (1 << 63) - 1
MEDIA_TYPE_DEFAULT = "application/octet-stream"

_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # noqa: S105
_QUOTED = r'"(?:[\t !#-\[\]-~]|\\[\t -~])*"'


_PARAMETER = rf"{_TOKEN}=(?:{_TOKEN}|{_QUOTED})"
# No blank can match in two places, so that no text makes the expression try many ways.
MEDIA_TYPE = rf"{_TOKEN}/{_TOKEN}(?:[ \t]*;(?:[ \t]*{_PARAMETER})?)*(?:;[ \t]+|[ \t]+;[ \t]*)?"
"""The pattern of a media type, in the syntax that ECMA 262 has, too."""
_MEDIA_TYPE = re.compile(MEDIA_TYPE)
UUID_PATTERN = r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}"
_UUID = re.compile(UUID_PATTERN)
# Controls (Cc); line and paragraph separators, which end a line as LF does; bidi overrides,
# embeddings and isolates, which reorder what follows. The bidi marks (U+200E, U+200F, U+061C),
# which phones put into names, do not.
NOT_IN_NAMES = "/\\\\\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069"
"""Characters, as in brackets of a regular expression, that no name has."""
# Blanks, what Unicode calls format characters (Cf: marks and joiners, which have no width of their
# own) or Default_Ignorable_Code_Point, and the blank of Braille.
INVISIBLE_IN_NAMES = (
    " \u00a0\u00ad\u034f\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u115f\u1160\u1680"
    "\u17b4\u17b5\u180b-\u180f\u2000-\u200f\u202f\u205f-\u2064\u206a-\u206f\u2800\u3000\u3164\ufe00-\ufe0f"
    "\ufeff\uffa0\ufff9-\ufffb\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3"
    "\U0001d173-\U0001d17a\U000e0001\U000e0020-\U000e007f\U000e0100-\U000e01ef"
)
"""Characters, as in brackets of a regular expression, of which alone a name looks like none."""
# With lone surrogates, which have no UTF-8.
_REFUSED = re.compile(f"[{NOT_IN_NAMES}\ud800-\udfff]")
_INVISIBLE = re.compile(f"[{INVISIBLE_IN_NAMES}]+")
_SIGNLESS_OFFSET = re.compile(r"(.+[Tt ][0-9:.,]{4,}) ([0-9]{2}(?::?[0-9]{2})?)")


class StrictSerializer(serializers.Serializer[Any]):
    """A serializer that refuses members it does not know, by name.

    An optional member that is null counts as not given, unless its field allows null.
    """

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, dict):
            data = {name: value for name, value in data.items() if not self._is_unset(name, value)}
        unknown = set(data) - set(self.fields) if isinstance(data, dict) else set()
        if unknown:
            raise serializers.ValidationError(
                {
                    name: serializers.ErrorDetail("Unknown field.", code="unknown")
                    for name in sorted(unknown)
                }
            )
        return super().to_internal_value(data)

    def _is_unset(self, name: str, value: Any) -> bool:
        if value is not None or name not in self.fields:
            return False
        field = self.fields[name]
        return not field.required and not field.allow_null


class StringField(serializers.CharField):
    """A JSON string: no number is turned into one, and blanks stay."""

    def __init__(self, **options: Any) -> None:
        super().__init__(trim_whitespace=False, **options)

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return str(super().to_internal_value(data))


class IntegerField(serializers.Field[int, Any, int, Any]):
    """A JSON integer: not `"1"`, not `1.0`, not `true`."""

    default_error_messages = {
        "invalid": "A whole number is required.",
        "out_of_range": "It must be from {min_value} to {max_value}.",
    }

    def __init__(self, *, min_value: int, max_value: int = INTEGER_MAX, **options: Any) -> None:
        self.min_value, self.max_value = min_value, max_value
        super().__init__(**options)

    def to_internal_value(self, data: Any) -> int:
        if type(data) is not int:
            self.fail("invalid")
        if not self.min_value <= data <= self.max_value:
            self.fail("out_of_range", min_value=self.min_value, max_value=self.max_value)
        return int(data)

    def to_representation(self, value: int) -> int:
        return value


class BooleanField(serializers.Field[bool, Any, bool, Any]):
    """JSON true or false."""

    default_error_messages = {"invalid": "true or false is required."}

    def to_internal_value(self, data: Any) -> bool:
        if type(data) is not bool:
            self.fail("invalid")
        return bool(data)

    def to_representation(self, value: bool) -> bool:
        return value


class UUIDField(StringField):
    """A UUID in its standard form."""

    default_error_messages = {"invalid_uuid": "A UUID in the form 8-4-4-4-12 is required."}

    def to_internal_value(self, data: Any) -> UUID:  # type: ignore[override]
        text = super().to_internal_value(data)
        if not _UUID.fullmatch(text):
            self.fail("invalid_uuid")
        return UUID(text)


class ChecksumField(StringField):
    """A SHA-256, as `sha256:<64 hex>` or the 64 hex alone; becomes the first form in lower case."""

    default_error_messages = {"invalid_checksum": "sha256: and 64 hexadecimal digits are required."}

    def to_internal_value(self, data: Any) -> str:
        try:
            return checksums.parse(super().to_internal_value(data))
        except ValueError:
            self.fail("invalid_checksum")


class MediaTypeField(StringField):
    """A media type (RFC 9110, section 8.3.1); an empty one is `application/octet-stream`."""

    default_error_messages = {"invalid_media_type": "A media type like image/png is required."}

    def __init__(self, **options: Any) -> None:
        super().__init__(max_length=255, **options)

    def run_validation(self, data: Any = serializers.empty) -> Any:
        return super().run_validation(MEDIA_TYPE_DEFAULT if data == "" else data)

    def to_internal_value(self, data: Any) -> str:
        text = super().to_internal_value(data)
        if not _MEDIA_TYPE.fullmatch(text):
            self.fail("invalid_media_type")
        return text


class MediaRangeField(StringField):
    """A media type, or all of a kind, like `image/*`."""

    default_error_messages = {"invalid_range": "A media type, or one like image/*."}

    def __init__(self, **options: Any) -> None:
        super().__init__(max_length=255, **options)

    def to_internal_value(self, data: Any) -> str:
        # An unencoded "+", as in image/svg+xml, arrives as a blank, which no subtype has.
        kind, slash, subtype = super().to_internal_value(data).partition("/")
        if ";" not in subtype:
            subtype = subtype.replace(" ", "+")
        text = f"{kind}{slash}{subtype}"
        if text == "*/*" or not _MEDIA_TYPE.fullmatch(text):
            self.fail("invalid_range")
        return text


class FilenameField(StringField):
    """A file's name as the person gave it, in Unicode NFC; only what is dangerous is refused."""

    default_error_messages = {
        "length": "It must have 1 to 255 characters.",
        "characters": "Control characters, bidi controls, '/' and '\\' are not allowed.",
        "reserved": "'.', '..', and blanks and marks alone are not names.",
    }

    def to_internal_value(self, data: Any) -> str:
        name = unicodedata.normalize("NFC", super().to_internal_value(data))
        if _REFUSED.search(name):
            self.fail("characters")
        if not 1 <= len(name) <= 255:
            self.fail("length")
        if _INVISIBLE.sub("", name) in ("", ".", ".."):
            self.fail("reserved")
        return name


_NAME = FilenameField()


class PlaceField(UUIDField):
    """The id of a folder; null, which counts as given here, is the top."""

    def __init__(self, **options: Any) -> None:
        super().__init__(required=False, allow_null=True, **options)


class QueryPlaceField(UUIDField):
    """The id of a folder in a query string, or `root`, which becomes None."""

    default_error_messages = {"invalid_uuid": "The id of a folder, or root, is required."}

    def to_internal_value(self, data: Any) -> UUID | None:  # type: ignore[override]
        return None if data == "root" else super().to_internal_value(data)


class PathField(StringField):
    """A path from the top, `/Reports/2026/plan.pdf`: becomes the list of its names, in NFC."""

    default_error_messages = {
        "invalid_path": "A path like /folder/file.txt is required, with one / before each name."
    }

    def to_internal_value(self, data: Any) -> list[str]:  # type: ignore[override]
        text = super().to_internal_value(data)
        if text == "/":
            return []
        if not text.startswith("/"):
            self.fail("invalid_path")
        try:
            return [_NAME.run_validation(name) for name in text[1:].split("/")]
        except serializers.ValidationError:
            self.fail("invalid_path")


class TimeField(StringField):
    """A point in time in ISO 8601 with its offset, becomes UTC."""

    default_error_messages = {
        "invalid_time": "A time like 2026-01-31T12:00:00Z is required, with Z or an offset."
    }

    def to_internal_value(self, data: Any) -> datetime:  # type: ignore[override]
        text = super().to_internal_value(data)
        try:
            time = parse_datetime(text)
            if time is None or time.tzinfo is None:
                self.fail("invalid_time")
            return time.astimezone(UTC)
        except (ValueError, OverflowError):
            self.fail("invalid_time")


class QueryTimeField(TimeField):
    """A point in time in a query string, where an unencoded `+` arrives as a blank."""

    default_error_messages = {
        "invalid_time": "A time like 2026-01-31T12:00:00Z is required, with Z or an offset, whose "
        "+ is written %2B."
    }

    def to_internal_value(self, data: Any) -> datetime:  # type: ignore[override]
        return super().to_internal_value(_SIGNLESS_OFFSET.sub(r"\1+\2", data))


class QueryIntegerField(IntegerField):
    """A whole number in a query string: ASCII digits."""

    def to_internal_value(self, data: Any) -> int:
        if not re.fullmatch(r"[0-9]{1,19}", data):
            self.fail("invalid")
        return super().to_internal_value(int(data))


class QueryBooleanField(BooleanField):
    """`true` or `false` in a query string; `only` the one of them, if given."""

    default_error_messages = {"only": "It must be {only}."}

    def __init__(self, *, only: bool | None = None, **options: Any) -> None:
        self.only = only
        super().__init__(**options)

    def to_internal_value(self, data: Any) -> bool:
        value = super().to_internal_value({"true": True, "false": False}.get(data))
        if self.only is not None and value is not self.only:
            self.fail("only", only=str(self.only).lower())
        return value
