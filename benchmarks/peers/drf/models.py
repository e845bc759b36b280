"""The tables of `benchmarks/peers/schema.sql`."""

import uuid

from django.db import models
from django.utils import timezone


class Table(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        abstract = True
        managed = False


class User(Table):
    subject = models.CharField(max_length=255, unique=True)
    username = models.CharField(max_length=255)
    email = models.CharField(max_length=254)
    is_active = models.BooleanField(default=True)
    is_authenticated = True

    class Meta(Table.Meta):
        db_table = "users"


class File(Table):
    user = models.ForeignKey(User, on_delete=models.PROTECT)
    name = models.CharField(max_length=255)
    content_type = models.CharField(max_length=255)
    size = models.BigIntegerField()
    checksum = models.CharField(max_length=71)
    integrity = models.CharField(max_length=8, default="declared")
    key_current = models.CharField(max_length=255)
    version_current = models.BigIntegerField(default=1)
    updated_at = models.DateTimeField(default=timezone.now)
    deleted_at = models.DateTimeField(null=True)

    class Meta(Table.Meta):
        db_table = "files"


class FileVersion(Table):
    file = models.ForeignKey(File, on_delete=models.PROTECT, related_name="versions")
    version = models.BigIntegerField(default=1)
    key = models.CharField(max_length=255)
    store_version_id = models.CharField(max_length=255)
    etag = models.CharField(max_length=255)
    size = models.BigIntegerField()
    content_type = models.CharField(max_length=255)
    checksum = models.CharField(max_length=71)
    integrity = models.CharField(max_length=8, default="declared")
    created_by = models.ForeignKey(User, null=True, on_delete=models.PROTECT)

    class Meta(Table.Meta):
        db_table = "file_versions"


class Upload(Table):
    user = models.ForeignKey(User, on_delete=models.PROTECT)
    key = models.CharField(max_length=255)
    filename = models.CharField(max_length=255)
    content_type = models.CharField(max_length=255)
    size = models.BigIntegerField()
    checksum = models.CharField(max_length=71, null=True)
    file = models.ForeignKey(File, null=True, on_delete=models.PROTECT)
    state = models.CharField(max_length=9, default="pending")
    commit_by = models.DateTimeField()
    file_version = models.OneToOneField(FileVersion, null=True, on_delete=models.PROTECT)

    class Meta(Table.Meta):
        db_table = "uploads"
