"""Uploads and commits: what comes in is checked by the `…Request` serializers; the others show."""

from __future__ import annotations

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
    PlaceField,
    StrictSerializer,
    StringField,
    UUIDField,
)
from files.models import Integrity, Upload
from files.services.commits import CommitResult
from files.services.uploads import PARTS_MAX, PARTS_PER_ANSWER, SignedUpload


class InitUploadRequest(StrictSerializer):
    """The body of init-upload."""

    filename = FilenameField(
        required=False,
        help_text="Required without `file_id`; with it, it shapes the key only.",
    )
    size = IntegerField(min_value=0, max_value=settings.MAX_FILE_SIZE, help_text="Bytes.")
    content_type = MediaTypeField(default=MEDIA_TYPE_DEFAULT)
    checksum = ChecksumField(
        default=None,
        help_text="Binds the upload to these bytes: the store refuses others, and a second PUT.",
    )
    file_id = UUIDField(default=None, help_text="The file that gets a new version.")
    base_version = IntegerField(
        min_value=1,
        default=None,
        help_text="With `file_id`: the commit fails unless this is still the newest version.",
    )
    multipart = BooleanField(
        default=False, help_text="Whether to upload in parts; needed above 5 GiB."
    )
    folder_id = UUIDField(
        default=None, help_text="The folder that a new file goes into; the top if not given."
    )

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
        elif attrs["folder_id"] is not None:
            raise serializers.ValidationError(
                {
                    "folder_id": serializers.ErrorDetail(
                        "A new version keeps its file's place.", "invalid"
                    )
                }
            )
        return {"filename": None} | attrs


class CommitRequest(StrictSerializer):
    """The body of commit."""

    key = StringField(max_length=1024, help_text="The key that init-upload gave.")
    checksum = ChecksumField()
    size = IntegerField(min_value=0, help_text="Bytes.")
    base_version = IntegerField(
        min_value=1, default=None, help_text="Takes the place of init-upload's, after a 412."
    )
    folder_id = PlaceField(
        help_text="Takes the place of init-upload's, after a 409; null is the top."
    )


BATCH_MAX = 1_000
"""Calls in one batch."""


class BatchField(serializers.ListField):
    """The calls of a batch; `call` checks each by itself, when its turn comes."""

    def __init__(self, call: type[StrictSerializer]) -> None:
        self.call = call
        super().__init__(min_length=1, max_length=BATCH_MAX)


class InitUploadBatchRequest(StrictSerializer):
    """The body of a batch of init-uploads; each item is checked by itself."""

    uploads = BatchField(InitUploadRequest)


class CommitBatchRequest(StrictSerializer):
    """The body of a batch of commits; each item is checked by itself."""

    commits = BatchField(CommitRequest)


class UrlsRequest(StrictSerializer):
    """The body of a request for fresh URLs."""

    part_numbers = serializers.ListField(
        child=IntegerField(min_value=1, max_value=PARTS_MAX),
        min_length=1,
        max_length=PARTS_PER_ANSWER,
        default=None,
        help_text="Of a multipart upload; if not given, the first 100 parts not received yet.",
    )

    def validate_part_numbers(self, value: list[int] | None) -> list[int] | None:
        if value is not None and len(set(value)) != len(value):
            raise serializers.ValidationError("Part numbers must be unique.", "invalid")
        return value


class UploadSerializer(serializers.ModelSerializer[Upload]):
    """An upload in any state."""

    upload_id = serializers.UUIDField(source="id")
    multipart = serializers.BooleanField()
    part_count = serializers.IntegerField(allow_null=True)
    fileId = serializers.UUIDField(  # noqa: N815
        source="file_version.file_id", default=None, allow_null=True
    )
    version = serializers.IntegerField(source="file_version.version", default=None, allow_null=True)

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
            "folder_id",
            "fileId",
            "version",
        )


class ReceivedPartSerializer(serializers.Serializer[Any]):
    """A part that the store has received."""

    part_number = serializers.IntegerField()
    size = serializers.IntegerField()


class UploadWithPartsSerializer(UploadSerializer):
    """An upload in any state; a pending multipart one with the parts that the store has."""

    received_parts = ReceivedPartSerializer(many=True, required=False)

    class Meta(UploadSerializer.Meta):
        fields = (*UploadSerializer.Meta.fields, "received_parts")  # type: ignore[assignment]


class CommitSerializer(serializers.Serializer[CommitResult]):
    """A committed version with its file."""

    fileId = serializers.UUIDField(source="file.id")  # noqa: N815
    version = serializers.IntegerField(source="version.version")
    key = serializers.CharField(source="version.key")
    name = serializers.CharField(source="file.name")
    size = serializers.IntegerField(source="version.size")
    content_type = serializers.CharField(source="version.content_type")
    checksum = serializers.CharField(source="version.checksum")
    integrity = serializers.ChoiceField(Integrity.choices, source="version.integrity")
    created_at = serializers.DateTimeField(source="version.created_at")


class PresignedPartSerializer(serializers.Serializer[Any]):
    """The presigned PUT of one part."""

    part_number = serializers.IntegerField()
    presigned_put_url = serializers.URLField(source="url.url")
    headers = serializers.DictField(source="url.headers", child=serializers.CharField())


class SignedUploadSerializer(serializers.Serializer[SignedUpload]):
    """An upload with the URLs just signed for it; `parts` and what goes with them if multipart."""

    upload_id = serializers.UUIDField(source="upload.id")
    key = serializers.CharField(source="upload.key")
    presigned_put_url = serializers.URLField(source="put.url", default=None, allow_null=True)
    headers = serializers.DictField(
        source="put.headers",
        child=serializers.CharField(),
        default=dict,
        help_text="What to send with the PUT.",
    )
    expires_at = serializers.DateTimeField(help_text="When the URLs expire.")
    part_size = serializers.IntegerField(source="upload.part_size", required=False)
    part_count = serializers.IntegerField(source="upload.part_count", required=False)
    parts = PresignedPartSerializer(many=True, required=False)

    def to_representation(self, signed: SignedUpload) -> dict[str, Any]:
        shown = super().to_representation(signed)
        if not signed.upload.multipart:
            for name in ("part_size", "part_count", "parts"):
                del shown[name]
        return shown
