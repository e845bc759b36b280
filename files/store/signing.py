"""The presigners of this process: one signs uploads, one downloads. No I/O."""

from __future__ import annotations

from functools import cache

from files.store.config import StoreConfig
from files.store.presign import Presigner


@cache
def uploads() -> Presigner:
    """Return what signs PUTs for the store of the settings."""
    return upload_presigner(StoreConfig.from_settings())


@cache
def downloads() -> Presigner:
    """Return what signs GETs for the store of the settings."""
    return download_presigner(StoreConfig.from_settings())


def upload_presigner(config: StoreConfig) -> Presigner:
    """Return a presigner with the key that may only write under `uploads/`, where there is one.

    A store may honour an unsigned `x-amz-copy-source` on a presigned PUT; a key that can read
    nothing copies nothing.
    """
    if config.upload_access_key and config.upload_secret_key:
        return _presigner(config, config.upload_access_key, config.upload_secret_key)
    return download_presigner(config)


def download_presigner(config: StoreConfig) -> Presigner:
    """Return a presigner with the service's own key."""
    return _presigner(config, config.access_key, config.secret_key)


def _presigner(config: StoreConfig, access_key: str, secret_key: str) -> Presigner:
    return Presigner(
        endpoint=config.public_endpoint,
        region=config.region,
        bucket=config.bucket,
        access_key=access_key,
        secret_key=secret_key,
    )
