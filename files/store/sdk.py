"""The minio SDK's client of a bucket, on a pool whose every wait is bounded."""

from __future__ import annotations

from urllib.parse import SplitResult, urlsplit

from minio import Minio
from minio.helpers import BaseURL, DictType
from urllib3 import PoolManager

from files.store import transport
from files.store.address import bucket_address, encode_path
from files.store.config import StoreConfig
from files.store.credentials import SDKProvider, credential_source


def client(config: StoreConfig, *, connections: int) -> Minio:
    """Return the SDK's client of the store, on a pool of its own; raises as `client_on`."""
    return client_on(transport.pool(secure=config.secure, connections=connections), config)


def client_on(http: PoolManager, config: StoreConfig) -> Minio:
    """Return the SDK's client of the store, on the pool `http`.

    Given the region, it does not ask the store for it. Raises ValueError for an invalid endpoint
    or region.
    """
    made = Minio(
        netloc(config),
        credentials=SDKProvider(credential_source(config)),
        secure=config.secure,
        region=config.region,
        http_client=http,
    )
    made._base_url = _BucketURL(config)
    return made


def netloc(config: StoreConfig) -> str:
    """Return host and port of the store, as the SDK wants them."""
    return urlsplit(config.endpoint).netloc


class _BucketURL(BaseURL):
    """Builds URLs as the settings say, where the SDK has rules by host name.

    It knows no path below which a store is, and changes the names of AWS's hosts.
    """

    def __init__(self, config: StoreConfig) -> None:
        super().__init__(f"{urlsplit(config.endpoint).scheme}://{netloc(config)}", config.region)
        # Also where the SDK reads another one from the name of the host.
        self._region = config.region
        self._config = config

    def build(
        self,
        *,
        method: str,
        region: str,
        bucket_name: str | None = None,
        object_name: str | None = None,
        query_params: DictType | None = None,
    ) -> SplitResult:
        url = super().build(method=method, region=region, query_params=query_params)
        if bucket_name is None:
            return url
        config = self._config
        address = bucket_address(config.endpoint, bucket_name, virtual=config.virtual)
        path = f"{address.path}{encode_path(object_name or '')}"
        if not object_name:
            # As botocore writes the bucket itself.
            path = path.removesuffix("/") or "/"
        return SplitResult(address.scheme, address.host, path, url.query, "")
