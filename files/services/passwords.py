"""Passwords of shares: their canonical form, and how often they are hashed."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
import time
import unicodedata
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from uuid import UUID

from django.conf import settings
from django.contrib.auth import hashers

from files.exceptions import BusyError
from files.hashers import place_for_share
from files.places import Places
from remotedrive.waiting import others_run

_REMEMBERED_SECONDS = 15 * 60
_REMEMBERED_MAX = 10_000
_FOLLOWING_SECONDS = 6.0


def normalized(password: str) -> str:
    """Return `password` with other spaces as U+0020, in NFC: one form however it was typed.

    Source: RFC 8265, section 4.2.2 (OpaqueString).
    """
    spaced = "".join(" " if unicodedata.category(each) == "Zs" else each for each in password)
    return unicodedata.normalize("NFC", spaced)


def hash_password(password: str, *, owner: UUID) -> str:
    """Return what is stored of `password`; raises `BusyError`, also while `owner` sets another."""
    with place_for_share(owner, alone=owner):
        return hashers.make_password(normalized(password))


def matches(password: str, hashed: str, *, owner: UUID) -> bool:
    """Return whether `password` is the one that was hashed; raises `BusyError`.

    A right password is remembered for 15 minutes, so that who goes on using the share does not
    have it hashed for each request. The form as it was sent is tried too: older passwords were
    hashed so.
    """

    def check() -> bool:
        with place_for_share(owner):
            if hashers.check_password(normalized(password), hashed):
                return True
            plain = normalized(password) == password
            return not plain and hashers.check_password(password, hashed)

    return _checks.result(f"{hashed}\0{password}", check, owner=owner)


class _Checks:
    """Checks of passwords: who asks while the same one is under way waits for its result.

    Right passwords are kept as keyed digests of password and stored hash. A new password has
    another hash, so what is kept of the one before it matches nothing.
    """

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)
        self._lock = threading.Lock()
        self._right_until: OrderedDict[bytes, float] = OrderedDict()
        self._under_way: dict[bytes, Future[bool]] = {}
        self._most_following = max(1, settings.THREADS // 5)
        self._following = Places(2 * self._most_following, waiting=0, seconds=0)

    def result(self, text: str, check: Callable[[], bool], *, owner: UUID) -> bool:
        """Return what `check` says of `text`, now or lately; raises `BusyError`.

        Of those who wait for the result of another, one owner's shares have half of the places.
        """
        digest = hmac.digest(self._key, text.encode(errors="surrogatepass"), hashlib.sha256)
        with self._lock:
            if self._right_until.get(digest, 0) > time.monotonic():
                return True
            first = self._under_way.get(digest)
            if first is None:
                own = self._under_way[digest] = Future[bool]()
        if first is not None:
            with self._following.hold({owner: self._most_following}):
                return self._follow(first)
        try:
            own.set_result(check())
        except BaseException as error:
            own.set_exception(error)
        with self._lock:
            del self._under_way[digest]
            if not own.exception() and own.result():
                self._right_until[digest] = time.monotonic() + _REMEMBERED_SECONDS
                if len(self._right_until) > _REMEMBERED_MAX:
                    self._right_until.popitem(last=False)
        return own.result()

    def _follow(self, first: Future[bool]) -> bool:
        try:
            with others_run():
                return first.result(timeout=_FOLLOWING_SECONDS)
        except TimeoutError:
            raise BusyError("This password is being checked.", retry_after=1) from None


_checks = _Checks()
