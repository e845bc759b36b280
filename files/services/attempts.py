"""How many wrong passwords are taken: for a share, and for a sign-in.

Ten in 15 minutes from one network close what they were for to that network; a hundred close it to
everyone. The counts are rows, so all processes share them.
"""

from __future__ import annotations

import hashlib
import ipaddress
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import reduce
from operator import or_
from uuid import UUID

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from files.exceptions import ThrottledError
from files.models import WrongPasswords

NETWORK_MAX = 10
EVERYONE_MAX = 100
WINDOW = timedelta(minutes=15)
_SIGN_IN = "sign-in"
_DELETED_AT_ONCE = 100
_EVERYWHERE = "*"


@dataclass(frozen=True)
class Limit:
    """At most `most` wrong passwords for `subject` from the network `address`, or from all."""

    subject: str
    address: str
    most: int

    @property
    def network(self) -> str:
        """Whom it closes something to when it is reached: a network, or `""` for everyone."""
        return "" if self.address == _EVERYWHERE else self.address


def limits_of_share(share_id: UUID, address: str) -> Sequence[Limit]:
    """Return the limits of a share's password, for a client in the network `address`."""
    subject = _share(share_id)
    return (Limit(subject, _EVERYWHERE, EVERYONE_MAX), Limit(subject, address, NETWORK_MAX))


def limits_of_sign_in(username: str, address: str) -> Sequence[Limit]:
    """Return the limits of a sign-in as `username`, from the network `address`.

    With names that change, a network has a hundred. Names are kept as digests: people type their
    password there.
    """
    digest = hashlib.sha256(username.casefold().encode(errors="surrogatepass")).hexdigest()
    subject = f"{_SIGN_IN}:{digest}"
    return (
        Limit(_SIGN_IN, address, EVERYONE_MAX),
        Limit(subject, _EVERYWHERE, EVERYONE_MAX),
        Limit(subject, address, NETWORK_MAX),
    )


def require_some_left(limits: Sequence[Limit]) -> None:
    """Raise `ThrottledError` while one of the limits is reached; one SELECT."""
    counts = WrongPasswords.objects.filter(_any_of(limits), since__gt=timezone.now() - WINDOW)
    _require_below(limits, counts)


def count_wrong(limits: Sequence[Limit]) -> list[Limit]:
    """Count one wrong password; return the limits that it reached.

    Raises `ThrottledError` if it came when one was reached.
    """
    with transaction.atomic():
        now = timezone.now()
        new = [
            WrongPasswords(subject=limit.subject, address=limit.address, since=now, count=0)
            for limit in limits
        ]
        WrongPasswords.objects.bulk_create(new, ignore_conflicts=True)
        locked = WrongPasswords.objects.select_for_update().filter(_any_of(limits))
        counts = list(locked.order_by("subject", "address"))
        _require_below(limits, [each for each in counts if each.since > now - WINDOW])
        for each in counts:
            if each.since <= now - WINDOW:
                each.since, each.count = now, 0
            each.count += 1
        WrongPasswords.objects.bulk_update(counts, ["since", "count"])
    _delete_old()
    reached = {(each.subject, each.address): each.count for each in counts}
    return [each for each in limits if reached[each.subject, each.address] >= each.most]


def _delete_old() -> None:
    """Delete counts that say nothing any more; rows that somebody locks are left for later."""
    with transaction.atomic():
        old = WrongPasswords.objects.filter(since__lte=timezone.now() - 2 * WINDOW)
        free = old.select_for_update(skip_locked=True).values_list("pk", flat=True)
        found = list(free[:_DELETED_AT_ONCE])
        if found:
            WrongPasswords.objects.filter(pk__in=found).delete()


def forget_wrong_passwords(*share_ids: UUID) -> None:
    """Open shares again that too many wrong passwords closed: the password is another now."""
    WrongPasswords.objects.filter(subject__in=[_share(each) for each in share_ids]).delete()


def network(address: str) -> str:
    """Return the network of the IP `address`: its /24 (IPv4) or /48 (IPv6); `""` if invalid."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return ""
    mapped = getattr(parsed, "ipv4_mapped", None) or parsed
    prefix = 24 if mapped.version == 4 else 48
    return str(ipaddress.ip_network((mapped, prefix), strict=False).network_address)


def _share(share_id: UUID) -> str:
    return f"share:{share_id.hex}"


def _any_of(limits: Sequence[Limit]) -> Q:
    return reduce(or_, (Q(subject=each.subject, address=each.address) for each in limits))


def _require_below(limits: Sequence[Limit], counts: Iterable[WrongPasswords]) -> None:
    most = {(limit.subject, limit.address): limit.most for limit in limits}
    ends = [
        each.since + WINDOW for each in counts if each.count >= most[each.subject, each.address]
    ]
    if ends:
        left = math.ceil((max(ends) - timezone.now()).total_seconds())
        raise ThrottledError(retry_after=max(1, left))
