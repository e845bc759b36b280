"""What comes in is checked by the `…Request` and `…Query` serializers; the others show rows."""

from __future__ import annotations

import unicodedata
from typing import Any, TypedDict

from rest_framework import serializers

from files.api.fields import (
    FilenameField,
    MediaRangeField,
    PlaceField,
    QueryBooleanField,
    QueryPlaceField,
    QueryTimeField,
    StrictSerializer,
    StringField,
    UUIDField,
)
from files.api.pagination import OrderedPageQuery
from files.models import File, FileVersion, Integrity
from files.services.downloads import Download
from files.services.quotas import Usage


class ChangeRequest(StrictSerializer):
    """The body of a change of name or place: one of them at least."""

    name = FilenameField(required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if not attrs:
            raise serializers.ValidationError(
                {"name": serializers.ErrorDetail("Nothing to change was given.", "required")}
            )
        return attrs


class ChangeFileRequest(ChangeRequest):
    """The body of a rename of a file, or of a move to another folder."""

    folder_id = PlaceField(help_text="The folder that it goes into, or null for the top.")


class CopyFileRequest(StrictSerializer):
    """The body of a copy: what differs from the file that is copied."""

    name = FilenameField(required=False)
    folder_id = PlaceField(help_text="The folder that it goes into, or null for the top.")


class FilesQuery(OrderedPageQuery):
    """The filters of the listing of files."""

    folder_id = QueryPlaceField(
        required=False, help_text="Files in this folder; `root`: those at the top."
    )
    within = UUIDField(required=False, help_text="Files in this folder or anywhere below it.")
    name = StringField(
        required=False, max_length=255, help_text="Files whose name contains this, in any case."
    )
    content_type = MediaRangeField(required=False)
    created_after = QueryTimeField(required=False, help_text="Files created after this time.")
    created_before = QueryTimeField(required=False, help_text="Files created before this time.")
    trashed = QueryBooleanField(
        default=False, help_text="`true`: what is in the trash; `false`: what is not."
    )

    def validate_name(self, value: str) -> str:
        return unicodedata.normalize("NFC", value)


class DeleteQuery(StrictSerializer):
    """Whether a file or folder goes to the trash or is purged."""

    permanent = QueryBooleanField(
        default=False, help_text="`true`: purge it for good, present or in the trash."
    )


class DeleteFilesQuery(StrictSerializer):
    """What is purged: the files and folders in the trash, and nothing else."""

    trashed = QueryBooleanField(only=True, help_text="Nothing but the trash is deleted so.")


class DownloadQuery(StrictSerializer):
    """How a download is answered."""

    redirect = QueryBooleanField(default=False, help_text="`true`: answer 302 to the URL.")
    disposition = serializers.ChoiceField(
        ["attachment", "inline"],
        default="attachment",
        help_text="`inline` lets a browser show types that are safe to show.",
    )


class FileSerializer(serializers.ModelSerializer[File]):
    """A file, with what its newest version has."""

    version = serializers.IntegerField(source="version_current")
    key = serializers.CharField(source="key_current")
    folder_id = serializers.UUIDField(allow_null=True)

    class Meta:
        model = File
        fields = (
            "id",
            "name",
            "size",
            "content_type",
            "checksum",
            "integrity",
            "version",
            "key",
            "created_at",
            "updated_at",
            "deleted_at",
            "folder_id",
        )


class CreatedByUser(TypedDict):
    """The subject of the user who made a version."""

    user: str


class CreatedByShare(TypedDict):
    """The id of the share through which a version was made."""

    share: str


class FileVersionSerializer(serializers.ModelSerializer[FileVersion]):
    """A version of a file."""

    created_by = serializers.SerializerMethodField()

    class Meta:
        model = FileVersion
        fields = (
            "version",
            "key",
            "size",
            "content_type",
            "checksum",
            "integrity",
            "created_by",
            "created_at",
            "purged_at",
        )

    def get_created_by(self, version: FileVersion) -> CreatedByUser | CreatedByShare:
        if version.created_by is not None:
            return {"user": version.created_by.subject}
        return {"share": str(version.share_id)}


class FileWithVersionsSerializer(FileSerializer):
    """A file with its newest versions, at most 100."""

    versions = FileVersionSerializer(many=True)

    class Meta(FileSerializer.Meta):
        fields = (*FileSerializer.Meta.fields, "versions")  # type: ignore[assignment]


class DownloadSerializer(serializers.Serializer[Download]):
    """A presigned GET of one version."""

    presigned_get_url = serializers.URLField(source="url")
    expires_at = serializers.DateTimeField()
    filename = serializers.CharField(source="version.file.name")
    size = serializers.IntegerField(source="version.size")
    content_type = serializers.CharField(source="version.content_type")
    checksum = serializers.CharField(source="version.checksum")
    integrity = serializers.ChoiceField(Integrity.choices, source="version.integrity")
    version = serializers.IntegerField(source="version.version")


class UsageSerializer(serializers.Serializer[Usage]):
    """The caller, with the bytes that the caller has."""

    subject = serializers.CharField(source="user.subject")
    username = serializers.CharField(source="user.username")
    email = serializers.CharField(source="user.email")
    created_at = serializers.DateTimeField(source="user.created_at")
    files = serializers.IntegerField()
    bytes_used = serializers.IntegerField()
    bytes_reserved = serializers.IntegerField()
    quota_bytes = serializers.IntegerField(allow_null=True)
