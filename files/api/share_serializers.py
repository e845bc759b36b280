"""What comes in and goes out where shares are made and used."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone
from rest_framework import serializers

from files.api.fields import (
    MEDIA_TYPE_DEFAULT,
    ChecksumField,
    FilenameField,
    IntegerField,
    MediaTypeField,
    StrictSerializer,
    StringField,
    TimeField,
    UUIDField,
)
from files.api.pagination import OrderedPageQuery
from files.models import Share, ShareEvent
from files.services.uploads import SINGLE_PUT_MAX

PASSWORD_LENGTH_MAX = 256
_LASTS_AT_MOST = timedelta(days=3653)


class ExpiryField(TimeField):
    """When a share ends: in the future, and at most 10 years ahead."""

    default_error_messages = {
        "out_of_range": "It must be in the future, and at most 10 years ahead."
    }

    def to_internal_value(self, data: Any) -> datetime:  # type: ignore[override]
        time = super().to_internal_value(data)
        now = timezone.now()
        if not now < time <= now + _LASTS_AT_MOST:
            self.fail("out_of_range")
        return time


class CreateShareRequest(StrictSerializer):
    """The body of a new share."""

    file_id = UUIDField()
    permission = serializers.ChoiceField(
        Share.Permission.choices, help_text="`write` includes reading the newest version."
    )
    expires_at = ExpiryField(default=None, allow_null=True)
    password = StringField(default=None, allow_null=True, max_length=PASSWORD_LENGTH_MAX)
    max_downloads = IntegerField(min_value=1, default=None, allow_null=True)


class ChangeShareRequest(StrictSerializer):
    """The body of a change of a share; null takes a limit away."""

    permission = serializers.ChoiceField(Share.Permission.choices, required=False)
    expires_at = ExpiryField(required=False, allow_null=True)
    password = StringField(required=False, allow_null=True, max_length=PASSWORD_LENGTH_MAX)
    max_downloads = IntegerField(min_value=1, required=False, allow_null=True)


class SharesQuery(OrderedPageQuery):
    """The filter of the listing of shares."""

    file_id = UUIDField(default=None, help_text="Shares of this file alone.")


class ShareInitUploadRequest(StrictSerializer):
    """The body of init-upload through a share."""

    filename = FilenameField(default=None, help_text="Shapes the key only.")
    size = IntegerField(min_value=0, max_value=SINGLE_PUT_MAX, help_text="Bytes.")
    content_type = MediaTypeField(default=MEDIA_TYPE_DEFAULT)
    checksum = ChecksumField(default=None)


class ShareCommitRequest(StrictSerializer):
    """The body of commit through a share."""

    key = StringField(max_length=1024, help_text="The key that init-upload gave.")
    checksum = ChecksumField()
    size = IntegerField(min_value=0, help_text="Bytes.")


class PasswordRequest(StrictSerializer):
    """The password of a share, as JSON or as a form."""

    password = StringField(
        default=None, allow_null=True, allow_blank=True, max_length=PASSWORD_LENGTH_MAX
    )


class ShareSerializer(serializers.ModelSerializer[Share]):
    """A share as its owner sees it."""

    file_id = serializers.UUIDField()
    password_required = serializers.SerializerMethodField()

    class Meta:
        model = Share
        fields = (
            "id",
            "file_id",
            "permission",
            "expires_at",
            "password_required",
            "max_downloads",
            "download_count",
            "revoked_at",
            "last_used_at",
            "created_at",
        )

    def get_password_required(self, share: Share) -> bool:
        return share.password is not None


class NewShareSerializer(ShareSerializer):
    """A new share with its token and its link, which are shown this once."""

    token = serializers.CharField()
    url = serializers.URLField()

    class Meta(ShareSerializer.Meta):
        fields = (*ShareSerializer.Meta.fields, "token", "url")  # type: ignore[assignment]


class SharedFileSerializer(serializers.Serializer[Any]):
    """What a share opens; of a file without the right password only how it is shared."""

    filename = serializers.CharField(required=False)
    size = serializers.IntegerField(required=False)
    content_type = serializers.CharField(required=False)
    version = serializers.IntegerField(required=False)
    permission = serializers.ChoiceField(Share.Permission.choices)
    expires_at = serializers.DateTimeField(allow_null=True)
    password_required = serializers.BooleanField()


class ShareEventSerializer(serializers.ModelSerializer[ShareEvent]):
    """An entry of the audit trail of a share."""

    reason = serializers.SerializerMethodField()
    address = serializers.SerializerMethodField()

    class Meta:
        model = ShareEvent
        fields = ("at", "what", "reason", "version", "count", "address")

    def get_reason(self, event: ShareEvent) -> str | None:
        return event.reason or None

    def get_address(self, event: ShareEvent) -> str | None:
        return event.address or None
