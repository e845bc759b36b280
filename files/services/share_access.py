"""Anonymous access to a file through a share token, and its audit trail.

Whether a share is still active is decided under its row lock. `share_events` records what was done
and what was refused.
"""

from __future__ import annotations

import hashlib
import math
import threading
import time
from collections import OrderedDict
from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from files.exceptions import (
    BusyError,
    DriveError,
    NotFoundError,
    PermissionDeniedError,
    ShareExhaustedError,
    ShareExpiredError,
    SharePasswordError,
    ShareRevokedError,
    StoreUnavailableError,
)
from files.models import Share, ShareEvent
from files.services import attempts, passwords
from files.services.attempts import Limit

_SAME_SECONDS = 60
_WRITTEN_AT_ONCE = 10


@dataclass(frozen=True)
class ShareAccess:
    """A share that was opened by its token, and the truncated address of the client."""

    share: Share
    address: str


def digest_of(token: str) -> str:
    """Return the SHA-256 of a token, which is stored in its place; a random token needs no salt."""
    return hashlib.sha256(token.encode(errors="surrogatepass")).hexdigest()


def open_by_token(*, token: str, address: str) -> ShareAccess:
    """Return access to the share of `token`, for a client at the IP `address`.

    Raises `NotFoundError`, also for a file in the trash or an inactive owner, and as
    `require_active`.
    """
    share = (
        Share.objects.filter(
            token_digest=digest_of(token), file__deleted_at=None, file__user__is_active=True
        )
        .select_related("file__user")
        .first()
    )
    if share is None:
        raise NotFoundError
    access = ShareAccess(share, attempts.network(address))
    with refusals_recorded(access):
        require_active(share)
    return access


def check_password(*, access: ShareAccess, password: str | None) -> None:
    """Check the share's password, if it has one.

    Raises `SharePasswordError`; `ThrottledError`, for the right one too, after 10 wrong passwords
    in 15 minutes from the client's network, or 100 from all; `BusyError`.
    """
    if access.share.password is None:
        return
    with refusals_recorded(access):
        require_not_throttled(access)
        if password is None:
            raise SharePasswordError
        right = passwords.matches(password, access.share.password, owner=access.share.file.user_id)
        unchanged = Share.objects.filter(pk=access.share.pk, password=access.share.password)
        if not unchanged.exists():
            # What was right or wrong before says nothing now.
            raise SharePasswordError
        if not right:
            _count_wrong(access)
            raise SharePasswordError
        # Of many guesses at the same moment no more are told than one after the other would be.
        require_not_throttled(access)


def _count_wrong(access: ShareAccess) -> None:
    """Count a wrong password, and record what it closes: the share to its network, or to all."""
    with transaction.atomic():
        for limit in attempts.count_wrong(_limits(access)):
            record(replace(access, address=limit.network), ShareEvent.What.CLOSED)


def require_not_throttled(access: ShareAccess) -> None:
    """Raise `ThrottledError` while too many wrong passwords close the share to this client."""
    attempts.require_some_left(_limits(access))


def _limits(access: ShareAccess) -> Sequence[Limit]:
    return attempts.limits_of_share(access.share.pk, access.address)


def lock_share(access: ShareAccess) -> Share:
    """Lock the share's row in the current transaction; raises as `require_active`.

    Also `SharePasswordError` or `PermissionDeniedError` where its password was changed since it
    was opened, or what it permits.
    """
    share = Share.objects.select_for_update(no_key=True).get(pk=access.share.pk)
    require_active(share)
    if share.password != access.share.password and share.password is not None:
        raise SharePasswordError
    if share.permission != access.share.permission:
        raise PermissionDeniedError("What this share permits was changed; try again.")
    return share


def require_active(share: Share) -> None:
    """Raise `ShareRevokedError`, `ShareExpiredError` or `ShareExhaustedError` unless active."""
    if share.revoked_at is not None:
        raise ShareRevokedError
    if share.expires_at is not None and share.expires_at <= timezone.now():
        raise ShareExpiredError
    if share.max_downloads is not None and share.download_count >= share.max_downloads:
        raise ShareExhaustedError


def seconds_left(share: Share, *, at_most: int) -> int:
    """Return the seconds until the share expires, but no more than `at_most`.

    Raises `ShareExpiredError` when less than one second is left.
    """
    if share.expires_at is None:
        return at_most
    left = math.floor((share.expires_at - timezone.now()).total_seconds())
    if left < 1:
        raise ShareExpiredError
    return min(at_most, left)


def record_use(access: ShareAccess, what: ShareEvent.What, *, version: int | None = None) -> None:
    """Lock the share in the current transaction, update its counters and record the use.

    Raises as `require_active`.
    """
    share = lock_share(access)
    share.last_used_at = timezone.now()
    if what == ShareEvent.What.DOWNLOADED:
        share.download_count += 1
    share.save(update_fields=["download_count", "last_used_at"])
    record(access, what, version=version)


def record(
    access: ShareAccess,
    what: ShareEvent.What,
    *,
    version: int | None = None,
    reason: str = "",
    count: int = 1,
) -> None:
    """Add an event to the audit trail; the same one within a minute counts up the earlier row."""
    event = ShareEvent(
        share=access.share,
        what=what,
        version=version,
        reason=reason,
        count=count,
        address=access.address,
    )
    same = ShareEvent.objects.filter(
        share=event.share_id,
        at__gt=event.at - timedelta(seconds=_SAME_SECONDS),
        what=what,
        version=version,
        reason=reason,
        address=event.address,
    )
    newest = same.order_by("-at").values("pk")[:1]
    if not ShareEvent.objects.filter(pk__in=newest).update(count=F("count") + count):
        event.save(force_insert=True)


@contextmanager
def refusals_recorded(access: ShareAccess) -> Iterator[None]:
    """Record a domain error that leaves this block as a refusal, with its code as the reason."""
    try:
        yield
    except (BusyError, StoreUnavailableError):
        raise
    except DriveError as error:
        due = _refusals.add((access.share.pk, error.code, access.address))
        if due:
            record(access, ShareEvent.What.REFUSED, reason=error.code, count=due)
        raise


class _Refusals:
    """Says which refusals are written to the trail, so that refusing costs the database little.

    Of equal ones in a minute the first ten are written at once; then, once a second, all since.
    """

    _KEYS_MAX = 10_000

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._recent: OrderedDict[Hashable, _Recent] = OrderedDict()

    def add(self, key: Hashable) -> int:
        """Count one refusal; return how many of this `key` are to be written now."""
        now = time.monotonic()
        with self._lock:
            recent = self._recent.setdefault(key, _Recent(now))
            if len(self._recent) > self._KEYS_MAX:
                self._recent.popitem(last=False)
            recent.unwritten += 1
            if now - recent.began > _SAME_SECONDS:
                recent.began, recent.writes, recent.unwritten = now, 0, 1
            if recent.writes >= _WRITTEN_AT_ONCE and now - recent.written_at < 1:
                return 0
            due, recent.unwritten = recent.unwritten, 0
            recent.writes += 1
            recent.written_at = now
            return due


@dataclass
class _Recent:
    began: float
    writes: int = 0
    unwritten: int = 0
    written_at: float = 0.0


_refusals = _Refusals()
