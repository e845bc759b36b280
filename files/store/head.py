"""HEAD of one object, which each commit makes, signed by the project's own presigner.

The SDK takes more CPU for it than all the rest of the call; it stays for all other calls, over the
same pool. Errors are the SDK's, as it would raise them.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from minio.error import S3Error, ServerError
from urllib3 import PoolManager

from files.store.config import StoreConfig
from files.store.credentials import credential_source
from files.store.results import ObjectVersion, object_version
from files.store.signing import CurrentPresigner

_VALID_SECONDS = 900
"""As long as S3 takes a request that is signed in its headers."""
_SIGNED_HEADERS = {"x-amz-checksum-mode": "ENABLED"}
_CODES = {
    400: "BadRequest",
    403: "AccessDenied",
    404: "NoSuchKey",
    405: "MethodNotAllowed",
    409: "NoSuchBucket",
}
"""An answer to HEAD has no body, and so no code but what its status says."""


class HeadObject:
    """Asks the store for the headers of objects in one bucket. S3 HeadObject."""

    def __init__(self, config: StoreConfig, http: PoolManager) -> None:
        self._presigner = CurrentPresigner(config, config.endpoint, credential_source(config))
        self._pool = http.connection_from_url(config.address.origin)

    def __call__(self, key: str, version_id: str | None) -> ObjectVersion:
        """Return the newest version of `key`, or the one named.

        Raises `S3Error` for the statuses above, `ServerError` for others, `MalformedResponseError`,
        `StoreUnavailableError` where there are no credentials, and what the pool raises.
        """
        query = {} if version_id is None else {"versionId": version_id}
        signed = self._presigner().presign(
            "HEAD", key, expires_in=_VALID_SECONDS, headers=_SIGNED_HEADERS, query=query
        )
        parts = urlsplit(signed.url)
        response = self._pool.urlopen(
            "HEAD",
            f"{parts.path}?{parts.query}",
            # As it was signed: urllib3 would leave out the dot at the end of a name.
            headers={**signed.headers, "Host": parts.netloc},
            redirect=False,
        )
        if response.status == 200:
            return object_version(key, response.headers, version_id)
        code = _CODES.get(response.status)
        if code is None:
            raise ServerError(f"the store answered {response.status}", response.status)
        raise S3Error(response, code, None, parts.path, None, None, object_name=key)
