"""Django's password hashing, bounded: it is slow by design, and may never hold all threads.

Of sixteen threads two hash for shares, one for each owner, while two wait; one hashes for sign-ins
and all else, while one waits.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from django.conf import settings
from django.contrib.auth.hashers import PBKDF2PasswordHasher

from files.places import Places
from remotedrive.made_once import made_once
from remotedrive.waiting import others_run

_has_place: ContextVar[bool] = ContextVar("has_place", default=False)


class BoundedPBKDF2PasswordHasher(PBKDF2PasswordHasher):
    """PBKDF2 as Django has it; raises `BusyError` when too many passwords are being hashed."""

    def encode(self, password: str, salt: str, iterations: int | None = None) -> str:
        if _has_place.get():
            return self._encode(password, salt, iterations)
        with _of_sign_ins().hold({}):
            return self._encode(password, salt, iterations)

    def _encode(self, password: str, salt: str, iterations: int | None) -> str:
        # It computes for long without the interpreter's lock.
        with others_run():
            return super().encode(password, salt, iterations)


@contextmanager
def place_for_share(owner: Hashable, *, alone: Hashable = None) -> Iterator[None]:
    """Hold one of the shares' places while the block hashes, as `Places.hold`.

    All shares of an `owner` have one, so that the guests of others find one, too.
    """
    with _of_shares().hold({owner: 1}, alone=alone):
        token = _has_place.set(True)
        try:
            yield
        finally:
            _has_place.reset(token)


@made_once
def _of_shares() -> Places:
    return Places(max(1, settings.THREADS // 8), waiting=settings.THREADS // 8, seconds=5)


@made_once
def _of_sign_ins() -> Places:
    return Places(max(1, settings.THREADS // 16), waiting=settings.THREADS // 16, seconds=2)
