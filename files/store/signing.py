"""The presigners of this process: one signs uploads, one downloads. No I/O.

With a role's credentials a presigner is replaced when these are, and there may be none for a while.
"""

from __future__ import annotations

from functools import cache

from files.store.config import StoreConfig
from files.store.credentials import Credentials, CredentialSource, credential_source
from files.store.presign import Presigner


class CurrentPresigner:
    """Gives the presigner of the current credentials at `endpoint`."""

    def __init__(self, config: StoreConfig, endpoint: str, source: CredentialSource) -> None:
        self._config = config
        self._endpoint = endpoint
        self._source = source
        # Replaced as a whole, never changed, so that threads need no lock.
        self._latest: tuple[Credentials, Presigner] | None = None

    def __call__(self) -> Presigner:
        """Return the presigner to use now. Raises StoreUnavailableError, ValueError."""
        credentials, latest = self._source(), self._latest
        if latest is None or latest[0] is not credentials:
            self._latest = latest = (credentials, self._presigner(credentials))
        return latest[1]

    def _presigner(self, credentials: Credentials) -> Presigner:
        return Presigner(
            endpoint=self._endpoint,
            region=self._config.region,
            bucket=self._config.bucket,
            virtual=self._config.virtual,
            access_key=credentials.access_key,
            secret_key=credentials.secret_key,
            session_token=credentials.session_token,
            valid_until=credentials.expires_at,
        )


def uploads() -> Presigner:
    """Return what signs PUTs for the store of the settings. Raises StoreUnavailableError."""
    return _uploads()()


def downloads() -> Presigner:
    """Return what signs GETs for the store of the settings. Raises StoreUnavailableError."""
    return _downloads()()


@cache
def _uploads() -> CurrentPresigner:
    return upload_presigner(StoreConfig.from_settings())


@cache
def _downloads() -> CurrentPresigner:
    return download_presigner(StoreConfig.from_settings())


def upload_presigner(config: StoreConfig) -> CurrentPresigner:
    """Return a presigner with the key that may only write under `uploads/`, where there is one.

    A store may honour an unsigned `x-amz-copy-source` on a presigned PUT; a key that can read
    nothing copies nothing.
    """
    if config.upload_access_key and config.upload_secret_key:
        narrow = Credentials(config.upload_access_key, config.upload_secret_key)
        return CurrentPresigner(config, config.public_endpoint, lambda: narrow)
    return download_presigner(config)


def download_presigner(config: StoreConfig) -> CurrentPresigner:
    """Return a presigner with the service's own credentials."""
    return CurrentPresigner(config, config.public_endpoint, credential_source(config))
