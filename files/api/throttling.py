"""How many requests one user, or one address, may make in a time: the throttles of the views.

They count before the body is parsed, and without the database. All that is counted passes `take`.
"""

from __future__ import annotations

import ipaddress
from typing import Any, ClassVar

from django.conf import settings
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from files.services.attempts import network
from remotedrive import metrics, rate_limits
from remotedrive.rate_limits import CacheUnavailableError, Grant
from remotedrive.rates import Rate


def take(scope: str, subject: str, wanted: int, rate: Rate) -> Grant:
    """Take `wanted` of what `rate` leaves to `subject` in `scope`, or as many as there are.

    A cache that does not answer lets all through.
    """
    key = f"{scope}:{rate.seconds}:{subject}"
    try:
        grant = rate_limits.counter().take(key, wanted, rate)
    except CacheUnavailableError:
        metrics.CACHE_FAILURES.inc()
        return Grant(wanted, 0)
    if grant.granted < wanted:
        metrics.THROTTLED.labels(scope).inc()
    return grant


class Throttle(BaseThrottle):
    """Counts requests of a user; as many as the setting `THROTTLE_<scope>` says are allowed."""

    scope: ClassVar[str]
    _wait = 0.0

    def allow_request(self, request: Request, view: Any) -> bool:
        return self.take(request, 1).granted == 1

    def take(self, request: Request, wanted: int) -> Grant:
        """Take `wanted` (from 0) of what is left to whoever sent `request`."""
        rate: Rate | None = getattr(settings, f"THROTTLE_{self.scope}")
        if rate is None or not wanted:
            return Grant(wanted, 0)
        grant = take(self.scope.lower(), self.subject(request), wanted, rate)
        self._wait = grant.wait
        return grant

    def wait(self) -> float:
        return self._wait

    def subject(self, request: Request) -> str:
        """Return for whom is counted."""
        return str(request.user.pk)


class InitUploadThrottle(Throttle):
    scope = "INIT"


class CommitThrottle(Throttle):
    scope = "COMMIT"


class ShareThrottle(Throttle):
    """Counts requests of an IPv4 address, or of an IPv6 network: one site has a /48 to choose from
    (RFC 6177)."""

    scope = "SHARE"

    def subject(self, request: Request) -> str:
        address = request.META.get("REMOTE_ADDR", "")
        try:
            return str(ipaddress.IPv4Address(address.removeprefix("::ffff:")))
        except ValueError:
            return network(address)
