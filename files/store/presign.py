"""Presigned URLs for an S3-compatible store: AWS Signature Version 4 in the query string.

Pure computation: no request is made, no setting is read, nothing is logged.

Source: Amazon S3 API Reference, "Authenticating Requests: Using Query Parameters (AWS Signature
Version 4)", https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html
"""

import hashlib
import hmac
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from operator import itemgetter
from types import MappingProxyType

from files import checksums
from files.exceptions import StoreUnavailableError
from files.store.address import bucket_address, encode, encode_path

MAX_EXPIRES_IN = 604_800  # seconds: seven days, the most that Signature Version 4 allows
MAX_PART_NUMBER = 10_000

_EMPTY: Mapping[str, str] = MappingProxyType({})
_is_plain = re.compile(r"[a-z0-9\-._~]+").fullmatch


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
    """What URLs signed in the same second share."""

    second: int  # since the epoch
    timestamp: str  # YYYYMMDDTHHMMSSZ
    parameters: str  # the query string from X-Amz-Algorithm to "X-Amz-Expires="
    signing_key: SigningKey
    token: str = field(default="", repr=False)  # X-Amz-Security-Token, if there is one


def derive_signing_key(secret_key: str, date: str, region: str) -> SigningKey:
    """The signing key of a day (`YYYYMMDD`, UTC) and region, for the service "s3"."""
    key = f"AWS4{secret_key}".encode()
    for step in (date, region, "s3", "aws4_request"):
        key = hmac.digest(key, step.encode(), "sha256")
    return SigningKey(date, f"{date}/{region}/s3/aws4_request", key)


def signing_context(
    second: int, access_key: str, signing_key: SigningKey, session_token: str | None = None
) -> SigningContext:
    """Return what URLs signed in the same second share; `signing_key` is that day's."""
    timestamp = f"{datetime.fromtimestamp(second, UTC):%Y%m%dT%H%M%SZ}"
    parameters = (
        "X-Amz-Algorithm=AWS4-HMAC-SHA256"
        f"&X-Amz-Credential={encode(f'{access_key}/{signing_key.scope}')}"
        f"&X-Amz-Date={timestamp}"
        "&X-Amz-Expires="
    )
    token = "" if session_token is None else f"&X-Amz-Security-Token={encode(session_token)}"
    return SigningContext(second, timestamp, parameters, signing_key, token)


@dataclass(frozen=True, slots=True)
class Form:
    """The canonical form of a request with these headers and parameters, without their values."""

    headers: str
    """`name:%s` and a line feed for each header, sorted."""
    pick_headers: Callable[[Sequence[str]], tuple[str, ...]]
    """Puts the values into the order of `headers`."""
    signed_headers: str
    parameter: str
    """X-Amz-SignedHeaders, which is the last parameter but the signature."""
    query: str
    """The query string with `%s` for each value; those of the signature stand among the others."""
    pick_query: Callable[[Sequence[str]], tuple[str, ...]]


@cache
def form(headers: tuple[str, ...], query: tuple[str, ...] = ()) -> Form:
    """Return the form of requests with headers and parameters of these names.

    A program signs few of them, so each is computed once. Raises ValueError for names that cannot
    be signed.
    """
    lower = [name.lower() for name in headers]
    if len(set(lower)) != len(lower):
        raise ValueError("a header must not be given twice, and Host is the endpoint's")
    if not all(map(_is_plain, lower)):
        raise ValueError("a header name may have letters, digits and -._~ only")
    if any(name.startswith("X-Amz-") for name in query):
        raise ValueError("query parameters X-Amz-… are the signature's own")
    signed = ";".join(sorted(lower))
    # The signature's parameters come as one value, after the values of the request's own.
    names = [*map(encode, query), "X-Amz-"]
    order = sorted(range(len(names)), key=names.__getitem__)
    pieces = ["%s" if names[i] == "X-Amz-" else f"{_escaped(names[i])}=%s" for i in order]
    return Form(
        "".join(f"{name}:%s\n" for name in sorted(lower)),
        _picker(sorted(range(len(lower)), key=lower.__getitem__)),
        signed,
        f"&X-Amz-SignedHeaders={signed.replace(';', '%3B')}",
        "&".join(pieces),
        _picker(order),
    )


def _escaped(text: str) -> str:
    return text.replace("%", "%%")


def _picker(order: Sequence[int]) -> Callable[[Sequence[str]], tuple[str, ...]]:
    if len(order) == 1:
        return tuple
    return itemgetter(*order)


def signed_query(
    at: SigningContext,
    method: str,
    path: str,
    form: Form,
    *,
    expires_in: int,
    headers: Sequence[str],
    query: Sequence[str] = (),
) -> str:
    """Return the query string, with its signature, of a request whose body is not known yet.

    `path` is encoded already. `headers` and `query` are the values of `form`'s names, in their
    order; those of headers without white space but single blanks inside (see `canonical_value`).
    """
    parameters = f"{at.parameters}{expires_in}{at.token}{form.parameter}"
    if query:
        parameters = form.query % form.pick_query([*map(encode, query), parameters])
    request = (
        f"{method}\n{path}\n{parameters}\n{form.headers % form.pick_headers(headers)}\n"
        f"{form.signed_headers}\nUNSIGNED-PAYLOAD"
    )
    request_hash = hashlib.sha256(request.encode()).hexdigest()
    to_sign = f"AWS4-HMAC-SHA256\n{at.timestamp}\n{at.signing_key.scope}\n{request_hash}"
    signature = hmac.digest(at.signing_key.key, to_sign.encode(), "sha256").hex()
    return f"{parameters}&X-Amz-Signature={signature}"


def canonical_value(value: str) -> str:
    """Return a header's value as it is signed: trimmed, with one blank for white space inside."""
    return " ".join(value.split())


_SENT_BY_ITSELF = frozenset({"Content-Length", "content-length"})
"""Every client sends it by itself."""
_SIZED = form(("content-length", "host"))
_BOUND = form(
    ("content-length", "if-none-match", "x-amz-checksum-algorithm", "x-amz-checksum-sha256", "host")
)
_PART = form(("content-length", "host"), ("partNumber", "uploadId"))
_GET = form(
    ("host",),
    (
        "response-cache-control",
        "response-content-disposition",
        "response-content-language",
        "response-content-type",
        "response-expires",
        "versionId",
    ),
)
_NOT_SHARED = "private, max-age=0"
_UNDETERMINED = "und"
_LONG_AGO = "Thu, 01 Jan 1970 00:00:00 GMT"


def _size(size: int) -> str:
    if size < 0:
        raise ValueError("size must not be negative")
    return str(size)


class Presigner:
    """Signs URLs for one bucket of one store, with one key pair.

    Keys are signed as they are: "//" and the segments "." and ".." stay, as S3 does not normalize
    them either. MinIO refuses such keys (400), and many HTTP clients resolve "." and "..".
    """

    def __init__(
        self,
        *,
        endpoint: str,
        region: str,
        access_key: str,
        secret_key: str,
        bucket: str,
        virtual: bool = False,
        session_token: str | None = None,
        valid_until: int | None = None,
    ) -> None:
        """Raises ValueError for what `bucket_address` refuses.

        `session_token` belongs to temporary keys, and goes into every URL. No URL is valid after
        `valid_until`, the end of such keys in seconds since 1970.
        """
        address = bucket_address(endpoint, bucket, virtual=virtual)
        self._host = address.host
        self._origin = address.origin
        self._path_prefix = address.path
        self._region = region
        self._access_key = access_key
        self._secret_key = secret_key
        self._session_token = session_token
        self._valid_until = valid_until
        # Replaced as a whole, never changed, so that threads need no lock.
        self._latest = signing_context(
            0, access_key, derive_signing_key(secret_key, "19700101", region), session_token
        )

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

        Every one of `headers` is signed, and so is Host, so the request must carry each with that
        value. `query` goes into the URL. `now` must be aware; parts of a second are dropped. Raises
        ValueError for what cannot be signed, StoreUnavailableError when the keys have ended.
        """
        return self._presign(
            method,
            key,
            form((*headers, "host"), tuple(query)),
            [*map(canonical_value, headers.values()), self._host],
            list(query.values()),
            {name: value for name, value in headers.items() if name not in _SENT_BY_ITSELF},
            expires_in=expires_in,
            now=now,
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
            return self._sized_put(_SIZED, key, size, (), expires_in=expires_in, now=now)
        digest = checksums.to_base64(checksum)
        return self._presign(
            "PUT",
            key,
            _BOUND,
            (_size(size), "*", "SHA256", digest, self._host),
            (),
            {
                "x-amz-checksum-sha256": digest,
                "x-amz-checksum-algorithm": "SHA256",
                "If-None-Match": "*",
            },
            expires_in=expires_in,
            now=now,
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
        query = (str(part_number), upload_id)
        return self._sized_put(_PART, key, size, query, expires_in=expires_in, now=now)

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

        These, and how long it may be cached and its language, override what the PUT's headers,
        which nobody signed, may have left with the object (S3 GetObject, RFC 5646 `und`).
        """
        return self._presign(
            "GET",
            key,
            _GET,
            (self._host,),
            (_NOT_SHARED, disposition, _UNDETERMINED, content_type, _LONG_AGO, version_id),
            {},
            expires_in=expires_in,
            now=now,
        )

    def _sized_put(
        self,
        form: Form,
        key: str,
        size: int,
        query: Sequence[str],
        *,
        expires_in: int,
        now: datetime | None,
    ) -> PresignedURL:
        headers = (_size(size), self._host)
        return self._presign("PUT", key, form, headers, query, {}, expires_in=expires_in, now=now)

    def _presign(
        self,
        method: str,
        key: str,
        form: Form,
        headers: Sequence[str],
        query: Sequence[str],
        client_headers: dict[str, str],
        *,
        expires_in: int,
        now: datetime | None,
    ) -> PresignedURL:
        if not 1 <= expires_in <= MAX_EXPIRES_IN:
            raise ValueError(f"expires_in must be 1 to {MAX_EXPIRES_IN} seconds")
        if not key:
            raise ValueError("the key must not be empty: the URL would be the bucket's")
        if now is not None and now.tzinfo is None:
            raise ValueError("now must be aware")
        at = self._context(int(time.time() if now is None else now.timestamp()))
        if self._valid_until is not None and at.second + expires_in > self._valid_until:
            expires_in = self._valid_until - at.second
            if expires_in < 1:
                raise StoreUnavailableError("The credentials for the object store have expired.")
        path = self._path_prefix + encode_path(key)
        signed = signed_query(
            at, method, path, form, expires_in=expires_in, headers=headers, query=query
        )
        return PresignedURL(
            f"{self._origin}{path}?{signed}",
            client_headers,
            datetime.fromtimestamp(at.second + expires_in, UTC),
        )

    def _context(self, second: int) -> SigningContext:
        """Return what URLs signed in that second share; the last one is kept, its key for a day."""
        latest = self._latest
        if latest.second != second:
            key = latest.signing_key
            date = f"{datetime.fromtimestamp(second, UTC):%Y%m%d}"
            if key.date != date:
                key = derive_signing_key(self._secret_key, date, self._region)
            self._latest = latest = signing_context(
                second, self._access_key, key, self._session_token
            )
        return latest
