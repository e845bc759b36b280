"""Sessions that began with a sign-in at the OpenID provider."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.http import HttpRequest

from files.models import User


class OpenIDBackend(ModelBackend):
    """Takes no password; gives the user of a session, and their permissions.

    It is asked for every request, so that an account which it may not open any more is signed out.
    """

    def authenticate(self, request: HttpRequest | None, **credentials: Any) -> None:  # type: ignore[override]
        return None

    def user_can_authenticate(self, user: Any) -> bool:
        return super().user_can_authenticate(user) and not needs_password(user)


def needs_password(user: User) -> bool:
    """Return whether the account is of the staff, and has a password.

    A subject is the user name where none was given, so a provider at which people choose their
    `sub` could open `admin`. That an account has no password says that it is the provider's.
    """
    return (user.is_staff or user.is_superuser) and user.has_usable_password()
