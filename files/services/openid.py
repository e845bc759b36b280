"""Sign-in at the OpenID provider that `OIDC_ISSUER` names.

The authorization code flow (OpenID Connect Core 1.0, section 3.1) with PKCE (RFC 7636), by Authlib.
All waiting of one step ends within `_SECONDS`, and few threads wait at the same time: for the
clients of one network one, and one more for its place.
"""

from __future__ import annotations

import base64
import io
import logging
import ssl
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import cache
from typing import Any

import requests
from authlib.common.security import is_secure_transport
from authlib.integrations.base_client import BaseApp, OAuth2Mixin, OAuthError, OpenIDMixin
from authlib.integrations.requests_client import OAuth2Session
from django.conf import settings
from django.utils.crypto import salted_hmac
from joserfc.jwk import JWKRegistry
from requests.adapters import HTTPAdapter

from files.key_sets import usable_key
from files.places import Places
from files.services import attempts
from files.services.accounts import is_subject
from files.store import transport
from remotedrive.made_once import made_once

_SECONDS = 4
"""For all that one step asks of the provider; waiting for a place may take one more."""
_BYTES = 1 << 20
"""The largest response that is read."""
_METADATA_SECONDS = 3600
"""How long metadata and keys are kept. An unknown key has the keys read again at once, and after a
token that is not valid the next sign-in reads both."""
_ALGORITHMS = ("RS256", "ES256", "EdDSA", "Ed25519")
"""As for bearer tokens: public keys only."""
_ENDPOINTS = ("authorization_endpoint", "token_endpoint", "jwks_uri")
_REFUSALS = (
    *("access_denied", "invalid_request", "invalid_client", "invalid_grant", "invalid_scope"),
    *("unauthorized_client", "unsupported_grant_type", "unsupported_response_type"),
    *("server_error", "temporarily_unavailable"),
)
"""Codes of RFC 6749, sections 4.1.2.1 and 5.2, which alone are logged as the provider sent them."""
ATTEMPT_SECONDS = 600
"""How long a sign-in may take."""
_TRIED_MAX = 10_000
_log = logging.getLogger(__name__)


class ProviderUnavailableError(Exception):
    """The provider does not answer in time, or not as a provider does."""


class SignInRejectedError(Exception):
    """The provider did not vouch for anyone in a way that can be relied upon."""


@dataclass(frozen=True)
class Attempt:
    """What one sign-in is recognized by: on the way out, on the way back, and in the ID token."""

    state: str
    nonce: str
    verifier: str

    @classmethod
    def of(cls, seed: str) -> Attempt:
        """Return the attempt of a random `seed`: the browser keeps that, and learns no more."""
        return cls(*(_derived(seed, purpose) for purpose in ("state", "nonce", "verifier")))


def _derived(seed: str, purpose: str) -> str:
    """Return 43 characters, as RFC 7636, section 4.1, recommends for the verifier."""
    digest = salted_hmac(f"{__name__}.{purpose}", seed, algorithm="sha256").digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


class _Tried:
    """The attempts of the last `ATTEMPT_SECONDS`, `_TRIED_MAX` at most, of this process only.

    A browser deletes the cookie of its attempt; whoever keeps it could have the provider asked with
    any number of codes.
    """

    def __init__(self) -> None:
        self._ends: OrderedDict[str, float] = OrderedDict()
        self._lock = threading.Lock()

    def add(self, attempt: Attempt) -> bool:
        """Return whether the attempt is new here. Its state is a digest, and tells no secret."""
        now = time.monotonic()
        with self._lock:
            while self._ends and next(iter(self._ends.values())) <= now:
                self._ends.popitem(last=False)
            if attempt.state in self._ends:
                return False
            if len(self._ends) >= _TRIED_MAX:
                self._ends.popitem(last=False)
            self._ends[attempt.state] = now + ATTEMPT_SECONDS
            return True


_tried = _Tried()


def authorization_url(attempt: Attempt, address: str) -> str:
    """Return where the browser at the IP `address` goes to sign in.

    Raises `ProviderUnavailableError`, `BusyError`.
    """
    provider = _of_settings()
    with _asking(nullcontext() if provider.is_known() else _place(address)):
        made = provider.create_authorization_url(
            redirect_uri(),
            state=attempt.state,
            nonce=attempt.nonce,
            code_verifier=attempt.verifier,
        )
    return str(made["url"])


def subject_of_code(attempt: Attempt, code: str, address: str) -> str:
    """Return the `sub` that the provider vouches for, in exchange for the `code` of the callback.

    `address` is the browser's IP. Raises `SignInRejectedError`, also for an attempt that was tried
    before, `ProviderUnavailableError`, `BusyError`.
    """
    if not _tried.add(attempt):
        raise SignInRejectedError
    with _asking(_place(address)):
        return _of_settings().subject_of_code(attempt, code)


def redirect_uri() -> str:
    """Return the address of the callback, as it is registered with the provider."""
    return f"{settings.PUBLIC_URL}/sign-in/oidc/callback"


def log_refusal(error: Any) -> None:
    """Log that the provider refused, with the code of the error if it is a known one."""
    shown = error if error in _REFUSALS else "with an error of its own"
    _log.warning("the OpenID provider refused a sign-in: %s", shown)


@contextmanager
def _asking(place: AbstractContextManager[None]) -> Iterator[None]:
    try:
        with place, transport.deadline(_SECONDS):
            yield
    except (OSError, ValueError, RecursionError) as error:
        # Those of requests, and of JSON. Their text may hold the URL and what was answered.
        _log.warning("the OpenID provider does not answer: %s", type(error).__name__)
        raise ProviderUnavailableError from None


def _place(address: str) -> AbstractContextManager[None]:
    return _places().hold({("network", attempts.network(address)): 1})


@made_once
def _places() -> Places:
    most = max(1, settings.THREADS // 8)
    return Places(most, waiting=most, seconds=1)


def _of_settings() -> _Provider:
    return _provider(settings.OIDC_ISSUER, settings.OIDC_CLIENT_ID, settings.OIDC_CLIENT_SECRET)


@made_once
def _provider(issuer: str, client_id: str, client_secret: str | None) -> _Provider:
    return _Provider(issuer, client_id, client_secret)


@cache
def _trusted() -> ssl.SSLContext:
    """Return a context with the system's certificates, which take long to load; requests adds
    those of certifi."""
    return ssl.create_default_context()


class _Adapter(HTTPAdapter):
    """Keeps to the deadline, and reads no more than `_BYTES`."""

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, **options, ssl_context=_trusted())
        self.poolmanager.pool_classes_by_scheme = transport.POOLS

    def send(self, *args: Any, **options: Any) -> requests.Response:
        response = super().send(*args, **options)
        try:
            body = response.raw.read(_BYTES + 1, decode_content=True)
        except Exception as error:
            # Those of urllib3, which requests translates only where it reads itself.
            raise requests.ConnectionError(type(error).__name__) from None
        if len(body) > _BYTES:
            response.close()
            raise requests.ConnectionError("the response is too large")
        response.raw = io.BytesIO(body)
        return response


class _Session(OAuth2Session):  # type: ignore[misc]
    """Asks without what the environment says of proxies, and follows no redirect."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.trust_env = False
        self.max_redirects = 0
        adapter = _Adapter()
        for scheme in ("https://", "http://"):
            self.mount(scheme, adapter)


class _Provider(OAuth2Mixin, OpenIDMixin, BaseApp):  # type: ignore[misc]
    """Authlib's client without its part for Django, which keeps an attempt in the session: that
    has a cookie which does not come with the callback, being `SameSite=Strict`."""

    client_cls = _Session
    client_id: str
    client_secret: str | None
    server_metadata: dict[str, Any]

    def __init__(self, issuer: str, client_id: str, client_secret: str | None) -> None:
        super().__init__(
            framework=None,
            client_id=client_id,
            client_secret=client_secret,
            client_kwargs={"scope": "openid", "code_challenge_method": "S256"},
        )
        self._issuer = issuer
        self._fresh_until = 0.0

    def is_known(self) -> bool:
        """Return whether there is nothing to ask before a browser can be sent to the provider."""
        return time.monotonic() < self._fresh_until

    def load_server_metadata(self) -> dict[str, Any]:
        """Return what is used of the provider's metadata, read at most once an hour.

        No more of it, because Authlib takes options of its own from there, too.
        Source: OpenID Connect Discovery 1.0, section 4.
        """
        if self.is_known():
            return self.server_metadata
        url = f"{self._issuer.removesuffix('/')}/.well-known/openid-configuration"
        with self._get_session() as session:
            response = session.request("GET", url, withhold_token=True)
            response.raise_for_status()
            given = response.json()
        if not isinstance(given, dict) or given.get("issuer") != self._issuer:
            _log.error("what answers at OIDC_ISSUER says that it is another issuer")
            raise ProviderUnavailableError
        endpoints = {name: given.get(name) for name in _ENDPOINTS}
        if not all(
            isinstance(each, str) and is_secure_transport(each) for each in endpoints.values()
        ):
            _log.error("the OpenID provider lacks an endpoint, or has one without https")
            raise ProviderUnavailableError
        self.server_metadata = {
            **endpoints,
            "id_token_signing_alg_values_supported": _ALGORITHMS,
            "token_endpoint_auth_method": self._auth_method(given),
        }
        self._fresh_until = time.monotonic() + _METADATA_SECONDS
        return self.server_metadata

    def fetch_jwk_set(self, force: bool = False) -> dict[str, Any]:
        """Return the set without the keys that are none for signatures, or that break a parser.

        Source: RFC 7517, section 5.
        """
        given = super().fetch_jwk_set(force)["keys"]
        return {"keys": [jwk for jwk in given if usable_key(jwk) and _is_readable(jwk)]}

    def subject_of_code(self, attempt: Attempt, code: str) -> str:
        """As the function of that name."""
        try:
            token = self.fetch_access_token(
                redirect_uri(), code=code, code_verifier=attempt.verifier
            )
            claims = self.parse_id_token(
                token,
                nonce=attempt.nonce,
                claims_options={
                    "iss": {"essential": True, "value": self._issuer},
                    "aud": {"essential": True, "value": self.client_id},
                },
                leeway=settings.JWT_LEEWAY,
            )
        except (requests.RequestException, ProviderUnavailableError):
            raise
        except OAuthError as error:
            log_refusal(error.error)
            raise SignInRejectedError from None
        except Exception as error:
            # Any error: what Authlib and joserfc make of a token that is none has no common class.
            # The text may hold a part of it.
            _log.warning("an ID token is not valid: %s", type(error).__name__)
            # A provider may have new keys without names, or under the old ones.
            self._fresh_until = 0.0
            raise SignInRejectedError from None
        if claims is None or not is_subject(claims["sub"]):
            _log.warning("the OpenID provider sent no ID token, or one without a usable sub")
            raise SignInRejectedError
        return str(claims["sub"])

    def _auth_method(self, given: dict[str, Any]) -> str:
        """Return how the client proves itself (OpenID Connect Core 1.0, section 9)."""
        if self.client_secret is None:
            return "none"
        supported = given.get("token_endpoint_auth_methods_supported")
        is_basic = not isinstance(supported, list) or "client_secret_basic" in supported
        return "client_secret_basic" if is_basic else "client_secret_post"


def _is_readable(jwk: dict[str, Any]) -> bool:
    """Return whether Authlib takes a key: it looks at members which PyJWT passes over."""
    try:
        JWKRegistry.import_key(jwk)
    except Exception:
        # Any error, as of the parsers before.
        return False
    return True
