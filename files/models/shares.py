"""Shares of files, and their audit trails."""

from __future__ import annotations

from typing import Self

from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from files.keys import new_id
from files.models.files import File
from files.models.users import User


class ShareQuerySet(models.QuerySet["Share"]):
    def visible_to(self, user: User) -> Self:
        """Return the shares of the user's own files, except those of files in the trash."""
        return self.filter(file__user=user, file__deleted_at=None)

    def active(self) -> Self:
        """Return the shares that are neither revoked nor expired."""
        expired = Q(expires_at__lte=timezone.now())
        return self.filter(revoked_at=None).exclude(expired)


class Share(models.Model):
    """A grant on a file to whoever holds its token; only the token's SHA-256 is stored."""

    class Permission(models.TextChoices):
        READ = "read"
        WRITE = "write"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    file = models.ForeignKey(File, on_delete=models.PROTECT, related_name="shares")
    created_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    token_digest = models.CharField(max_length=64, unique=True)
    permission = models.CharField(max_length=5, choices=Permission)
    expires_at = models.DateTimeField(null=True, blank=True)
    password = models.CharField(max_length=255, null=True, blank=True, help_text="hashed")
    max_downloads = models.BigIntegerField(null=True, blank=True)
    download_count = models.BigIntegerField(default=0)
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now)

    objects = ShareQuerySet.as_manager()

    class Meta:
        db_table = "shares"
        constraints = (
            models.CheckConstraint(
                condition=Q(permission__in=["read", "write"]), name="shares_permission"
            ),
            models.CheckConstraint(
                condition=Q(max_downloads=None) | Q(max_downloads__gte=1),
                name="shares_max_downloads_min",
            ),
            models.CheckConstraint(
                condition=Q(max_downloads=None) | Q(download_count__lte=F("max_downloads")),
                name="shares_downloads_within",
            ),
        )

    def __str__(self) -> str:
        return f"{self.permission} share {self.id}"


class ShareEvent(models.Model):
    """An entry of a share's audit trail: a use, or an attempt that was refused."""

    class What(models.TextChoices):
        DOWNLOADED = "downloaded"
        UPLOAD_STARTED = "upload_started"
        COMMITTED = "committed"
        REFUSED = "refused"
        CHANGED = "changed"
        # By wrong passwords, to the network of `address`; to everyone where there is none.
        CLOSED = "closed"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    share = models.ForeignKey(
        Share, on_delete=models.PROTECT, related_name="events", db_index=False
    )
    at = models.DateTimeField(default=timezone.now)
    what = models.CharField(max_length=14, choices=What)
    reason = models.CharField(
        max_length=64,
        blank=True,
        help_text="The problem code of what was refused, or the names of what was changed.",
    )
    version = models.BigIntegerField(null=True, blank=True)
    count = models.PositiveIntegerField(
        default=1, db_default=1, help_text="How often within the minute that began at `at`."
    )
    address = models.CharField(
        max_length=45, blank=True, help_text="Truncated: the /24 or /48 that the request came from."
    )

    class Meta:
        db_table = "share_events"
        indexes = (models.Index(fields=["share", "at"], name="share_events_trail"),)

    def __str__(self) -> str:
        return f"{self.what} at {self.at}"
