"""The keys by which the service reaches the store: fixed ones, or a role's, which end and are
renewed.

A role's keys come from where the SDK looks for them, in this order: the environment
(`AWS_ACCESS_KEY_ID` …), the file of AWS's tools, a token file (`AWS_WEB_IDENTITY_TOKEN_FILE`), the
container's address (`AWS_CONTAINER_CREDENTIALS_…`), the machine's (EC2).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC

from django.conf import settings
from minio.credentials.credentials import Credentials as SDKCredentials
from minio.credentials.providers import (
    AWSConfigProvider,
    ChainedProvider,
    EnvAWSProvider,
    IamAwsProvider,
    Provider,
)

from files.exceptions import StoreUnavailableError
from files.store import transport
from files.store.config import StoreConfig
from remotedrive.fetching import Fetcher
from remotedrive.made_once import made_once

RENEW_BEFORE = 900
"""Seconds before their end at which new keys are asked for; AWS has them 5 minutes before."""
RENEW_AFTER = 900
"""Seconds after which keys that name no end are looked up again."""
RETRY_SECONDS = 60
"""Between two attempts to renew keys that are still good."""
RETRY_SECONDS_WITHOUT_KEYS = 5
END_MARGIN = 10
"""Seconds before their end at which keys are no longer used."""
FETCH_SECONDS = 5.0
WAIT_SECONDS = 3.0
"""The most that a request waits for keys where there are none."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """A key pair, with a token if it is temporary. `expires_at` is in seconds since 1970."""

    access_key: str
    secret_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)
    expires_at: int | None = None

    def seconds_left(self) -> float:
        """Return how long they are good; infinity where they name no end."""
        return math.inf if self.expires_at is None else self.expires_at - time.time()


CredentialSource = Callable[[], Credentials]
"""Returns the credentials to use now, the same object until they change. Raises
StoreUnavailableError where there are none."""


def credential_source(config: StoreConfig) -> CredentialSource:
    """Return the source of the service's own credentials."""
    if config.access_key is None or config.secret_key is None:
        return _role
    fixed = Credentials(config.access_key, config.secret_key, config.session_token)
    return lambda: fixed


class RoleCredentials:
    """Credentials that `fetch` gives, renewed in the background before they end."""

    def __init__(self, fetch: Callable[[], Credentials], *, waiters: int) -> None:
        self._fetcher = Fetcher(fetch, what="store credentials", waiters=waiters)

    def __call__(self) -> Credentials:
        """Return credentials that are good for `END_MARGIN` seconds at least.

        Waits for them, for `WAIT_SECONDS` at most, only where there are none. Raises
        StoreUnavailableError.
        """
        fetcher = self._fetcher
        found = fetcher.latest
        if found is not None and found.seconds_left() > END_MARGIN:
            age = time.monotonic() - fetcher.fetched_at
            # Those that name no end may be of a file, and have one all the same.
            if found.seconds_left() < RENEW_BEFORE or (
                found.expires_at is None and age > RENEW_AFTER
            ):
                fetcher.begin(at_most_every=RETRY_SECONDS)
            return found
        if fetcher.begin(at_most_every=RETRY_SECONDS_WITHOUT_KEYS):
            fetcher.wait(until=time.monotonic() + WAIT_SECONDS)
        found = fetcher.latest
        if found is None or found.seconds_left() <= END_MARGIN:
            raise StoreUnavailableError(
                "There are no credentials for the object store.",
                retry_after=RETRY_SECONDS_WITHOUT_KEYS,
            )
        return found


class SDKProvider(Provider):
    """A source of credentials as the SDK wants it."""

    def __init__(self, source: CredentialSource) -> None:
        self._source = source

    def retrieve(self) -> SDKCredentials:
        found = self._source()
        return SDKCredentials(found.access_key, found.secret_key, found.session_token)


def _role() -> Credentials:
    return _role_credentials(settings.THREADS)()


@made_once
def _role_credentials(threads: int) -> RoleCredentials:
    """Return the role's credentials, the same ones throughout the process."""
    return RoleCredentials(_ask_chain, waiters=max(1, threads // 2))


def _ask_chain() -> Credentials:
    """Ask the SDK's providers, within the time allowed; raises what they raise.

    They keep what they were given until it ends, so new ones are made each time.
    """
    http = transport.pool(secure=True, connections=1)
    providers = [EnvAWSProvider(), AWSConfigProvider(), IamAwsProvider(http_client=http)]
    with transport.deadline(FETCH_SECONDS):
        found = ChainedProvider(providers).retrieve()
    end = None
    if found.expiration is not None:
        # The SDK has the time in UTC, and without a zone.
        end = int(found.expiration.replace(tzinfo=UTC).timestamp())
    return Credentials(found.access_key, found.secret_key, found.session_token or None, end)
