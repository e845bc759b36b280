"""What comes in is checked by the `…Request` and `…Query` serializers; the others show rows."""

from __future__ import annotations

import unicodedata
from typing import Any

from django.conf import settings
from rest_framework import serializers

from files.api.fields import (
    MEDIA_TYPE_DEFAULT,
    BooleanField,
    ChecksumField,
    FilenameField,
    IntegerField,
    MediaTypeField,
    QueryBooleanField,
    QueryTimeField,
    StrictSerializer,
    StringField,
    UUIDField,
)
from files.api.pagination import OrderedPageQuery
from files.models import File, FileVersion, Upload
from files.services.commits import CommitResult
from files.services.downloads import Download
from files.services.uploads import PARTS_MAX, PARTS_PER_ANSWER, SignedUpload


class InitUploadRequest(StrictSerializer):
    """The body of init-upload."""

    filename = FilenameField(required=False)
    size = IntegerField(min_value=0, max_value=settings.MAX_FILE_SIZE)
    content_type = MediaTypeField(default=MEDIA_TYPE_DEFAULT)
    checksum = ChecksumField(default=None)
    file_id = UUIDField(default=None)
    base_version = IntegerField(min_value=1, default=None)
    multipart = BooleanField(default=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs["file_id"] is None:
            if "filename" not in attrs:
                raise serializers.ValidationError(
                    {"filename": serializers.ErrorDetail("This field is required.", "required")}
                )
            if attrs["base_version"] is not None:
                raise serializers.ValidationError(
                    {
                        "base_version": serializers.ErrorDetail(
                            "base_version goes with file_id.", "invalid"
                        )
                    }
                )
        return {"filename": None} | attrs


class CommitRequest(StrictSerializer):
    """The body of commit."""

    key = StringField(max_length=1024)
    checksum = ChecksumField()
    size = IntegerField(min_value=0)
    base_version = IntegerField(min_value=1, default=None)


class UrlsRequest(StrictSerializer):
    """The body of a request for fresh URLs."""

    part_numbers = serializers.ListField(
        child=IntegerField(min_value=1, max_value=PARTS_MAX),
        min_length=1,
        max_length=PARTS_PER_ANSWER,
        default=None,
    )

    def validate_part_numbers(self, value: list[int] | None) -> list[int] | None:
        if value is not None and len(set(value)) != len(value):
            raise serializers.ValidationError("Part numbers must be unique.", "invalid")
        return value


class RenameRequest(StrictSerializer):
    """The body of a rename."""

    name = FilenameField()


class FilesQuery(OrderedPageQuery):
    """The filters of the listing of files."""

    name = StringField(required=False, max_length=255)
    content_type = StringField(required=False, max_length=255)
    created_after = QueryTimeField(required=False)
    created_before = QueryTimeField(required=False)
    trashed = QueryBooleanField(default=False)

    def validate_name(self, value: str) -> str:
        return unicodedata.normalize("NFC", value)

    def validate_content_type(self, value: str) -> str:
        # An unencoded "+", as in image/svg+xml, arrives as a blank, which no subtype has.
        kind, slash, subtype = value.partition("/")
        if ";" not in subtype:
            value = f"{kind}{slash}{subtype.replace(' ', '+')}"
        media_type = value.removesuffix("/*") + "/any" if value.endswith("/*") else value
        if value == "*/*":
            raise serializers.ValidationError("A media type, or one like image/*.", "invalid")
        MediaTypeField().run_validation(media_type)
        return value


class DownloadQuery(StrictSerializer):
    """How a download is answered."""

    redirect = QueryBooleanField(default=False)
    disposition = serializers.ChoiceField(["attachment", "inline"], default="attachment")


class FileSerializer(serializers.ModelSerializer[File]):
    """A file, with what its newest version has."""

    version = serializers.IntegerField(source="version_current")
    key = serializers.CharField(source="key_current")

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
        )


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
        )

    def get_created_by(self, version: FileVersion) -> dict[str, str]:
        if version.created_by is not None:
            return {"user": version.created_by.subject}
        return {"share": str(version.share_id)}


class UploadSerializer(serializers.ModelSerializer[Upload]):
    """An upload in any state."""

    upload_id = serializers.UUIDField(source="id")
    multipart = serializers.BooleanField()
    part_count = serializers.IntegerField()
    fileId = serializers.UUIDField(source="file_version.file_id", default=None)  # noqa: N815
    version = serializers.IntegerField(source="file_version.version", default=None)

    class Meta:
        model = Upload
        fields = (
            "upload_id",
            "key",
            "filename",
            "size",
            "content_type",
            "checksum",
            "state",
            "multipart",
            "part_size",
            "part_count",
            "created_at",
            "commit_by",
            "fileId",
            "version",
        )


class ReceivedPartSerializer(serializers.Serializer[Any]):
    """A part that the store has received."""

    part_number = serializers.IntegerField()
    size = serializers.IntegerField()


class CommitSerializer(serializers.Serializer[CommitResult]):
    """A committed version with its file."""

    fileId = serializers.UUIDField(source="file.id")  # noqa: N815
    version = serializers.IntegerField(source="version.version")
    key = serializers.CharField(source="version.key")
    name = serializers.CharField(source="file.name")
    size = serializers.IntegerField(source="version.size")
    content_type = serializers.CharField(source="version.content_type")
    checksum = serializers.CharField(source="version.checksum")
    integrity = serializers.CharField(source="version.integrity")
    created_at = serializers.DateTimeField(source="version.created_at")


class DownloadSerializer(serializers.Serializer[Download]):
    """A presigned GET of one version."""

    presigned_get_url = serializers.CharField(source="url")
    expires_at = serializers.DateTimeField()
    filename = serializers.CharField(source="version.file.name")
    size = serializers.IntegerField(source="version.size")
    content_type = serializers.CharField(source="version.content_type")
    checksum = serializers.CharField(source="version.checksum")
    integrity = serializers.CharField(source="version.integrity")
    version = serializers.IntegerField(source="version.version")


class PresignedPartSerializer(serializers.Serializer[Any]):
    """The presigned PUT of one part."""

    part_number = serializers.IntegerField()
    presigned_put_url = serializers.CharField(source="url.url")
    headers = serializers.DictField(source="url.headers")


class SignedUploadSerializer(serializers.Serializer[SignedUpload]):
    """The answer of init-upload, and of fresh URLs."""

    upload_id = serializers.UUIDField(source="upload.id")
    key = serializers.CharField(source="upload.key")
    presigned_put_url = serializers.CharField(source="put.url", default=None)
    headers = serializers.DictField(source="put.headers", default=dict)
    expires_at = serializers.DateTimeField()

    def to_representation(self, signed: SignedUpload) -> dict[str, Any]:
        shown = super().to_representation(signed)
        if signed.upload.multipart:
            shown["part_size"] = signed.upload.part_size
            shown["part_count"] = signed.upload.part_count
            shown["parts"] = PresignedPartSerializer(signed.parts, many=True).data
        return shown
