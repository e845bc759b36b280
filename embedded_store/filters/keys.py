"""Authentication: one access key, which is also the name of the Swift account.

Swift's own tempauth does not fit: it requires ``account:user`` as the key; otherwise it replaces
the first occurrence of the key in a path with the account, even inside an object's name.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from swift.common.swob import HTTPUnauthorized


@dataclass(frozen=True)
class Credentials:
    """The key pair that may use the store."""

    access_key: str
    secret_key: str = field(repr=False)

    def signed(self, details: dict[str, Any]) -> bool:
        """Return whether ``s3api.auth_details`` are of a request signed with this key pair."""
        return details["access_key"] == self.access_key and bool(
            details["check_signature"](self.secret_key)
        )


class Keys:
    """Accepts requests signed with the key pair, and Swift's own internal requests."""

    def __init__(self, app: WSGIApplication, credentials: Credentials) -> None:
        self.app = app
        self.credentials = credentials

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        details = environ.get("s3api.auth_details")
        if details and self.credentials.signed(details):
            environ["REMOTE_USER"] = self.credentials.access_key
            environ["swift_owner"] = True
            environ["swift.authorize"] = _allow
        elif not environ.get("swift.authorize_override"):  # no client can set it
            refusal: Iterable[bytes] = HTTPUnauthorized()(environ, start_response)
            return refusal
        return self.app(environ, start_response)


def _allow(request: object) -> None:
    """Authorize an operation: Swift takes None for yes."""


def filter_factory(
    global_conf: dict[str, Any], **local_conf: str
) -> Callable[[WSGIApplication], Keys]:
    """Return the ``keys`` filter. The credentials are an object, which Swift does not parse."""
    credentials = global_conf["credentials"]
    return lambda app: Keys(app, credentials)
