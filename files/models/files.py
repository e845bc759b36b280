"""Files and their committed versions."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Self

from django.db import models
from django.db.models import F, Q, Value
from django.db.models.functions import Collate, StrIndex, Substr, Upper
from django.utils import timezone

from files.keys import new_id
from files.models.trash import PRESENT, TRASHED, TrashQuerySet
from files.models.users import User

CHECKSUM_LENGTH = len("sha256:") + 64
MEDIA_TYPE_LENGTH = 255
NAME_LENGTH = 255

# Filters and indexes share these: a database uses an index on an expression for that one only.
MEDIA_TYPE = Upper("content_type")
KIND = Upper(Substr("content_type", 1, StrIndex("content_type", Value("/"))))
# ASCII only, whatever the database's locale.
UPPER_NAME = Upper(Collate("name", "C"))

TRASHED_ALONE = TRASHED & Q(trashed_with__isnull=True)
AT_TOP, IN_FOLDER = Q(folder__isnull=True), Q(folder__isnull=False)
_IN_ORDER = (F("created_at"), F("id"))


class Integrity(models.TextChoices):
    """How the SHA-256 of a version is known."""

    STORE = "store", "checked by the store while receiving"
    READ = "read", "computed by the service from the stored bytes"
    DECLARED = "declared", "said by the client, check due"
    CORRUPT = "corrupt", "a later check found other bytes"


class FileQuerySet(TrashQuerySet["File"]):
    def of_type(self, content_type: str) -> Self:
        """Return the files of this media type, or of all like `image/*`, in any case."""
        if content_type.endswith("/*"):
            return self.alias(kind=KIND).filter(kind=content_type.removesuffix("*").upper())
        return self.alias(media_type=MEDIA_TYPE).filter(media_type=content_type.upper())

    def with_name_parts(self, parts: Iterable[str]) -> Self:
        """Return the files whose names have these parts, given in upper case; PostgreSQL only."""
        conditions = [Q(upper_name__contains=part) for part in parts]
        return self.alias(upper_name=UPPER_NAME).filter(*conditions)


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
    purged_at = models.DateTimeField(null=True, blank=True)
    folder = models.ForeignKey(
        "Folder",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="files",
        db_index=False,
        help_text="Null: the top.",
    )
    trashed_with = models.UUIDField(
        null=True, blank=True, help_text="The folder with which the file went to the trash."
    )

    objects = FileQuerySet.as_manager()

    class Meta:
        db_table = "files"
        # Each has the rows of a listing in its order, and no others, so that a page costs the same
        # whatever else there is. Migration 0004 adds one for names, on PostgreSQL.
        indexes = (
            models.Index(F("user"), *_IN_ORDER, name="files_present", condition=PRESENT),
            models.Index(F("user"), *_IN_ORDER, name="files_trashed", condition=TRASHED_ALONE),
            models.Index(F("user"), MEDIA_TYPE, *_IN_ORDER, name="files_type", condition=PRESENT),
            models.Index(F("user"), KIND, *_IN_ORDER, name="files_kind", condition=PRESENT),
            models.Index(F("user"), *_IN_ORDER, name="files_top", condition=PRESENT & AT_TOP),
            models.Index(
                F("folder"), *_IN_ORDER, name="files_folder", condition=PRESENT & IN_FOLDER
            ),
            # For lookups by path, and for all of a folder, in the trash or not.
            models.Index(
                fields=["user", "name"], condition=PRESENT & AT_TOP, name="files_name_at_top"
            ),
            models.Index(
                fields=["folder", "name"], condition=IN_FOLDER, name="files_name_in_folder"
            ),
            models.Index(
                fields=["deleted_at"], condition=TRASHED & Q(purged_at=None), name="files_trash_age"
            ),
            models.Index(
                fields=["purged_at"], condition=Q(purged_at__isnull=False), name="files_purged"
            ),
        )
        constraints = (
            # So that whatever asks for present files leaves the purged ones out, too.
            models.CheckConstraint(
                condition=Q(purged_at=None) | Q(deleted_at__isnull=False),
                name="files_purged_not_present",
            ),
            models.CheckConstraint(
                condition=Q(trashed_with=None) | Q(deleted_at__isnull=False),
                name="files_trashed_with_not_present",
            ),
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

    def live(self) -> Self:
        """Return the versions that are not purged, nor their files: their pins hold."""
        return self.filter(purged_at=None, file__purged_at=None)

    def sharing_pin_of(self, version: FileVersion) -> Self:
        """Return `version` and those restored or copied from it: all that pin what it pins."""
        return self.filter(key=version.key, store_version_id=version.store_version_id)

    def newest(self) -> Self:
        return self.filter(version=F("file__version_current"))


class FileVersion(models.Model):
    """A committed object version.

    Its `integrity` may be settled later; once it is purged its bytes are collected.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    file = models.ForeignKey(
        File, on_delete=models.PROTECT, related_name="versions", db_index=False
    )
    version = models.BigIntegerField()
    key = models.CharField(max_length=255)
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
    purged_at = models.DateTimeField(null=True, blank=True)
    collected_at = models.DateTimeField(null=True, blank=True)

    objects = FileVersionQuerySet.as_manager()

    class Meta:
        db_table = "file_versions"
        indexes = (
            # Several versions may have the same pin.
            models.Index(fields=["key"], name="file_versions_key"),
            models.Index(
                fields=["purged_at"],
                condition=Q(purged_at__isnull=False, collected_at=None),
                name="file_versions_purged",
            ),
        )
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
