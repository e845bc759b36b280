"""A visit: someone without an account who came with the token of a share, and its audit trail.

The share's row decides, under its lock, whether it still stands; what is done and what is refused
is recorded in `share_events`.
"""

from __future__ import annotations

import hashlib
import ipaddress
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from threading import BoundedSemaphore

from django.conf import settings
from django.contrib.auth.hashers import check_password
from django.db import transaction
from django.utils import timezone

from files.exceptions import (
    Busy,
    DriveError,
    NotFound,
    ShareExhausted,
    ShareExpired,
    SharePassword,
    ShareRevoked,
    StoreUnavailable,
    Throttled,
)
from files.models import Share, ShareEvent

WRONG_PASSWORDS_MAX = 10
WRONG_PASSWORDS_WINDOW = timedelta(minutes=15)
_SAME_REFUSAL = timedelta(minutes=1)


@dataclass(frozen=True)
class Visit:
    """A share whose token was shown, and the truncated address that it was shown from."""

    share: Share
    address: str


def digest_of(token: str) -> str:
    """Return what is stored of a token: its SHA-256. A token is random, so no salt is needed."""
    return hashlib.sha256(token.encode(errors="surrogatepass")).hexdigest()


def arrive(*, token: str, address: str) -> Visit:
    """Return the visit of whoever shows `token`; raises `NotFound`, or how the share has ended.

    The shares of a file in the trash, and of an owner who is not active, are not found.
    """
    share = (
        Share.objects.filter(
            token_digest=digest_of(token), file__deleted_at=None, file__user__is_active=True
        )
        .select_related("file")
        .first()
    )
    if share is None:
        raise NotFound
    visit = Visit(share, truncated(address))
    with refusals_recorded(visit):
        refuse_ended(share)
    return visit


def unlock(*, visit: Visit, password: str | None) -> None:
    """Check the share's password, if it has one; raises `SharePassword` or `Throttled`.

    After ten wrong ones in 15 minutes all are refused until these are over, the right one too.
    The count stands in the row, so it holds in every process; hashing is done outside its lock.
    """
    if visit.share.password is None:
        return
    with refusals_recorded(visit):
        refuse_throttled(visit.share)
        if password is None:
            raise SharePassword
        right = _is_right(password, visit.share.password)
        with transaction.atomic():
            share = Share.objects.select_for_update(no_key=True).get(pk=visit.share.pk)
            refuse_throttled(share)
            if right:
                return
            _count_wrong_password(share)
        raise SharePassword


def lock(visit: Visit) -> Share:
    """Lock the share's row in the current transaction; raises how the share has ended by now."""
    share = Share.objects.select_for_update(no_key=True).get(pk=visit.share.pk)
    refuse_ended(share)
    return share


def refuse_ended(share: Share) -> None:
    """Raise `ShareRevoked`, `ShareExpired` or `ShareExhausted` where that is so."""
    if share.revoked_at is not None:
        raise ShareRevoked
    if share.expires_at is not None and share.expires_at <= timezone.now():
        raise ShareExpired
    if share.max_downloads is not None and share.download_count >= share.max_downloads:
        raise ShareExhausted


def seconds_left(share: Share, *, at_most: int) -> int:
    """Return for how many seconds a URL may be signed; raises `ShareExpired` for less than one."""
    if share.expires_at is None:
        return at_most
    left = math.floor((share.expires_at - timezone.now()).total_seconds())
    if left < 1:
        raise ShareExpired
    return min(at_most, left)


def record(
    visit: Visit, what: ShareEvent.What, *, version: int | None = None, reason: str = ""
) -> None:
    """Write one row of the audit trail."""
    ShareEvent.objects.create(
        share=visit.share, what=what, version=version, reason=reason, address=visit.address
    )


@contextmanager
def refusals_recorded(visit: Visit) -> Iterator[None]:
    """Record what is refused inside this block, and why.

    The same refusal of the same address is written once a minute, so that nobody fills the table.
    """
    try:
        yield
    except (Busy, StoreUnavailable):
        raise
    except DriveError as error:
        lately = ShareEvent.objects.filter(
            share=visit.share,
            at__gt=timezone.now() - _SAME_REFUSAL,
            what=ShareEvent.What.REFUSED,
            reason=error.code,
            address=visit.address,
        )
        if not lately.exists():
            record(visit, ShareEvent.What.REFUSED, reason=error.code)
        raise


def truncated(address: str) -> str:
    """Return the network that `address` is in: the /24 of IPv4, the /48 of IPv6."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return ""
    mapped = getattr(parsed, "ipv4_mapped", None) or parsed
    prefix = 24 if mapped.version == 4 else 48
    return str(ipaddress.ip_network((mapped, prefix), strict=False).network_address)


def _is_right(password: str, hashed: str) -> bool:
    """Hash `password` and compare: slow by design, so it may never hold all threads."""
    if not _hashing().acquire(blocking=False):
        raise Busy("Too many passwords are being checked.")
    try:
        return check_password(password, hashed)
    finally:
        _hashing().release()


@cache
def _hashing() -> BoundedSemaphore:
    return BoundedSemaphore(max(1, settings.THREADS // 4))


def refuse_throttled(share: Share) -> None:
    """Raise `Throttled` while wrong passwords have closed the share for everyone."""
    until = _window_end(share)
    left = (until - timezone.now()).total_seconds() if until is not None else 0
    if left > 0 and share.failed_attempts >= WRONG_PASSWORDS_MAX:
        raise Throttled(retry_after=math.ceil(left))


def _count_wrong_password(share: Share) -> None:
    until = _window_end(share)
    if until is None or until <= timezone.now():
        share.failed_since, share.failed_attempts = timezone.now(), 0
    share.failed_attempts += 1
    share.save(update_fields=["failed_since", "failed_attempts"])


def _window_end(share: Share) -> datetime | None:
    return None if share.failed_since is None else share.failed_since + WRONG_PASSWORDS_WINDOW
