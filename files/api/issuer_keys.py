"""The public keys by which an outside issuer's tokens are verified: JWK Set of `JWT_JWKS_URL`.

`files.key_sets` says which of them are used, and each for which algorithm; the token only has to
name the same one.
"""

from __future__ import annotations

import json
import logging
import math
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from jwt import PyJWK

from files.api.remembered import remembered_users
from files.exceptions import IssuerUnavailableError
from files.key_sets import usable_key
from files.store import transport
from remotedrive.fetching import Fetcher
from remotedrive.made_once import made_once

logger = logging.getLogger(__name__)

REFRESH_SECONDS = 900
"""After so long the set is fetched again, while requests go on with the one there is."""
RETRY_SECONDS = 60
"""Between two fetches of a set that is old; and between two because a key was unknown."""
RETRY_SECONDS_WITHOUT_KEYS = 5
WAIT_SECONDS = 1.5
"""The most that a request waits for the issuer."""
FETCH_SECONDS = 5.0
"""The most that a fetch takes, whatever the issuer sends and how slowly."""
_SET_BYTES_MAX = 1 << 20
_TRIED_MAX = 8
"""Keys that are tried for a token that does not name one."""


class KeySet:
    """The usable keys of a JWK Set."""

    def __init__(self, jwks: list[Any]) -> None:
        """Leave out what cannot be used (RFC 7517 §5). Raises ValueError where nothing is left."""
        self._by_kid: dict[str, list[PyJWK]] = defaultdict(list)
        self._all: list[PyJWK] = []
        self.members = [jwk for jwk in jwks if isinstance(jwk, dict)]
        for jwk in self.members:
            key = usable_key(jwk)
            if key is not None:
                self._all.append(key)
                if isinstance(key.key_id, str):
                    self._by_kid[key.key_id].append(key)
        if not self._all:
            raise ValueError("no usable key")

    def matching(self, kid: str | None, algorithm: str) -> list[PyJWK]:
        """Return the keys that a token with this `kid` and `alg` may be signed with."""
        keys = self._all if kid is None else self._by_kid.get(kid, [])
        return [key for key in keys if key.algorithm_name == algorithm][:_TRIED_MAX]

    def lacks_one_of(self, earlier: KeySet) -> bool:
        """Say whether a key of `earlier` is not in this set as it was."""
        return any(jwk not in self.members for jwk in earlier.members)


class IssuerKeys:
    """The keys at `url`, fetched when they are needed and again when they are old.

    `waiters` is how many requests may wait for the issuer at the same time.
    """

    def __init__(self, url: str, *, waiters: int) -> None:
        self._url = url
        self._asking = threading.Lock()
        self._asked_at = float("-inf")
        self._fetcher = Fetcher(self._fetch, what="issuer keys", waiters=waiters)

    def candidates(self, kid: str | None, algorithm: str) -> Iterator[PyJWK]:
        """Yield the keys to try for a token that names `kid` and `alg`.

        Before it gives up it asks the issuer again, at most once a minute, so that a key that the
        issuer has begun to use is found. Raises `IssuerUnavailableError` if no set was ever read.
        """
        until = time.monotonic() + WAIT_SECONDS
        keys = self._current(until)
        tried = keys.matching(kid, algorithm)
        yield from tried
        if tried and kid is not None:
            return
        # Another request may have had them fetched since this one looked.
        while self._ask_again(until) or self._fetcher.latest is not keys:
            keys = self._current(until)
            found = [key for key in keys.matching(kid, algorithm) if key not in tried]
            yield from found
            tried += found
            if found and kid is not None:
                return

    def _current(self, until: float) -> KeySet:
        """Return the latest set; begin to fetch it again if it is old."""
        fetcher = self._fetcher
        keys, now = fetcher.latest, time.monotonic()
        if keys is None:
            fetcher.begin(at_most_every=RETRY_SECONDS_WITHOUT_KEYS)
            fetcher.wait(until=until)
        elif now - fetcher.fetched_at >= REFRESH_SECONDS:
            # Where nobody asked for long, the issuer may have taken a key back long ago.
            unused = now - fetcher.begun_at >= 2 * REFRESH_SECONDS
            fetcher.begin(at_most_every=RETRY_SECONDS)
            if unused:
                fetcher.wait(until=until)
        if fetcher.latest is None:
            left = fetcher.begun_at + RETRY_SECONDS_WITHOUT_KEYS - time.monotonic()
            raise IssuerUnavailableError(retry_after=max(1, math.ceil(left)))
        return fetcher.latest

    def _ask_again(self, until: float) -> bool:
        """Wait for a fetch, begun now unless this minute had one for an unknown key already.

        Returns whether one ended.
        """
        with self._asking:
            now = time.monotonic()
            if now >= until:
                return False
            if not self._fetcher.under_way:
                if now - self._asked_at < RETRY_SECONDS:
                    return False
                self._asked_at = now
                self._fetcher.begin(at_most_every=0)
        return self._fetcher.wait(until=until)

    def _fetch(self) -> KeySet:
        before = self._fetcher.latest
        found = KeySet(json.loads(_read(self._url))["keys"])
        if before is None or before.members != found.members:
            logger.info("issuer keys: %d in the set", len(found.members))
        if before is not None and found.lacks_one_of(before):
            self._fetcher.latest = found
            remembered_users.forget_everyone()
        return found


@made_once
def _issuer_keys(url: str, waiters: int) -> IssuerKeys:
    return IssuerKeys(url, waiters=waiters)


def issuer_keys() -> IssuerKeys:
    """Return the keys of the issuer of the settings, the same ones throughout the process."""
    return _issuer_keys(settings.JWT_JWKS_URL, max(1, settings.THREADS // 2))


def _read(url: str) -> bytes:
    """GET `url` within the time and size allowed; follow no redirect. Raises what goes wrong."""
    http = transport.pool(secure=urlsplit(url).scheme == "https", connections=1)
    with transport.deadline(FETCH_SECONDS):
        response = http.request(
            "GET",
            url,
            headers={"Accept": "application/jwk-set+json, application/json", "Connection": "close"},
            redirect=False,
            retries=False,
            preload_content=False,
        )
        try:
            body: bytes = response.read(_SET_BYTES_MAX + 1, decode_content=False)
        finally:
            response.close()
    if response.status != 200 or len(body) > _SET_BYTES_MAX:
        raise ValueError("not a key set")
    return body
