"""Presigned URLs for an S3-compatible store: AWS Signature Version 4 in the query string.

Pure computation: no request is made, no setting is read, nothing is logged.

Source: Amazon S3 API Reference, "Authenticating Requests: Using Query Parameters (AWS Signature
Version 4)", https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html
"""

import hashlib
import hmac
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType
from urllib.parse import quote, urlsplit

from files import checksums

MAX_EXPIRES_IN = 604_800  # seconds: seven days, the most that Signature Version 4 allows
MAX_PART_NUMBER = 10_000

_DEFAULT_PORTS = {"http": 80, "https": 443}
_EMPTY: Mapping[str, str] = MappingProxyType({})
# RFC 3986 section 2.3. What matches needs no encoding: the common case, and much faster to find
# out than to encode.
_is_unreserved = re.compile(r"[A-Za-z0-9\-._~]+").fullmatch
_is_unreserved_path = re.compile(r"[A-Za-z0-9\-._~/]+").fullmatch


@dataclass(frozen=True, slots=True)
class PresignedURL:
    """A URL that whoever has it may use until `expires_at` (aware, UTC).

    `headers` is what the client must send, beside Content-Length and Host. The URL is as good as
    a password while it lasts, and therefore not in repr().
    """

    url: str = field(repr=False)
    headers: dict[str, str]
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class SigningKey:
    """The key that signs one day's requests to S3 in one region, and its scope."""

    date: str  # YYYYMMDD, UTC
    scope: str
    key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class SigningContext:
    """All of a signature that depends on nothing but the key pair and the second it is made in."""

    second: int  # since the epoch
    timestamp: str  # YYYYMMDDTHHMMSSZ
    parameters: str  # the query string from X-Amz-Algorithm to "X-Amz-Expires="
    signing_key: SigningKey


def derive_signing_key(secret_key: str, date: str, region: str) -> SigningKey:
    """The signing key of a day (`YYYYMMDD`, UTC) and region, for the service "s3"."""
    key = f"AWS4{secret_key}".encode()
    for step in (date, region, "s3", "aws4_request"):
        key = hmac.digest(key, step.encode(), "sha256")
    return SigningKey(date, f"{date}/{region}/s3/aws4_request", key)


def moment(second: int, access_key: str, signing_key: SigningKey) -> SigningContext:
    """What all signatures of that second share; `signing_key` is that day's."""
    timestamp = f"{datetime.fromtimestamp(second, UTC):%Y%m%dT%H%M%SZ}"
    parameters = (
        "X-Amz-Algorithm=AWS4-HMAC-SHA256"
        f"&X-Amz-Credential={encode(f'{access_key}/{signing_key.scope}')}"
        f"&X-Amz-Date={timestamp}"
        "&X-Amz-Expires="
    )
    return SigningContext(second, timestamp, parameters, signing_key)


def signed_query(
    at: SigningContext,
    method: str,
    path: str,
    *,
    expires_in: int,
    headers: str,
    signed_headers: str,
    before: str = "",
    after: str = "",
) -> str:
    """The query string, with its signature, of a request whose body is not known yet.

    All pieces are canonical: `path` is encoded; `headers` is lines `name:value\\n` in the order
    of `signed_headers`, the names joined by ";". `before` (ending with "&") and `after` (beginning
    with it) are the encoded parameters that sort before and after those of the signature.
    """
    query = (
        f"{before}{at.parameters}{expires_in}"
        f"&X-Amz-SignedHeaders={signed_headers.replace(';', '%3B')}{after}"
    )
    request = f"{method}\n{path}\n{query}\n{headers}\n{signed_headers}\nUNSIGNED-PAYLOAD"
    request_hash = hashlib.sha256(request.encode()).hexdigest()
    string_to_sign = f"AWS4-HMAC-SHA256\n{at.timestamp}\n{at.signing_key.scope}\n{request_hash}"
    signature = hmac.digest(at.signing_key.key, string_to_sign.encode(), "sha256").hex()
    return f"{query}&X-Amz-Signature={signature}"


def encode(text: str) -> str:
    """Percent-encode `text` (as UTF-8), all but RFC 3986's unreserved characters."""
    return text if _is_unreserved(text) else quote(text, safe="")


def encode_path(path: str) -> str:
    """Percent-encode the segments of `path` and keep every "/", as S3 has its keys."""
    return path if _is_unreserved_path(path) else quote(path, safe="/")


class Presigner:
    """Signs URLs for one bucket of one store, path-style, with one key pair.

    Keys are signed as they are: "//" and the segments "." and ".." stay, as S3 does not normalize
    them either. MinIO refuses such keys (400), and many HTTP clients resolve "." and "..".
    """

    def __init__(
        self, *, endpoint: str, region: str, access_key: str, secret_key: str, bucket: str
    ) -> None:
        """`endpoint` is `http://host[:port]` or `https://host[:port]`; else ValueError."""
        parts = urlsplit(endpoint)
        if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
            raise ValueError("the endpoint must be http://host[:port] or https://host[:port]")
        if parts.path not in ("", "/") or parts.query or parts.fragment or "@" in parts.netloc:
            raise ValueError("the endpoint must have no path, query, fragment or user")
        if not bucket:
            raise ValueError("the bucket must have a name")
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        # HTTP clients leave the default port out of the Host header, which is signed.
        if parts.port not in (None, _DEFAULT_PORTS[parts.scheme]):
            host = f"{host}:{parts.port}"
        self._host = host
        self._origin = f"{parts.scheme}://{host}"
        self._path_prefix = f"/{encode(bucket)}/"
        self._region = region
        self._access_key = access_key
        self._secret_key = secret_key
        # Replaced as a whole, never changed, so that threads need no lock.
        self._latest = moment(0, access_key, derive_signing_key(secret_key, "19700101", region))

    def presign(
        self,
        method: str,
        key: str,
        *,
        expires_in: int,
        headers: Mapping[str, str] = _EMPTY,
        query: Mapping[str, str] = _EMPTY,
        now: datetime | None = None,
    ) -> PresignedURL:
        """Sign `method` on the object `key` for `expires_in` seconds (1 to 604,800) from `now`.

        Every one of `headers` is signed, so the request must carry it with that value. `query`
        goes into the URL. `now` must be aware; parts of a second are dropped. ValueError for
        what cannot be signed.
        """
        canonical = {name.lower(): " ".join(value.split()) for name, value in headers.items()}
        if len(canonical) != len(headers):
            raise ValueError("a header must not be given twice")
        if not all(map(_is_unreserved, canonical)):
            raise ValueError("a header name may have letters, digits and -._~ only")
        if canonical.setdefault("host", self._host) != self._host:
            raise ValueError("the Host header must be the endpoint's")
        names = sorted(canonical)

        parameters = sorted([(encode(name), encode(value)) for name, value in query.items()])
        if any(name.startswith("X-Amz-") for name in query):
            raise ValueError("query parameters X-Amz-… are the signature's own")
        return self._presigned(
            method,
            key,
            expires_in=expires_in,
            now=now,
            headers="".join([f"{name}:{canonical[name]}\n" for name in names]),
            signed_headers=";".join(names),
            before="".join([f"{n}={v}&" for n, v in parameters if n < "X-Amz-"]),
            after="".join([f"&{n}={v}" for n, v in parameters if n > "X-Amz-"]),
            client_headers={
                name: value
                for name, value in headers.items()
                if name.lower() not in ("content-length", "host")
            },
        )

    def put(
        self,
        key: str,
        *,
        size: int,
        checksum: str | None,
        expires_in: int,
        now: datetime | None = None,
    ) -> PresignedURL:
        """Sign a PUT of exactly `size` bytes; with a `checksum`, of those bytes only, and once.

        `checksum` is `sha256:<hex>`; a PUT onto a key that holds an object is refused with it.
        The algorithm header is signed too: left unsigned, a client may change it, and then MinIO
        does not look at the checksum.
        """
        if checksum is None:
            return self._sized_put(key, size=size, expires_in=expires_in, now=now)
        digest = checksums.to_base64(checksum)
        return self._sized_put(
            key,
            size=size,
            expires_in=expires_in,
            now=now,
            more_headers=(
                f"if-none-match:*\nx-amz-checksum-algorithm:SHA256\nx-amz-checksum-sha256:{digest}\n"
            ),
            more_names=";if-none-match;x-amz-checksum-algorithm;x-amz-checksum-sha256",
            client_headers={
                "x-amz-checksum-sha256": digest,
                "x-amz-checksum-algorithm": "SHA256",
                "If-None-Match": "*",
            },
        )

    def part(
        self,
        key: str,
        *,
        upload_id: str,
        part_number: int,
        size: int,
        expires_in: int,
        now: datetime | None = None,
    ) -> PresignedURL:
        """Sign the PUT of part `part_number` (1 to 10,000), exactly `size` bytes (UploadPart)."""
        if not 1 <= part_number <= MAX_PART_NUMBER:
            raise ValueError(f"part_number must be 1 to {MAX_PART_NUMBER}")
        after = f"&partNumber={part_number}&uploadId={encode(upload_id)}"
        return self._sized_put(key, size=size, expires_in=expires_in, now=now, after=after)

    def get(
        self,
        key: str,
        *,
        version_id: str,
        content_type: str,
        disposition: str,
        expires_in: int,
        now: datetime | None = None,
    ) -> PresignedURL:
        """Sign a GET of one object version, served as `content_type` and `disposition`.

        Both override what the PUT's headers, which nobody signed, may have left with the object.
        """
        return self._presigned(
            "GET",
            key,
            expires_in=expires_in,
            now=now,
            headers=f"host:{self._host}\n",
            signed_headers="host",
            after=(
                f"&response-content-disposition={encode(disposition)}"
                f"&response-content-type={encode(content_type)}"
                f"&versionId={encode(version_id)}"
            ),
            client_headers={},
        )

    def _sized_put(
        self,
        key: str,
        *,
        size: int,
        expires_in: int,
        now: datetime | None,
        more_headers: str = "",
        more_names: str = "",
        after: str = "",
        client_headers: dict[str, str] | None = None,
    ) -> PresignedURL:
        if size < 0:
            raise ValueError("size must not be negative")
        return self._presigned(
            "PUT",
            key,
            expires_in=expires_in,
            now=now,
            headers=f"content-length:{size}\nhost:{self._host}\n{more_headers}",
            signed_headers=f"content-length;host{more_names}",
            after=after,
            client_headers=client_headers or {},
        )

    def _presigned(
        self,
        method: str,
        key: str,
        *,
        expires_in: int,
        now: datetime | None,
        headers: str,
        signed_headers: str,
        client_headers: dict[str, str],
        before: str = "",
        after: str = "",
    ) -> PresignedURL:
        """Sign canonical pieces, as `signed_query` has them."""
        if not 1 <= expires_in <= MAX_EXPIRES_IN:
            raise ValueError(f"expires_in must be 1 to {MAX_EXPIRES_IN} seconds")
        if not key:
            raise ValueError("the key must not be empty: the URL would be the bucket's")
        if now is not None and now.tzinfo is None:
            raise ValueError("now must be aware")
        at = self._moment(int(time.time() if now is None else now.timestamp()))
        path = self._path_prefix + encode_path(key)
        query = signed_query(
            at,
            method,
            path,
            expires_in=expires_in,
            headers=headers,
            signed_headers=signed_headers,
            before=before,
            after=after,
        )
        return PresignedURL(
            f"{self._origin}{path}?{query}",
            client_headers,
            datetime.fromtimestamp(at.second + expires_in, UTC),
        )

    def _moment(self, second: int) -> SigningContext:
        """The moment of that second, kept until another second is asked for; its key for a day."""
        latest = self._latest
        if latest.second != second:
            key = latest.signing_key
            date = f"{datetime.fromtimestamp(second, UTC):%Y%m%d}"
            if key.date != date:
                key = derive_signing_key(self._secret_key, date, self._region)
            self._latest = latest = moment(second, self._access_key, key)
        return latest
