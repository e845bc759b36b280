"""Where a bucket's objects are: URLs of a store by path or by host, also below a path.

Amazon S3 User Guide, "Virtual hosting of general purpose buckets".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

_DEFAULT_PORTS = {"http": 80, "https": 443}
# RFC 3986 section 2.3. What matches needs no encoding: the common case, and much faster to find
# out than to encode.
_is_unreserved = re.compile(r"[A-Za-z0-9\-._~]+").fullmatch
_is_unreserved_path = re.compile(r"[A-Za-z0-9\-._~/]+").fullmatch


@dataclass(frozen=True, slots=True)
class BucketAddress:
    """The URL of a bucket, taken apart: `{scheme}://{host}{path}`, and then a key."""

    scheme: str
    host: str
    """Host and port as clients send them in Host: without the scheme's own port."""
    path: str
    """Begins and ends with a slash; percent-encoded."""

    @property
    def origin(self) -> str:
        return f"{self.scheme}://{self.host}"

    def url(self, key: str = "") -> str:
        """Return the URL of an object, without a signature, or of the bucket."""
        return f"{self.origin}{self.path}{encode_path(key)}"


def bucket_address(endpoint: str, bucket: str, *, virtual: bool = False) -> BucketAddress:
    """Return where `bucket` is at `endpoint`, which is `http[s]://host[:port][/path]`.

    The bucket's name is the next segment of the path; if `virtual`, it stands before the host.
    Raises ValueError.
    """
    parts = urlsplit(endpoint)
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
        raise ValueError("the endpoint must be http[s]://host[:port][/path]")
    if parts.query or parts.fragment or "@" in parts.netloc:
        raise ValueError("the endpoint must have no query, fragment or user")
    below = parts.path.removesuffix("/")
    if below and not (
        _is_unreserved_path(below) and not re.search(r"//|/\.{1,2}(?:/|$)|/$", below)
    ):
        raise ValueError("the endpoint's path must be plain segments")
    if not bucket:
        raise ValueError("the bucket must have a name")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    # HTTP clients leave the default port out of the Host header, which is signed.
    if parts.port not in (None, _DEFAULT_PORTS[parts.scheme]):
        host = f"{host}:{parts.port}"
    if virtual:
        return BucketAddress(parts.scheme, f"{bucket}.{host}", f"{below}/")
    return BucketAddress(parts.scheme, host, f"{below}/{encode(bucket)}/")


def encode(text: str) -> str:
    """Percent-encode `text` (as UTF-8), all but RFC 3986's unreserved characters."""
    return text if _is_unreserved(text) else quote(text, safe="")


def encode_path(path: str) -> str:
    """Percent-encode the segments of `path` and keep every "/", as S3 has its keys."""
    return path if _is_unreserved_path(path) else quote(path, safe="/")
