"""How many uploads a user may have pending: counted now and then, not for each upload."""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.conf import settings
from django.utils import timezone

from files.exceptions import TooManyUploadsError
from files.models import Upload

_GRANTED_MAX = 100
_REFUSED_SECONDS = 5.0
_USERS_MAX = 10_000


@dataclass
class _Allowance:
    left: int = 0
    refused_until: float = 0.0


class _Allowances:
    """What is left to each user of the number that this process granted after it counted last.

    A process grants an eighth of what is free, and at most 100. What it has granted stays granted,
    so `PENDING_UPLOADS_MAX` is exceeded by at most 100 for each process.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._of_user: OrderedDict[tuple[UUID, bool], _Allowance] = OrderedDict()

    def take(self, user_id: UUID, *, wanted: int = 1, through_shares: bool = False) -> int:
        """Take `wanted`, or as many as there are; raises `TooManyUploadsError` if there is none.

        The user's own uploads and those through the user's shares have a limit each.
        """
        with self._lock:
            allowance = self._of_user.setdefault((user_id, through_shares), _Allowance())
            if len(self._of_user) > _USERS_MAX:
                self._of_user.popitem(last=False)
            if allowance.left >= wanted:
                allowance.left -= wanted
                return wanted
            if allowance.refused_until > time.monotonic():
                raise TooManyUploadsError(retry_after=math.ceil(_REFUSED_SECONDS))
        of_user = Upload.objects.filter(user=user_id, share__isnull=not through_shares)
        pending = of_user.pending()
        room = settings.PENDING_UPLOADS_MAX - pending[: settings.PENDING_UPLOADS_MAX].count()
        if room <= 0:
            allowance.refused_until = time.monotonic() + _REFUSED_SECONDS
            raise too_many(pending.order_by("commit_by").values_list("commit_by", flat=True)[:1])
        taken = min(wanted, room)
        allowance.left = min(_GRANTED_MAX, (room - taken) // 8)
        return taken


_allowances = _Allowances()
take = _allowances.take


def too_many(deadlines: Iterable[datetime]) -> TooManyUploadsError:
    """Return the error for pending uploads with these deadlines: the first ends the wait."""
    left = (min(deadlines, default=timezone.now()) - timezone.now()).total_seconds()
    return TooManyUploadsError(retry_after=max(1, math.ceil(left)))
