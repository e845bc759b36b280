"""Passwords of shares: their canonical form, and a bound on how many are hashed at once."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from threading import BoundedSemaphore

from django.conf import settings
from django.contrib.auth import hashers

from files.exceptions import BusyError


def normalized(password: str) -> str:
    """Return `password` with other spaces as U+0020, in NFC: one form however it was typed.

    Source: RFC 8265, section 4.2.2 (OpaqueString).
    """
    spaced = "".join(" " if unicodedata.category(each) == "Zs" else each for each in password)
    return unicodedata.normalize("NFC", spaced)


def hash_password(password: str) -> str:
    """Return what is stored of `password`; raises `BusyError`."""
    with _hashing():
        return hashers.make_password(normalized(password))


def matches(password: str, hashed: str) -> bool:
    """Return whether `password` is the one that was hashed; raises `BusyError`.

    The form as it was sent is tried too: older passwords were hashed so.
    """
    with _hashing():
        right = hashers.check_password(normalized(password), hashed)
        if not right and normalized(password) != password:
            right = hashers.check_password(password, hashed)
        return right


@contextmanager
def _hashing() -> Iterator[None]:
    """Hold a place: hashing is slow by design, so it may never hold all threads."""
    places = _places()
    if not places.acquire(blocking=False):
        raise BusyError("Too many passwords are being checked.")
    try:
        yield
    finally:
        places.release()


@cache
def _places() -> BoundedSemaphore:
    return BoundedSemaphore(max(1, settings.THREADS // 4))
