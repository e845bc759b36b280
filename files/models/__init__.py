"""The tables, the rules that the database itself keeps, and who may see which row.

Rows are reached through `visible_to(user)`; nothing here calls the store. `docx/data-model.md`
draws the tables. Ids are UUIDs made from ULIDs, so they sort by time of creation.
"""

from __future__ import annotations

from typing import Any, Self

from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import AbstractUser
from django.db import IntegrityError, models
from django.db.models import F, Q
from django.utils import timezone

from files.keys import new_id

CHECKSUM_LENGTH = len("sha256:") + 64
MEDIA_TYPE_LENGTH = 255
NAME_LENGTH = 255


class Integrity(models.TextChoices):
    """How the SHA-256 of a version is known."""

    STORE = "store", "checked by the store while receiving"
    READ = "read", "computed by the service from the stored bytes"
    DECLARED = "declared", "said by the client, check due"
    CORRUPT = "corrupt", "a later check found other bytes"


class User(AbstractUser):
    """A person or program, known by the `sub` of its tokens."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    username = models.CharField(max_length=255, unique=True)
    subject = models.CharField(
        max_length=255,
        unique=True,
        blank=True,
        help_text="The JWT `sub`; the user name where none is given.",
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        db_table = "users"

    def clean(self) -> None:
        # Before the form looks whether the subject is taken.
        self.subject = self.subject or self.username
        super().clean()

    def save(self, *args: Any, **kwargs: Any) -> None:
        self.subject = self.subject or self.username
        super().save(*args, **kwargs)

    @classmethod
    def of_subject(cls, subject: str) -> User:
        """Return the user of `subject`, made now, without a password, if there is none.

        The subject is the user's name too, unless another user has that name.
        """
        values = {"username": subject, "password": make_password(None)}
        try:
            user, _ = cls.objects.get_or_create(subject=subject, defaults=values)
        except IntegrityError:
            values["username"] = str(new_id())
            user, _ = cls.objects.get_or_create(subject=subject, defaults=values)
        return user


class FileQuerySet(models.QuerySet["File"]):
    def visible_to(self, user: User) -> Self:
        """The user's own files, those in the trash included."""
        return self.filter(user=user)

    def present(self) -> Self:
        return self.filter(deleted_at=None)

    def trashed(self) -> Self:
        return self.exclude(deleted_at=None)


class File(models.Model):
    """A named thing that a person owns. It repeats what a listing shows of its newest version."""

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
        """The versions of the user's own files, but for those in the trash."""
        return self.filter(file__user=user, file__deleted_at=None)

    def newest(self) -> Self:
        return self.filter(version=F("file__version_current"))


class FileVersion(models.Model):
    """The record of one committed object version; only `integrity` may be settled later."""

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


class UploadQuerySet(models.QuerySet["Upload"]):
    def visible_to(self, user: User) -> Self:
        """The uploads that the user began, not those that came through a share."""
        return self.filter(user=user, share=None)

    def through(self, share: Share) -> Self:
        return self.filter(share=share)

    def pending(self) -> Self:
        """Those that can still be committed."""
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
        "Share", null=True, blank=True, on_delete=models.PROTECT, related_name="uploads"
    )
    key = models.CharField(max_length=255, unique=True)
    filename = models.CharField(max_length=NAME_LENGTH)
    content_type = models.CharField(max_length=MEDIA_TYPE_LENGTH)
    size = models.BigIntegerField(help_text="bytes")
    checksum = models.CharField(max_length=CHECKSUM_LENGTH, null=True, blank=True)
    file = models.ForeignKey(
        File, null=True, blank=True, on_delete=models.PROTECT, related_name="uploads"
    )
    base_version = models.BigIntegerField(null=True, blank=True)
    multipart_id = models.CharField(max_length=1024, null=True, blank=True)
    part_size = models.BigIntegerField(null=True, blank=True, help_text="bytes")
    idempotency_key = models.CharField(max_length=255, null=True, blank=True)
    request_digest = models.CharField(max_length=64, null=True, blank=True)
    state = models.CharField(max_length=9, choices=State, default=State.PENDING)
    commit_by = models.DateTimeField()
    file_version = models.OneToOneField(
        FileVersion, null=True, blank=True, on_delete=models.PROTECT, related_name="upload"
    )
    created_at = models.DateTimeField(default=timezone.now)

    objects = UploadQuerySet.as_manager()

    class Meta:
        db_table = "uploads"
        indexes = (
            models.Index(fields=["state", "commit_by"], name="uploads_due"),
            models.Index(fields=["user", "created_at"], name="uploads_listing"),
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
                    # A comparison with NULL is unknown, and what is unknown is let through.
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
        """Return the bytes that part `part_number` (from 1) of a multipart upload must have."""
        assert self.part_size is not None  # noqa: S101
        return min(self.part_size, self.size - (part_number - 1) * self.part_size)


class ShareQuerySet(models.QuerySet["Share"]):
    def visible_to(self, user: User) -> Self:
        """The shares of the user's own files, but for files in the trash."""
        return self.filter(file__user=user, file__deleted_at=None)


class Share(models.Model):
    """A grant on a file to whoever holds its token, of which only the SHA-256 is kept."""

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
    failed_attempts = models.PositiveIntegerField(default=0)
    failed_since = models.DateTimeField(null=True, blank=True)
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
    """What was done, or tried, through a share."""

    class What(models.TextChoices):
        DOWNLOADED = "downloaded"
        UPLOAD_STARTED = "upload_started"
        COMMITTED = "committed"
        REFUSED = "refused"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    share = models.ForeignKey(
        Share, on_delete=models.PROTECT, related_name="events", db_index=False
    )
    at = models.DateTimeField(default=timezone.now)
    what = models.CharField(max_length=14, choices=What)
    reason = models.CharField(
        max_length=32, blank=True, help_text="The problem code of what was refused."
    )
    version = models.BigIntegerField(null=True, blank=True)
    address = models.CharField(
        max_length=45, blank=True, help_text="Truncated: the /24 or /48 that the request came from."
    )

    class Meta:
        db_table = "share_events"
        indexes = (models.Index(fields=["share", "at"], name="share_events_trail"),)

    def __str__(self) -> str:
        return f"{self.what} at {self.at}"
