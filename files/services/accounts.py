"""Subjects, and whose they are: the `sub` of a bearer token, and of a sign-in at a provider."""

from __future__ import annotations

from typing import Any

from django.conf import settings

from files.models import User


def is_subject(value: Any) -> bool:
    """Return whether a claim is a `sub` that a user may have."""
    return (
        isinstance(value, str)
        and 1 <= len(value) <= 255
        and value.isprintable()
        and value == value.strip()
    )


def user_of_subject(subject: str) -> User | None:
    """Return the user of this subject, who may be inactive; None if there is none.

    An unknown one is made now if `JWT_CREATE_USERS` says so.
    """
    user = User.objects.filter(subject=subject).first()
    if user is None and settings.JWT_CREATE_USERS:
        user = User.of_subject(subject)
    return user
