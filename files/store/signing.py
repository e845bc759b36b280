"""The presigners of this process: one signs uploads, one downloads. No I/O."""

from __future__ import annotations

from functools import cache

from django.conf import settings

from files.store.presign import Presigner


@cache
def uploads() -> Presigner:
    """Sign PUTs, with the key pair that may only write under `uploads/` where there is one.

    A store may honour an unsigned `x-amz-copy-source` on a presigned PUT; a key that can read
    nothing copies nothing.
    """
    return _presigner(
        settings.MINIO_UPLOAD_ACCESS_KEY or settings.MINIO_ACCESS_KEY,
        settings.MINIO_UPLOAD_SECRET_KEY or settings.MINIO_SECRET_KEY,
    )


@cache
def downloads() -> Presigner:
    """Sign GETs, with the service's own key pair."""
    return _presigner(settings.MINIO_ACCESS_KEY, settings.MINIO_SECRET_KEY)


def _presigner(access_key: str, secret_key: str) -> Presigner:
    return Presigner(
        endpoint=settings.MINIO_PUBLIC_ENDPOINT,
        region=settings.MINIO_REGION,
        bucket=settings.MINIO_BUCKET,
        access_key=access_key,
        secret_key=secret_key,
    )
