"""Downloads: a presigned GET of the pinned object version. Signs only; the store is not asked."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote
from uuid import UUID

from django.conf import settings

from files import keys
from files.exceptions import CorruptError, NotFoundError, VersionPurgedError
from files.models import FileVersion, Integrity, User, queries
from files.store import signing

_SAFE_INLINE = frozenset(
    {
        "application/pdf",
        "image/avif",
        "image/bmp",
        "image/gif",
        "image/jpeg",
        "image/png",
        "image/webp",
        "text/plain",
    }
)
"""Besides audio and video: types that a browser shows without running scripts."""


@dataclass(frozen=True)
class Download:
    """A version and a URL of its bytes that is valid until `expires_at`."""

    version: FileVersion
    url: str
    expires_at: datetime


def download(
    *, user: User, file_id: UUID, version: int | None = None, inline: bool = False
) -> Download:
    """Sign a GET of a version of the user's file, by default of the newest.

    Raises `NotFoundError`, `VersionPurgedError`, and `CorruptError` for a version that is known to
    be corrupt.
    """
    if version is None:
        found = queries.NEWEST_VERSION.one(user=user, file=file_id)
    else:
        found = queries.NUMBERED_VERSION.one(user=user, file=file_id, version=version)
    if found is None:
        raise NotFoundError
    return sign_download(version=found, inline=inline, expires_in=settings.PRESIGN_GET_TTL)


def sign_download(*, version: FileVersion, inline: bool, expires_in: int) -> Download:
    """Sign a GET of this very object version for `expires_in` seconds.

    Raises `VersionPurgedError`, `CorruptError`. The URL overrides the content type and disposition
    that the PUT may have set (S3 GetObject).
    """
    if version.purged_at is not None:
        raise VersionPurgedError
    if version.integrity == Integrity.CORRUPT:
        raise CorruptError
    signed = signing.downloads().get(
        version.key,
        version_id=version.store_version_id,
        content_type=version.content_type,
        disposition=_disposition(version, inline=inline),
        expires_in=expires_in,
    )
    return Download(version, signed.url, signed.expires_at)


def _disposition(version: FileVersion, *, inline: bool) -> str:
    """Return a Content-Disposition with the file's name in ASCII and in full (RFC 6266 §4.3)."""
    essence = version.content_type.partition(";")[0].strip().lower()
    safe = essence in _SAFE_INLINE or essence.startswith(("audio/", "video/"))
    name = version.file.name
    # Some clients take %41 for A, and some read no backslash (RFC 6266, appendix D).
    plain = name if name.isascii() and not set(name) & set('"%\\') else keys.ascii_name(name)
    kind = "inline" if inline and safe else "attachment"
    return f"{kind}; filename=\"{plain}\"; filename*=utf-8''{quote(name, safe='')}"
