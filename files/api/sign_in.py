"""Sign-in by user name and password, for the pages: Django's own, with wrong passwords counted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib.auth.backends import ModelBackend
from django.http import HttpRequest

from files.services import attempts

if TYPE_CHECKING:
    from files.models import User


class ThrottledBackend(ModelBackend):
    """Raises `ThrottledError` after too many wrong passwords, `BusyError` while too many hash."""

    def authenticate(
        self,
        request: HttpRequest | None,
        username: str | None = None,
        password: str | None = None,
        **kwargs: Any,
    ) -> User | None:
        if request is None or username is None or password is None:
            return None
        address = attempts.network(request.META.get("REMOTE_ADDR", ""))
        limits = attempts.limits_of_sign_in(username, address)
        attempts.require_some_left(limits)
        user: User | None = super().authenticate(request, username, password, **kwargs)
        if user is None:
            attempts.count_wrong(limits)
        else:
            # Of many guesses at once no more are told than one after the other would be.
            attempts.require_some_left(limits)
        return user
