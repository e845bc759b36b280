"""Users whose tokens were verified a moment ago, so that not every request verifies and fetches."""

from __future__ import annotations

import hashlib
import threading
import time
from collections import OrderedDict
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models.signals import post_delete, post_save

from files.models import User

_TOKENS_MAX = 10_000


class RememberedUsers:
    """Users by the digests of their tokens, for `AUTH_CACHE_SECONDS`.

    The same instance goes to many threads, so nobody may change it. A saved or deleted user is
    forgotten at once in this process; what changes elsewhere is seen when the seconds are over.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_token: OrderedDict[bytes, tuple[float, User]] = OrderedDict()
        self._saves = 0

    def get(self, token: str) -> User | None:
        """Return the user of `token`, if it is remembered."""
        found = self._by_token.get(_digest(token))
        return found[1] if found is not None and time.time() < found[0] else None

    def saves(self) -> int:
        """Return a number that changes when all are forgotten: take it before verifying."""
        return self._saves

    def add(self, token: str, user: User, *, expires_at: float, saves: int) -> None:
        """Remember `user`, no longer than the token is valid (seconds since 1970).

        Does nothing when all were forgotten since `saves` was taken: this may be from before.
        """
        until = min(time.time() + settings.AUTH_CACHE_SECONDS, expires_at)
        with self._lock:
            if saves != self._saves:
                return
            digest = _digest(token)
            self._by_token[digest] = (until, user)
            self._by_token.move_to_end(digest)
            if len(self._by_token) > _TOKENS_MAX:
                self._by_token.popitem(last=False)

    def forget_all(
        self, *, created: bool = False, update_fields: Any = None, **_signal: Any
    ) -> None:
        """Forget everyone: a user was changed or deleted. A sign-in alone changes nothing here."""
        if created or update_fields == {"last_login"}:
            return
        self.forget_everyone()
        # Until the transaction ends, others read the row as it was.
        transaction.on_commit(self.forget_everyone)

    def forget_everyone(self) -> None:
        """Forget all tokens, also those that are being verified at this moment."""
        with self._lock:
            self._saves += 1
            self._by_token.clear()


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


remembered_users = RememberedUsers()
post_save.connect(remembered_users.forget_all, sender=User)
post_delete.connect(remembered_users.forget_all, sender=User)
