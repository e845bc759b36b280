"""Authentication: one access key, which is also the name of the Swift account.

Not Swift's own tempauth: that one wants ``account:user`` as the key, and otherwise puts the account
in place of the key wherever the key first stands in a path, also inside an object's name.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from swift.common.swob import HTTPUnauthorized


@dataclass(frozen=True)
class Credentials:
    """The one key pair that may use the store."""

    access_key: str
    secret_key: str = field(repr=False)


class Keys:
    """Lets through what s3api found signed with the key pair, and Swift's questions to itself."""

    def __init__(self, app: WSGIApplication, credentials: Credentials) -> None:
        self.app = app
        self.credentials = credentials

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        signed = environ.get("s3api.auth_details")
        if (
            signed
            and signed["access_key"] == self.credentials.access_key
            and signed["check_signature"](self.credentials.secret_key)
        ):
            environ["REMOTE_USER"] = self.credentials.access_key
            environ["swift_owner"] = True
            environ["swift.authorize"] = _allow
        elif not environ.get("swift.authorize_override"):  # set by Swift only, no header gets here
            refusal: Iterable[bytes] = HTTPUnauthorized()(environ, start_response)
            return refusal
        return self.app(environ, start_response)


def _allow(request: object) -> None:
    """Swift asks this before each operation; None means yes."""


def filter_factory(
    global_conf: dict[str, Any], **local_conf: str
) -> Callable[[WSGIApplication], Keys]:
    """The ``keys`` filter. The credentials come as an object, so no text of theirs is parsed."""
    credentials = global_conf["credentials"]
    return lambda app: Keys(app, credentials)
