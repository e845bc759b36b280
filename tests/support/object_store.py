"""The store of the settings, reached by our client or by boto3."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from django.conf import settings

from files.store.client import ObjectStore
from files.store.config import StoreConfig


def address() -> tuple[str, int]:
    """Return the host and port on which the store of the settings listens."""
    endpoint = urlsplit(settings.MINIO_ENDPOINT)
    return str(endpoint.hostname), endpoint.port or 80


def make_store(**options: Any) -> ObjectStore:
    """Return our client of the store of the settings; `options` replace what they say."""
    concurrency = options.pop("concurrency", settings.THREADS)
    return ObjectStore(replace(StoreConfig.from_settings(), **options), concurrency=concurrency)


def make_s3(access_key: str | None = None, secret_key: str | None = None) -> Any:
    """Return boto3's client, to do what people and attackers do, and to compare ours with."""
    return boto3.client(
        "s3",
        endpoint_url=settings.MINIO_ENDPOINT,
        region_name=settings.MINIO_REGION,
        aws_access_key_id=access_key or settings.MINIO_ACCESS_KEY,
        aws_secret_access_key=secret_key or settings.MINIO_SECRET_KEY,
        config=Config(signature_version="s3v4", request_checksum_calculation="when_required"),
    )
