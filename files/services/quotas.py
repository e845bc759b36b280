"""Quotas: how many bytes a user may have in the store, counted and to come.

`bytes_used` is the size of all versions whose bytes are not collected, `bytes_reserved` that of the
uploads marked `reserved` that are neither committed nor collected. Both are null until somebody
with a quota needs them; then every commit, restore and collection keeps them, whoever has a quota
by then. The user's row is locked last. Nothing is given back before it is gone from the store.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import BigIntegerField, F, Q, QuerySet, Sum, Value
from django.db.models.functions import Coalesce

from files.exceptions import BusyError, NotFoundError, QuotaExceededError
from files.models import File, FileVersion, Upload, User
from files.models.compiled import add, execute
from files.services.trees import lock_in_order

ResultT = TypeVar("ResultT")

WAITING_VERSIONS = Q(collected_at=None) & ~Q(purged_at=None, file__purged_at=None)
"""Versions that are purged, by themselves or with their file, and whose bytes are still there."""

_TRIES = 3


class UncountedError(Exception):
    """The bytes of a user with a quota are not counted yet: end the transaction, and count."""


@dataclass(frozen=True)
class Usage:
    """A user's files and bytes; `quota_bytes` is the quota that applies, None for no limit."""

    user: User
    files: int
    bytes_used: int
    bytes_reserved: int
    quota_bytes: int | None


def quota_of(user: User) -> int | None:
    """Return the quota that applies to the user (bytes), None for no limit."""
    return settings.DEFAULT_QUOTA if user.quota_bytes is None else user.quota_bytes


def when_counted(user: User, transact: Callable[[], ResultT]) -> ResultT:
    """Run `transact`, a whole transaction, again if the user's bytes had to be counted for it.

    Counting locks uploads, so nothing may be locked before. Raises also `BusyError`.
    """
    for _ in range(_TRIES):
        try:
            return transact()
        except UncountedError:
            with suppress(UncountedError):
                _count_missing(user.pk)
    raise BusyError("The quota is being changed.")


def reserve(user: User, needed: int) -> bool:
    """Reserve `needed` bytes in the current transaction; return whether anything is counted.

    Without a quota nothing is, and no query is made. Raises `QuotaExceededError`, `UncountedError`.
    """
    return quota_of(user) is not None and _take(user, "bytes_reserved", needed)


def reserve_each(user: User, sizes: Sequence[int]) -> list[bool | QuotaExceededError]:
    """Reserve each of `sizes` that still fits, in their order, as `reserve` does one."""
    if quota_of(user) is None:
        return [False] * len(sizes)
    row = _locked(user.pk)
    quota, used, reserved = quota_of(row), row.bytes_used, row.bytes_reserved
    if quota is None:
        return [False] * len(sizes)
    if used is None or reserved is None:
        raise UncountedError
    results: list[bool | QuotaExceededError] = []
    for size in sizes:
        if used + reserved + size > quota:
            results.append(_exceeded(quota, used, reserved, size))
        else:
            reserved += size
            results.append(True)
    User.objects.filter(pk=row.pk).update(bytes_reserved=reserved)
    return results


def use(user: User, needed: int) -> dict[str, int]:
    """Count `needed` bytes as used in the current transaction: a version that shares a pin.

    Returns what is left to add to the user's row, by column. It must be added even where nothing
    is counted: that locks the row, for whoever counts just now. Raises `QuotaExceededError`,
    `UncountedError`.
    """
    if quota_of(user) is None or not _take(user, "bytes_used", needed):
        return {"bytes_used": needed}
    return {}


def committed(uploads: Sequence[Upload], sizes: Sequence[int]) -> dict[str, int]:
    """Return what moves the sizes of these uploads, of one user, from reserved to used: by column.

    The uploads must be locked, and `user.bytes_used` read with them. What is not reserved came
    while the user had no quota; it is used now if the user's bytes are counted. An uncounted user
    is left alone: whoever counts locks the uploads first, and so waits for this commit.
    """
    reserved = sum(s for up, s in zip(uploads, sizes, strict=True) if up.reserved)
    counted = any(upload.reserved or upload.user.bytes_used is not None for upload in uploads)
    if not counted:
        return {}
    return {"bytes_used": sum(sizes)} | ({"bytes_reserved": -reserved} if reserved else {})


def release(*, user_id: UUID, used: int = 0, reserved: int = 0) -> None:
    """Give back bytes that are gone from the store, in the transaction that says so.

    `used` is the size of versions, `reserved` of uploads marked `reserved` that were not committed:
    both read under the locks of their rows. Where nothing is counted nothing changes, but the row
    is locked, so that whoever counts just now sees these rows either before or after.
    """
    execute(add(User, user_id, bytes_used=-used, bytes_reserved=-reserved))


def set_quota(*, user_id: UUID, quota_bytes: int | None) -> User:
    """Give the user another quota, None for `DEFAULT_QUOTA`, and count the user's bytes.

    Returns the user; without any quota nothing is counted. Raises `BusyError` when uploads without
    a reservation went on to begin meanwhile.
    """
    is_limited = quota_bytes is not None or settings.DEFAULT_QUOTA is not None
    for _ in range(_TRIES):
        with suppress(UncountedError), transaction.atomic():
            user = _locked_and_marked(user_id) if is_limited else _locked(user_id)
            user.quota_bytes = quota_bytes
            _count(user)
            user.save(update_fields=["quota_bytes", "bytes_used", "bytes_reserved"])
            return user
    raise BusyError("Uploads begin just now.")


def forget_count(users: QuerySet[User]) -> None:
    """Have the bytes of these users counted again when they are needed next."""
    users.update(bytes_used=None, bytes_reserved=None)


def usage(*, user: User) -> Usage:
    """Return what the user has: from the counters, or summed up now where there are none."""
    row = User.objects.filter(pk=user.pk).first()
    if row is None:
        raise NotFoundError
    used, reserved = row.bytes_used, row.bytes_reserved
    return Usage(
        user=row,
        files=File.objects.visible_to(row).count(),
        bytes_used=_sum(_stored(row.pk)) if used is None else used,
        bytes_reserved=_sum(_to_come(row.pk)) if reserved is None else reserved,
        quota_bytes=quota_of(row),
    )


def sums(*, user_id: UUID) -> tuple[int, int]:
    """Return what the counters of a user should be, from the rows: used, and reserved."""
    return _sum(_stored(user_id)), _sum(_to_come(user_id).filter(reserved=True))


def waiting(*, user: User) -> int:
    """Return the bytes of the user's purged versions that wait to be collected."""
    return _sum(_stored(user.pk).filter(WAITING_VERSIONS))


def _take(user: User, column: str, needed: int) -> bool:
    """Add to a counter if the quota has room; return False where the row has no quota by now."""
    total = F("bytes_used") + F("bytes_reserved") + needed
    default = Value(settings.DEFAULT_QUOTA, BigIntegerField())
    fitting = User.objects.alias(quota=Coalesce("quota_bytes", default)).filter(
        pk=user.pk, quota__gte=total
    )
    if fitting.update(**{column: F(column) + needed}):
        return True
    row = User.objects.get(pk=user.pk)
    quota = quota_of(row)
    if quota is None:
        return False
    if row.bytes_used is None or row.bytes_reserved is None:
        raise UncountedError
    raise _exceeded(quota, row.bytes_used, row.bytes_reserved, needed)


def _exceeded(quota: int, used: int, reserved: int, needed: int) -> QuotaExceededError:
    return QuotaExceededError(quota=quota, used=used, reserved=reserved, needed=needed)


def _count_missing(user_id: UUID) -> None:
    with transaction.atomic():
        user = _locked_and_marked(user_id)
        if user.bytes_used is not None:
            # Another request counted, and marked what it counted.
            transaction.set_rollback(True)
            return
        _count(user)
        user.save(update_fields=["bytes_used", "bytes_reserved"])


def _count(user: User) -> None:
    """Set the counters of the locked user, whose uploads are marked."""
    if quota_of(user) is None:
        user.bytes_used = user.bytes_reserved = None
        return
    user.bytes_used, user.bytes_reserved = sums(user_id=user.pk)


def _locked_and_marked(user_id: UUID) -> User:
    """Return the user, locked, after the uploads that may still come were marked.

    A commit under way is waited for, and then counted. Raises `UncountedError` where an upload
    began meanwhile: it cannot be locked after the user.
    """
    unmarked = _to_come(user_id).filter(reserved=False)
    lock_in_order(unmarked)
    unmarked.update(reserved=True)
    user = _locked(user_id)
    if unmarked.exists():
        raise UncountedError
    return user


def _locked(user_id: UUID) -> User:
    return User.objects.select_for_update(no_key=True).get(pk=user_id)


def _stored(user_id: UUID) -> QuerySet[FileVersion]:
    return FileVersion.objects.filter(file__user=user_id, collected_at=None)


def _to_come(user_id: UUID) -> QuerySet[Upload]:
    found = Upload.objects.filter(user=user_id, collected_at=None)
    return found.exclude(state=Upload.State.COMMITTED)


def _sum(rows: QuerySet[Any]) -> int:
    return int(rows.aggregate(bytes=Sum("size"))["bytes"] or 0)
