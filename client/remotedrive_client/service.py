"""Calls of the service: authenticated, repeated where that is safe, problems as exceptions."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import SplitResult, parse_qs, urlsplit

import httpx

from remotedrive_client.errors import (
    NotSignedInError,
    OutcomeUnknownError,
    ProblemError,
    UnavailableError,
    UnexpectedAnswerError,
)
from remotedrive_client.retries import PATIENCE, Retries, Stop
from remotedrive_client.store import verification

TIMEOUT = httpx.Timeout(30, connect=10, pool=None)
PAGE_SIZE = 200
_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
"""Failures before a byte of the request was sent."""
_SAFE_METHODS = ("GET", "DELETE", "PATCH")

Token = str | Callable[[], str]
"""A bearer token, or what gives a fresh one whenever it is called."""


class Service:
    """One service as one person. May be used by several threads at once."""

    def __init__(
        self, base_url: str, token: Token, *, stop: Stop, patience: float = PATIENCE
    ) -> None:
        self.base_url = base_url.rstrip("/")
        parse_address(self.base_url)
        self._token_lock = threading.Lock()
        self._token = token
        self._current: str | None = None
        self._stop = stop
        self._patience = patience
        self._http = httpx.Client(timeout=TIMEOUT, verify=verification(self.base_url))

    def call(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        query: Mapping[str, Any] | None = None,
        idempotency_key: str | None = None,
        repeatable: bool | None = None,
    ) -> Any:
        """Return the JSON of a 2xx response, None where it has none.

        429 and 503 are repeated as `Retry-After` says. Without a response the request is repeated
        when nothing of it was sent, or when it is `repeatable`, by default all but POST without
        `idempotency_key`. Raises `ProblemError`, `UnavailableError`, `NotSignedInError`,
        `UnexpectedAnswerError`.
        """
        if repeatable is None:
            repeatable = method in _SAFE_METHODS or idempotency_key is not None
        headers = {} if idempotency_key is None else {"Idempotency-Key": idempotency_key}
        retries = Retries(self._stop, patience=self._patience)
        renewed = False
        while True:
            token = self._bearer()
            headers["Authorization"] = f"Bearer {token}"
            try:
                response = self._send(method, path, body, query, headers)
            except httpx.TransportError as error:
                failure = UnavailableError(f"The service does not answer: {_reason(error)}.")
                if not repeatable and not isinstance(error, _NOT_SENT):
                    raise OutcomeUnknownError(
                        f"The service did not answer ({_reason(error)}); "
                        "whether it did what was asked is not known."
                    ) from None
                retries.wait(failure)
                continue
            except (httpx.HTTPError, httpx.InvalidURL):
                raise UnexpectedAnswerError from None
            if response.is_success:
                return _members(response)
            problem = _problem(response)
            if problem.code == "token-expired" and callable(self._token) and not renewed:
                renewed = True
                self._drop(token)
                continue
            retry_after = _retry_after(response)
            if retry_after is None and not (response.status_code in (502, 504) and repeatable):
                raise problem
            retries.wait(problem, retry_after)

    def pages(self, path: str, query: Mapping[str, Any] | None = None) -> Iterator[dict[str, Any]]:
        """Yield the results of all pages of a listing."""
        given: dict[str, Any] = {"page_size": PAGE_SIZE} | dict(query or {})
        while True:
            page = self.call("GET", path, query=given)
            try:
                results, following = page["results"], page["next"]
                # Only the cursor is taken: the token goes to no other address than the service's.
                cursor = following and parse_qs(urlsplit(following).query)["cursor"][0]
            except (LookupError, TypeError, ValueError):
                raise UnexpectedAnswerError from None
            yield from results
            if not cursor:
                return
            given = given | {"cursor": cursor}

    def close(self) -> None:
        """Close all connections."""
        self._http.close()

    def _send(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None,
        query: Mapping[str, Any] | None,
        headers: Mapping[str, str],
    ) -> httpx.Response:
        self._stop.check()
        return self._http.request(
            method,
            self.base_url + path,
            json=body,
            params=query,
            headers=headers,
        )

    def _bearer(self) -> str:
        with self._token_lock:
            if self._current is None:
                self._current = self._token() if callable(self._token) else self._token
            token = self._current
        if not token or not token.isascii() or not token.isprintable():
            raise NotSignedInError("The token is not valid: it is empty or not plain ASCII.")
        return token

    def _drop(self, token: str) -> None:
        """Ask for a fresh token, unless another thread has since."""
        with self._token_lock:
            if self._current == token:
                self._current = None


def parse_address(url: str) -> SplitResult:
    """Return the parts of a service's address. Raises `NotSignedInError`."""
    try:
        parts = urlsplit(url)
        # To read the port checks it.
        valid = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        valid = False
    if not valid or parts.query:
        raise NotSignedInError("The address of the service is not an http or https URL.")
    return parts


def _members(response: httpx.Response) -> Any:
    """Return the JSON object of a 2xx response, None where it has no body."""
    if not response.content:
        return None
    try:
        members = response.json()
    except ValueError:
        members = None
    if not isinstance(members, dict):
        raise UnexpectedAnswerError
    return members


def _problem(response: httpx.Response) -> ProblemError:
    try:
        members = response.json()
    except ValueError:
        members = None
    if not isinstance(members, dict):
        members = {"detail": f"The server answered {response.status_code}, not as this API does."}
    members.setdefault("request_id", response.headers.get("X-Request-ID", ""))
    return ProblemError(response.status_code, members)


def _retry_after(response: httpx.Response) -> float | None:
    """Return the seconds of `Retry-After` of a 429 or 503."""
    if response.status_code not in (429, 503):
        return None
    try:
        return max(0.0, float(response.headers.get("Retry-After", "1")))
    except ValueError:
        return 1.0


def _reason(error: httpx.TransportError) -> str:
    """Return what happened, without the URL, which httpx names in some messages."""
    if isinstance(error, httpx.ConnectError):
        return "no connection"
    if isinstance(error, httpx.TimeoutException):
        return "timeout"
    return "the connection broke"
