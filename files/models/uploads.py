"""Uploads: from init-upload to commit, abort or expiry."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from django.db import models
from django.db.models import Q
from django.utils import timezone

from files.keys import new_id
from files.models.files import (
    CHECKSUM_LENGTH,
    IN_FOLDER,
    MEDIA_TYPE_LENGTH,
    NAME_LENGTH,
    File,
    FileVersion,
)
from files.models.users import User

if TYPE_CHECKING:
    from files.models.shares import Share


class UploadQuerySet(models.QuerySet["Upload"]):
    def visible_to(self, user: User) -> Self:
        """Return the uploads that the user began, without those through a share."""
        return self.filter(user=user, share=None)

    def through(self, share: Share) -> Self:
        return self.filter(share=share)

    def pending(self) -> Self:
        """Return the uploads that can still be committed."""
        return self.filter(state=Upload.State.PENDING, commit_by__gt=timezone.now())


class Upload(models.Model):
    """The intent to store one object; ended by commit, abort or expiry."""

    class State(models.TextChoices):
        PENDING = "pending"
        COMMITTED = "committed"
        ABORTED = "aborted"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    user = models.ForeignKey(
        User,
        on_delete=models.PROTECT,
        related_name="uploads",
        db_index=False,
        help_text="The owner of the file to be.",
    )
    share = models.ForeignKey(
        "Share",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="uploads",
        db_index=False,
    )
    address = models.CharField(
        max_length=45,
        blank=True,
        default="",
        db_default="",
        help_text="The network of who came by a share.",
    )
    key = models.CharField(max_length=255, unique=True)
    filename = models.CharField(max_length=NAME_LENGTH)
    content_type = models.CharField(max_length=MEDIA_TYPE_LENGTH)
    size = models.BigIntegerField(help_text="bytes")
    checksum = models.CharField(max_length=CHECKSUM_LENGTH, null=True, blank=True)
    file = models.ForeignKey(
        File, null=True, blank=True, on_delete=models.PROTECT, related_name="uploads"
    )
    folder = models.ForeignKey(
        "Folder",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="uploads",
        db_index=False,
        help_text="Of a new file; null: the top.",
    )
    base_version = models.BigIntegerField(null=True, blank=True)
    multipart_id = models.CharField(max_length=1024, null=True, blank=True)
    part_size = models.BigIntegerField(null=True, blank=True, help_text="bytes")
    idempotency_key = models.CharField(max_length=255, null=True, blank=True)
    request_digest = models.CharField(max_length=64, null=True, blank=True)
    read_version_id = models.CharField(
        max_length=255,
        null=True,
        blank=True,
        help_text="The object version that a commit read, to compute its SHA-256.",
    )
    read_checksum = models.CharField(max_length=CHECKSUM_LENGTH, null=True, blank=True)
    state = models.CharField(max_length=9, choices=State, default=State.PENDING)
    commit_by = models.DateTimeField()
    urls_expire_at = models.DateTimeField(
        null=True, blank=True, help_text="When the last URL signed for it expires."
    )
    reserved = models.BooleanField(
        default=False,
        db_default=False,
        help_text="Whether its size is part of the owner's reserved bytes.",
    )
    collected_at = models.DateTimeField(null=True, blank=True)
    file_version = models.OneToOneField(
        FileVersion, null=True, blank=True, on_delete=models.PROTECT, related_name="upload"
    )
    created_at = models.DateTimeField(default=timezone.now)

    objects = UploadQuerySet.as_manager()

    class Meta:
        db_table = "uploads"
        indexes = (
            models.Index(
                fields=["commit_by"],
                condition=Q(state__in=["pending", "aborted"], collected_at=None),
                name="uploads_due",
            ),
            models.Index(
                fields=["user", "created_at"],
                condition=Q(state="pending"),
                name="uploads_pending",
            ),
            models.Index(
                fields=["share", "state"], condition=Q(share__isnull=False), name="uploads_share"
            ),
            models.Index(fields=["folder"], condition=IN_FOLDER, name="uploads_folder"),
        )
        constraints = (
            models.UniqueConstraint(
                fields=["user", "idempotency_key"],
                condition=Q(idempotency_key__isnull=False),
                name="uploads_idempotency",
            ),
            models.CheckConstraint(condition=Q(size__gte=0), name="uploads_size_min"),
            models.CheckConstraint(
                condition=(
                    Q(state="committed", file_version__isnull=False)
                    | Q(state__in=["pending", "aborted"], file_version=None)
                ),
                name="uploads_state",
            ),
            models.CheckConstraint(
                condition=(
                    Q(multipart_id=None, part_size=None)
                    # A CHECK that evaluates to NULL passes, so NULL is excluded explicitly.
                    | Q(multipart_id__isnull=False, part_size__isnull=False, part_size__gte=1)
                ),
                name="uploads_multipart",
            ),
        )

    def __str__(self) -> str:
        return self.key

    @property
    def multipart(self) -> bool:
        return self.multipart_id is not None

    @property
    def part_count(self) -> int | None:
        return None if self.part_size is None else -(-self.size // self.part_size)

    def size_of_part(self, part_number: int) -> int:
        """Return the required size (bytes) of part `part_number` (from 1) of a multipart upload."""
        assert self.part_size is not None  # noqa: S101
        return min(self.part_size, self.size - (part_number - 1) * self.part_size)
