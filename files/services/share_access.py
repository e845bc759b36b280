"""Anonymous access to a file through a share token, and its audit trail.

Whether a share is still active is decided under its row lock. `share_events` records what was done
and what was refused.
"""

from __future__ import annotations

import hashlib
import ipaddress
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
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
    ThrottledError,
)
from files.models import Share, ShareEvent
from files.services import passwords

WRONG_PASSWORDS_MAX = 10
WRONG_PASSWORDS_WINDOW = timedelta(minutes=15)
_SAME_REFUSAL = timedelta(minutes=1)


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

    After 10 wrong passwords in 15 minutes every attempt, even the right one, is refused until the
    window ends. The count is in the share's row, so all processes share it; the password is hashed
    without holding the row lock.
    """
    if access.share.password is None:
        return
    with refusals_recorded(access):
        require_not_throttled(access.share)
        if password is None:
            raise SharePasswordError
        right = passwords.matches(password, access.share.password)
        with transaction.atomic():
            share = Share.objects.select_for_update(no_key=True).get(pk=access.share.pk)
            require_not_throttled(share)
            if share.password != access.share.password:
                # It was changed meanwhile: what was right or wrong before says nothing now.
                raise SharePasswordError
            if right:
                return
            _count_wrong_password(share)
        raise SharePasswordError


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
    access: ShareAccess, what: ShareEvent.What, *, version: int | None = None, reason: str = ""
) -> None:
    """Add an event to the audit trail."""
    ShareEvent.objects.create(
        share=access.share, what=what, version=version, reason=reason, address=access.address
    )


@contextmanager
def refusals_recorded(access: ShareAccess) -> Iterator[None]:
    """Record a domain error that leaves this block as a refusal, with its code as the reason.

    The same refusal for the same address is recorded at most once a minute, so that nobody can fill
    the table.
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
    """Return the network of `address`: its /24 (IPv4) or /48 (IPv6); `""` for an invalid one."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return ""
    mapped = getattr(parsed, "ipv4_mapped", None) or parsed
    prefix = 24 if mapped.version == 4 else 48
    return str(ipaddress.ip_network((mapped, prefix), strict=False).network_address)


def require_not_throttled(share: Share) -> None:
    """Raise `ThrottledError` while too many wrong passwords block the share for everyone."""
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
