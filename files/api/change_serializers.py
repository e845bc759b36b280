"""What comes in and goes out where the feed of changes is read."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from files.api.fields import QueryIntegerField, StrictSerializer
from files.api.serializers import CreatedByShare, CreatedByUser
from files.models import Change
from files.services.changes import ChangesPage


class ChangesQuery(StrictSerializer):
    """Where in the feed of changes to begin, and how much of it to read."""

    after = QueryIntegerField(
        min_value=0, default=0, help_text="`next` of an earlier answer, or the `seq` of an entry."
    )
    limit = QueryIntegerField(min_value=1, max_value=1_000, default=100)


class ChangeSerializer(serializers.ModelSerializer[Change]):
    """An entry of the feed of changes."""

    file_id = serializers.UUIDField(allow_null=True)
    folder_id = serializers.UUIDField(allow_null=True)
    by = serializers.SerializerMethodField()

    class Meta:
        model = Change
        fields = ("seq", "at", "kind", "file_id", "folder_id", "version", "by")

    def get_by(self, change: Change) -> CreatedByUser | CreatedByShare | None:
        if change.by_user is not None:
            return {"user": change.by_user.subject}
        return None if change.by_share_id is None else {"share": str(change.by_share_id)}


class ChangesSerializer(serializers.Serializer[ChangesPage]):
    """A part of the feed of changes, and the cursor after it."""

    results = ChangeSerializer(source="entries", many=True)
    next = serializers.IntegerField()
    has_more = serializers.BooleanField()


class LatestChangeSerializer(serializers.Serializer[Any]):
    """The cursor after all changes so far."""

    next = serializers.IntegerField()
