"""Reads of whole objects at commit, to compute their SHA-256: bounded, and remembered."""

from __future__ import annotations

from collections.abc import Hashable

from django.conf import settings

from files.exceptions import StoreUnavailableError
from files.models import Upload
from files.places import Places
from files.store.client import ObjectVersion, object_store
from remotedrive.made_once import made_once

_LARGE = 1 << 20
"""Bytes from which a read takes long enough to have places of its own."""


def checksum_of(upload: Upload, stored: ObjectVersion) -> str:
    """Return the SHA-256 of the bytes of `stored`, read now unless `upload` remembers it.

    Raises `BusyError`, also while another request reads for the same upload;
    `StoreUnavailableError`.
    """
    if upload.read_checksum is not None and upload.read_version_id == stored.version_id:
        return upload.read_checksum
    is_large = stored.size > _LARGE
    places = _places(is_large)
    with places.hold(_limits(upload, is_large), alone=upload.pk):
        read = object_store().sha256(stored.key, version_id=stored.version_id)
    if read is None:
        raise StoreUnavailableError("The object version disappeared while it was read.")
    upload.read_version_id, upload.read_checksum = stored.version_id, read
    return read


def remember(upload: Upload) -> None:
    """Keep what was read for a commit that failed: the next one need not read again."""
    Upload.objects.filter(pk=upload.pk).update(
        read_version_id=upload.read_version_id, read_checksum=upload.read_checksum
    )


def _limits(upload: Upload, is_large: bool) -> dict[Hashable, int]:
    """Return how many large objects of one owner may be read at once, and of that one share."""
    if not is_large:
        return {}
    limits: dict[Hashable, int] = {("owner", upload.user_id): max(1, _large_total() - 1)}
    if upload.share_id is not None:
        limits["share", upload.share_id] = max(1, _large_total() // 2)
    return limits


@made_once
def _places(is_large: bool) -> Places:
    """Return the places of reads: large ones in a fifth of the threads, small ones in half."""
    if is_large:
        return Places(_large_total(), waiting=_large_total() // 2)
    # They are soon done, and worth a longer wait.
    return Places(settings.THREADS // 2, waiting=settings.THREADS // 4, seconds=4)


def _large_total() -> int:
    return max(1, settings.THREADS // 5)
