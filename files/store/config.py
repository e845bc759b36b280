"""Where the store is and by which keys it is reached: the settings, in one value."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Self
from urllib.parse import urlsplit

from django.conf import settings


@dataclass(frozen=True)
class StoreConfig:
    """One bucket of a store. `endpoint` is the service's way to it, `public_endpoint` the clients'.

    Both are `http://host:port` or `https://…`.
    """

    endpoint: str
    public_endpoint: str
    region: str
    bucket: str
    access_key: str
    secret_key: str = field(repr=False)
    upload_access_key: str | None
    """The key that signs uploads and may do nothing else; None where the main key signs them."""
    upload_secret_key: str | None = field(repr=False)
    timeout: float
    """Seconds that all calls of one step may take together."""

    @classmethod
    def from_settings(cls) -> Self:
        """Return the store that the service's settings name."""
        return cls(
            endpoint=settings.MINIO_ENDPOINT,
            public_endpoint=settings.MINIO_PUBLIC_ENDPOINT,
            region=settings.MINIO_REGION,
            bucket=settings.MINIO_BUCKET,
            access_key=settings.MINIO_ACCESS_KEY,
            secret_key=settings.MINIO_SECRET_KEY,
            upload_access_key=settings.MINIO_UPLOAD_ACCESS_KEY,
            upload_secret_key=settings.MINIO_UPLOAD_SECRET_KEY,
            timeout=settings.STORE_TIMEOUT,
        )

    @property
    def secure(self) -> bool:
        """Whether the service speaks TLS to the store."""
        return urlsplit(self.endpoint).scheme == "https"

    @property
    def netloc(self) -> str:
        """Host and port of the store, as the SDK wants them."""
        return urlsplit(self.endpoint).netloc
