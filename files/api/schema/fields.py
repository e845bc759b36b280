"""How each kind of field describes itself: type, format, pattern and limits as it enforces them."""

from __future__ import annotations

import inspect
from typing import Any

from drf_spectacular.extensions import OpenApiSerializerFieldExtension
from rest_framework import serializers

from files import checksums
from files.api import fields
from files.api.share_serializers import ExpiryField

Schema = dict[str, Any]


class FieldExtension(OpenApiSerializerFieldExtension):
    """Describes the fields of `target_class` and, unless they have their own, of its subclasses."""

    match_subclasses = True
    priority = 0

    def map_serializer_field(self, auto_schema: Any, direction: str) -> Schema:
        return self.describe(self.target)

    def describe(self, field: Any) -> Schema:
        raise NotImplementedError


def _documented(field: serializers.Field[Any, Any, Any, Any], schema: Schema) -> Schema:
    """Add the docstring of the field's class; `help_text`, where there is one, replaces it."""
    return schema | {"description": inspect.cleandoc(type(field).__doc__ or "")}


class StringExtension(FieldExtension):
    target_class = fields.StringField

    def describe(self, field: Any) -> Schema:
        shortest = {} if field.allow_blank else {"minLength": 1}
        return {"type": "string", **shortest, "pattern": r"^[^\u0000]*$"}


class IntegerExtension(FieldExtension):
    target_class = fields.IntegerField

    def describe(self, field: Any) -> Schema:
        return {
            "type": "integer",
            "format": "int64",
            "minimum": field.min_value,
            "maximum": field.max_value,
        }


class BooleanExtension(FieldExtension):
    target_class = fields.BooleanField

    def describe(self, field: Any) -> Schema:
        return {"type": "boolean"}


class QueryBooleanExtension(FieldExtension):
    target_class = fields.QueryBooleanField
    priority = 1

    def describe(self, field: Any) -> Schema:
        return {"type": "boolean"} | ({} if field.only is None else {"enum": [field.only]})


class UUIDExtension(FieldExtension):
    target_class = fields.UUIDField
    priority = 1

    def describe(self, field: Any) -> Schema:
        return {"type": "string", "format": "uuid", "pattern": f"^{fields.UUID_PATTERN}$"}


class ChecksumExtension(FieldExtension):
    target_class = fields.ChecksumField
    priority = 1

    def describe(self, field: Any) -> Schema:
        return _documented(field, {"type": "string", "pattern": f"^{checksums.PATTERN}$"})


class MediaTypeExtension(FieldExtension):
    target_class = fields.MediaTypeField
    priority = 1

    def describe(self, field: Any) -> Schema:
        return _documented(field, {"type": "string", "pattern": f"^(?:{fields.MEDIA_TYPE})?$"})


class MediaRangeExtension(FieldExtension):
    target_class = fields.MediaRangeField
    priority = 1

    def describe(self, field: Any) -> Schema:
        pattern = rf"^(?!\*/\*$){fields.MEDIA_TYPE}$"
        return _documented(field, {"type": "string", "pattern": pattern})


class QueryPlaceExtension(FieldExtension):
    target_class = fields.QueryPlaceField
    priority = 2

    def describe(self, field: Any) -> Schema:
        return {"type": "string", "pattern": f"^(?:root|{fields.UUID_PATTERN})$"}


def _name() -> str:
    """Return the pattern of a name of at most 255 characters."""
    refused = _class(fields.NOT_IN_NAMES)
    # Without the invisible characters a name is neither nothing, nor "." nor "..".
    named = rf"[^.{refused}{_class(fields.INVISIBLE_IN_NAMES)}]|\.[^./]*\.[^./]*\."
    return f"(?=[^{refused}]*?(?:{named}))[^{refused}]{{1,255}}"


class PathExtension(FieldExtension):
    target_class = fields.PathField
    priority = 1

    def describe(self, field: Any) -> Schema:
        pattern = f"^/(?:{_name()}(?:/{_name()})*)?$"
        return _documented(field, {"type": "string", "pattern": pattern})


class FilenameExtension(FieldExtension):
    target_class = fields.FilenameField
    priority = 1

    def describe(self, field: Any) -> Schema:
        pattern = f"^{_name()}$"
        shape = {"type": "string", "minLength": 1, "maxLength": 255, "pattern": pattern}
        rules = "".join(f" {field.error_messages[each]}" for each in ("characters", "reserved"))
        described = _documented(field, shape)
        return described | {"description": described["description"] + rules}


class TimeExtension(FieldExtension):
    target_class = fields.TimeField
    priority = 1

    def describe(self, field: Any) -> Schema:
        return _documented(field, {"type": "string", "format": "date-time"})


class ExpiryExtension(TimeExtension):
    target_class = ExpiryField
    priority = 2


def _class(characters: str) -> str:
    """Return `characters`, as in brackets of a pattern, as JSON Schema takes them (ECMA 262)."""
    return "".join(
        each if " " <= each <= "~" or each > "\uffff" else f"\\u{ord(each):04x}"
        for each in characters
    )
