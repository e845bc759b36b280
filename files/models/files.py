"""Files and their committed versions."""

from __future__ import annotations

from typing import Self

from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from files.keys import new_id
from files.models.users import User

CHECKSUM_LENGTH = len("sha256:") + 64
MEDIA_TYPE_LENGTH = 255
NAME_LENGTH = 255


class Integrity(models.TextChoices):
    """How the SHA-256 of a version is known."""

    STORE = "store", "checked by the store while receiving"
    READ = "read", "computed by the service from the stored bytes"
    DECLARED = "declared", "said by the client, check due"
    CORRUPT = "corrupt", "a later check found other bytes"


class FileQuerySet(models.QuerySet["File"]):
    def visible_to(self, user: User) -> Self:
        """Return the user's own files, including those in the trash."""
        return self.filter(user=user)

    def present(self) -> Self:
        return self.filter(deleted_at=None)

    def trashed(self) -> Self:
        return self.exclude(deleted_at=None)


class File(models.Model):
    """A named file of a user, with denormalized columns of its newest version for listings."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="files", db_index=False)
    name = models.CharField(max_length=NAME_LENGTH)
    content_type = models.CharField(max_length=MEDIA_TYPE_LENGTH)
    size = models.BigIntegerField(help_text="bytes")
    checksum = models.CharField(max_length=CHECKSUM_LENGTH)
    integrity = models.CharField(max_length=8, choices=Integrity)
    key_current = models.CharField(max_length=255)
    version_current = models.BigIntegerField()
    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(default=timezone.now)
    deleted_at = models.DateTimeField(null=True, blank=True)

    objects = FileQuerySet.as_manager()

    class Meta:
        db_table = "files"
        indexes = (models.Index(fields=["user", "created_at", "id"], name="files_listing"),)
        constraints = (
            models.CheckConstraint(condition=Q(version_current__gte=1), name="files_version_min"),
            models.CheckConstraint(condition=Q(size__gte=0), name="files_size_min"),
            models.CheckConstraint(
                condition=Q(integrity__in=Integrity.values), name="files_integrity"
            ),
        )

    def __str__(self) -> str:
        return self.name


class FileVersionQuerySet(models.QuerySet["FileVersion"]):
    def visible_to(self, user: User) -> Self:
        """Return the versions of the user's own files, except those in the trash."""
        return self.filter(file__user=user, file__deleted_at=None)

    def newest(self) -> Self:
        return self.filter(version=F("file__version_current"))


class FileVersion(models.Model):
    """A committed object version; of its columns only `integrity` may be settled later."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    file = models.ForeignKey(
        File, on_delete=models.PROTECT, related_name="versions", db_index=False
    )
    version = models.BigIntegerField()
    key = models.CharField(max_length=255, unique=True)
    store_version_id = models.CharField(max_length=255)
    etag = models.CharField(max_length=255)
    size = models.BigIntegerField(help_text="bytes")
    content_type = models.CharField(max_length=MEDIA_TYPE_LENGTH)
    checksum = models.CharField(max_length=CHECKSUM_LENGTH)
    integrity = models.CharField(max_length=8, choices=Integrity)
    created_by = models.ForeignKey(
        User, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    share = models.ForeignKey(
        "Share", null=True, blank=True, on_delete=models.PROTECT, related_name="versions"
    )
    created_at = models.DateTimeField(default=timezone.now)

    objects = FileVersionQuerySet.as_manager()

    class Meta:
        db_table = "file_versions"
        constraints = (
            models.UniqueConstraint(fields=["file", "version"], name="file_versions_number"),
            models.CheckConstraint(condition=Q(version__gte=1), name="file_versions_version_min"),
            models.CheckConstraint(condition=Q(size__gte=0), name="file_versions_size_min"),
            models.CheckConstraint(
                condition=Q(integrity__in=Integrity.values), name="file_versions_integrity"
            ),
            models.CheckConstraint(
                condition=Q(created_by=None) ^ Q(share=None), name="file_versions_one_maker"
            ),
        )

    def __str__(self) -> str:
        return f"{self.file_id} version {self.version}"
