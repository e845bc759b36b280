"""Where the store is and by which keys it is reached: the settings, in one value."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Self

from django.conf import settings

from files.store.address import BucketAddress, bucket_address


@dataclass(frozen=True)
class StoreConfig:
    """One bucket of a store. `endpoint` is the service's way to it, `public_endpoint` the clients'.

    Both are `http://host:port` or `https://…`, perhaps with a path.
    """

    endpoint: str
    public_endpoint: str
    region: str
    bucket: str
    virtual: bool
    """Whether the bucket's name stands before the host in URLs, and not in the path."""
    access_key: str | None
    """None, as `secret_key`, where the credentials are those of a role."""
    secret_key: str | None = field(repr=False)
    session_token: str | None = field(repr=False)
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
            virtual=settings.MINIO_ADDRESSING == "virtual",
            access_key=settings.MINIO_ACCESS_KEY,
            secret_key=settings.MINIO_SECRET_KEY,
            session_token=settings.MINIO_SESSION_TOKEN,
            upload_access_key=settings.MINIO_UPLOAD_ACCESS_KEY,
            upload_secret_key=settings.MINIO_UPLOAD_SECRET_KEY,
            timeout=settings.STORE_TIMEOUT,
        )

    @property
    def address(self) -> BucketAddress:
        """Where the service finds the bucket. Raises ValueError for an invalid endpoint."""
        return bucket_address(self.endpoint, self.bucket, virtual=self.virtual)

    @property
    def public_address(self) -> BucketAddress:
        """Where clients find the bucket. Raises ValueError for an invalid endpoint."""
        return bucket_address(self.public_endpoint, self.bucket, virtual=self.virtual)

    @property
    def secure(self) -> bool:
        """Whether the service speaks TLS to the store."""
        return self.endpoint.startswith("https:")
