"""Users, who own files and authenticate with tokens."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import AbstractUser
from django.db import IntegrityError, models
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

    class Meta:
        db_table = "users"

    def clean(self) -> None:
        # Before the form checks that the subject is unique.
        self.subject = self.subject or self.username
        super().clean()

    def save(self, *args: Any, **kwargs: Any) -> None:
        self.subject = self.subject or self.username
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
