"""Users, who own files and authenticate with tokens."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import AbstractUser
from django.db import IntegrityError, models
from django.db.models import Q
from django.utils import timezone

from files.keys import new_id


class User(AbstractUser):
    """A person or program, identified by the `sub` of its tokens."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    username = models.CharField(max_length=255, unique=True)
    subject = models.CharField(
        max_length=255,
        unique=True,
        blank=True,
        help_text="The JWT `sub`; the user name where none is given.",
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    quota_bytes = models.BigIntegerField(
        null=True, blank=True, help_text="bytes; DEFAULT_QUOTA where none is given"
    )
    bytes_used = models.BigIntegerField(
        null=True,
        editable=False,
        help_text="bytes of versions in the store; null until they are counted for a quota",
    )
    bytes_reserved = models.BigIntegerField(
        null=True, editable=False, help_text="bytes of uploads that may still come; null likewise"
    )
    change_seq = models.BigIntegerField(
        default=0, db_default=0, editable=False, help_text="The number of the newest change."
    )

    COUNTERS = ("bytes_used", "bytes_reserved", "change_seq")

    class Meta:
        db_table = "users"
        constraints = (
            models.CheckConstraint(condition=Q(quota_bytes__gte=0), name="users_quota_min"),
            models.CheckConstraint(condition=Q(bytes_used__gte=0), name="users_used_min"),
            models.CheckConstraint(condition=Q(bytes_reserved__gte=0), name="users_reserved_min"),
            models.CheckConstraint(condition=Q(change_seq__gte=0), name="users_change_seq_min"),
        )

    def clean(self) -> None:
        # Before the form checks that the subject is unique.
        self.subject = self.subject or self.username
        super().clean()

    def save(self, *args: Any, **kwargs: Any) -> None:
        self.subject = self.subject or self.username
        if not self._state.adding and kwargs.get("update_fields") is None:
            # A form that was open for an hour must not set the counters back.
            kwargs["update_fields"] = [
                field.name
                for field in self._meta.concrete_fields
                if not field.primary_key and field.name not in self.COUNTERS
            ]
        super().save(*args, **kwargs)

    @classmethod
    def of_subject(cls, subject: str) -> User:
        """Return the user with this `subject`; create one, without a password, if there is none.

        A new user's name is the subject, unless another user has that name.
        """
        values = {"username": subject, "password": make_password(None)}
        try:
            user, _ = cls.objects.get_or_create(subject=subject, defaults=values)
        except IntegrityError:
            values["username"] = str(new_id())
            user, _ = cls.objects.get_or_create(subject=subject, defaults=values)
        return user
