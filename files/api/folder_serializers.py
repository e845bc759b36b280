"""What comes in and goes out where folders are made, changed and looked up."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from files.api.fields import (
    FilenameField,
    PathField,
    PlaceField,
    QueryBooleanField,
    QueryPlaceField,
    StrictSerializer,
    UUIDField,
)
from files.api.pagination import PageQuery
from files.api.serializers import ChangeRequest, FileSerializer
from files.services.folders import PlacedFolder


class CreateFolderRequest(StrictSerializer):
    """The body of a new folder."""

    name = FilenameField()
    parent_id = UUIDField(default=None, help_text="The folder that it goes into.")


class ChangeFolderRequest(ChangeRequest):
    """The body of a rename of a folder, or of a move into another one."""

    parent_id = PlaceField(help_text="The folder that it goes into, or null for the top.")


class FoldersQuery(PageQuery):
    """Which folders are listed: those in one place, or those that were trashed."""

    parent_id = QueryPlaceField(
        required=False, help_text="The folder that they are in; `root` for the top."
    )
    trashed = QueryBooleanField(default=False)


class LookupQuery(StrictSerializer):
    """The path that is looked up."""

    path = PathField()


class PathStepSerializer(serializers.Serializer[Any]):
    """A folder in a path."""

    id = serializers.UUIDField()
    name = serializers.CharField()


class FolderSerializer(serializers.Serializer[PlacedFolder]):
    """A folder, with its path from the top down to itself."""

    id = serializers.UUIDField(source="folder.id")
    name = serializers.CharField(source="folder.name")
    parent_id = serializers.UUIDField(source="folder.parent_id", allow_null=True)
    path = PathStepSerializer(many=True)
    created_at = serializers.DateTimeField(source="folder.created_at")
    updated_at = serializers.DateTimeField(source="folder.updated_at")
    deleted_at = serializers.DateTimeField(source="folder.deleted_at", allow_null=True)


class FoundSerializer(serializers.Serializer[Any]):
    """What a path leads to, one of them; the top is no folder, and null."""

    folder = FolderSerializer(required=False, allow_null=True)
    file = FileSerializer(required=False)
