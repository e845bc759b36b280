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
from django.contrib.auth import hashers
from django.db import transaction
from django.utils import timezone

from files.exceptions import (
    BusyError,
    DriveError,
    NotFoundError,
    ShareExhaustedError,
    ShareExpiredError,
    SharePasswordError,
    ShareRevokedError,
    StoreUnavailableError,
    ThrottledError,
)
from files.models import Share, ShareEvent

WRONG_PASSWORDS_MAX = 10
WRONG_PASSWORDS_WINDOW = timedelta(minutes=15)
_SAME_REFUSAL = timedelta(minutes=1)


@dataclass(frozen=True)
class ShareAccess:
    """A share whose token was shown, and the truncated address that it was shown from."""

    share: Share
    address: str


def digest_of(token: str) -> str:
    """Return what is stored of a token: its SHA-256. A token is random, so no salt is needed."""
    return hashlib.sha256(token.encode(errors="surrogatepass")).hexdigest()


def open_by_token(*, token: str, address: str) -> ShareAccess:
    """Open the share of `token`; raises `NotFoundError`, or how the share has ended.

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
        raise NotFoundError
    access = ShareAccess(share, truncated(address))
    with refusals_recorded(access):
        require_active(share)
    return access


def check_password(*, access: ShareAccess, password: str | None) -> None:
    """Check the share's password, if it has one; raises `SharePasswordError` or `ThrottledError`.

    After ten wrong ones in 15 minutes all are refused until these are over, the right one too.
    The count stands in the row, so it holds in every process; hashing is done outside its lock.
    """
    if access.share.password is None:
        return
    with refusals_recorded(access):
        require_not_throttled(access.share)
        if password is None:
            raise SharePasswordError
        right = _is_right(password, access.share.password)
        with transaction.atomic():
            share = Share.objects.select_for_update(no_key=True).get(pk=access.share.pk)
            require_not_throttled(share)
            if right:
                return
            _count_wrong_password(share)
        raise SharePasswordError


def lock_share(access: ShareAccess) -> Share:
    """Lock the share's row in the current transaction; raises how the share has ended by now."""
    share = Share.objects.select_for_update(no_key=True).get(pk=access.share.pk)
    require_active(share)
    return share


def require_active(share: Share) -> None:
    """Raise `ShareRevokedError`, `ShareExpiredError` or `ShareExhaustedError` where that is so."""
    if share.revoked_at is not None:
        raise ShareRevokedError
    if share.expires_at is not None and share.expires_at <= timezone.now():
        raise ShareExpiredError
    if share.max_downloads is not None and share.download_count >= share.max_downloads:
        raise ShareExhaustedError


def seconds_left(share: Share, *, at_most: int) -> int:
    """Return for how many seconds a URL may be signed; raises `ShareExpiredError` for less than
    one.
    """
    if share.expires_at is None:
        return at_most
    left = math.floor((share.expires_at - timezone.now()).total_seconds())
    if left < 1:
        raise ShareExpiredError
    return min(at_most, left)


def record(
    access: ShareAccess, what: ShareEvent.What, *, version: int | None = None, reason: str = ""
) -> None:
    """Write one row of the audit trail."""
    ShareEvent.objects.create(
        share=access.share, what=what, version=version, reason=reason, address=access.address
    )


@contextmanager
def refusals_recorded(access: ShareAccess) -> Iterator[None]:
    """Record what is refused inside this block, and why.

    The same refusal of the same address is written once a minute, so that nobody fills the table.
    """
    try:
        yield
    except (BusyError, StoreUnavailableError):
        raise
    except DriveError as error:
        lately = ShareEvent.objects.filter(
            share=access.share,
            at__gt=timezone.now() - _SAME_REFUSAL,
            what=ShareEvent.What.REFUSED,
            reason=error.code,
            address=access.address,
        )
        if not lately.exists():
            record(access, ShareEvent.What.REFUSED, reason=error.code)
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
        raise BusyError("Too many passwords are being checked.")
    try:
        return hashers.check_password(password, hashed)
    finally:
        _hashing().release()


@cache
def _hashing() -> BoundedSemaphore:
    return BoundedSemaphore(max(1, settings.THREADS // 4))


def require_not_throttled(share: Share) -> None:
    """Raise `ThrottledError` while wrong passwords have closed the share for everyone."""
    until = _window_end(share)
    left = (until - timezone.now()).total_seconds() if until is not None else 0
    if left > 0 and share.failed_attempts >= WRONG_PASSWORDS_MAX:
        raise ThrottledError(retry_after=math.ceil(left))


def _count_wrong_password(share: Share) -> None:
    until = _window_end(share)
    if until is None or until <= timezone.now():
        share.failed_since, share.failed_attempts = timezone.now(), 0
    share.failed_attempts += 1
    share.save(update_fields=["failed_since", "failed_attempts"])


def _window_end(share: Share) -> datetime | None:
    return None if share.failed_since is None else share.failed_since + WRONG_PASSWORDS_WINDOW
