"""What the serializers of request bodies say beside their fields."""

from __future__ import annotations

from typing import Any

from drf_spectacular.extensions import (
    OpenApiSerializerExtension,
    OpenApiSerializerFieldExtension,
)

from files.api.fields import StrictSerializer
from files.api.folder_serializers import ChangeFolderRequest
from files.api.serializers import ChangeFileRequest
from files.api.upload_serializers import BatchField, InitUploadRequest
from files.services.uploads import SINGLE_PUT_MAX

Schema = dict[str, Any]


class StrictExtension(OpenApiSerializerExtension):
    """No other members; null for an optional member means that it is not given."""

    target_class = StrictSerializer
    match_subclasses = True
    priority = 0

    def map_serializer(self, auto_schema: Any, direction: str) -> Schema:
        schema: Schema = auto_schema._map_basic_serializer(self.target, direction)
        for name, member in schema["properties"].items():
            if not self.target.fields[name].required:
                _allow_null(member)
        return schema | {"additionalProperties": False}


class InitUploadExtension(StrictExtension):
    """What some members require of others."""

    target_class = InitUploadRequest
    priority = 1

    def map_serializer(self, auto_schema: Any, direction: str) -> Schema:
        has_file = {"required": ["file_id"], "properties": {"file_id": {"type": "string"}}}
        new_file = {
            "required": ["filename"],
            "properties": {"filename": {"type": "string"}, "base_version": {"type": "null"}},
        }
        in_parts = {"required": ["multipart"], "properties": {"multipart": {"const": True}}}
        keeps_place = {"properties": {"folder_id": {"type": "null"}}}
        return super().map_serializer(auto_schema, direction) | {
            "allOf": [
                {"if": has_file, "then": keeps_place, "else": new_file},
                {
                    "if": in_parts,
                    "then": {"properties": {"size": {"minimum": 1}}},
                    "else": {"properties": {"size": {"maximum": SINGLE_PUT_MAX}}},
                },
            ]
        }


class ChangeFileExtension(StrictExtension):
    """A name or a place, of which null is the top."""

    target_class: type[StrictSerializer] = ChangeFileRequest
    priority = 1
    place = "folder_id"

    def map_serializer(self, auto_schema: Any, direction: str) -> Schema:
        has_name = {"required": ["name"], "properties": {"name": {"type": "string"}}}
        return super().map_serializer(auto_schema, direction) | {
            "if": {"required": [self.place]},
            "else": has_name,
        }


class ChangeFolderExtension(ChangeFileExtension):
    target_class = ChangeFolderRequest
    place = "parent_id"


class BatchExtension(OpenApiSerializerFieldExtension):
    target_class = BatchField

    def map_serializer_field(self, auto_schema: Any, direction: str) -> Schema:
        call = auto_schema.resolve_serializer(self.target.call, direction)
        return {"type": "array", "items": call.ref}


def _allow_null(schema: Schema) -> None:
    if isinstance(schema.get("type"), str):
        schema["type"] = [schema["type"], "null"]
    if None not in schema.get("enum", [None]):
        schema["enum"] = [*schema["enum"], None]
