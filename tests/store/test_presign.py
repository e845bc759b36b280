"""Presigned URLs: held against the published AWS example and against botocore."""

import random
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from urllib.parse import parse_qs, urlsplit

import boto3
import botocore.auth
import pytest
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.utils import percent_encode

from files import checksums
from files.exceptions import StoreUnavailableError
from files.store.address import bucket_address
from files.store.presign import (
    Presigner,
    derive_signing_key,
    form,
    signed_query,
    signing_context,
)

pytestmark = pytest.mark.once

# The key pair of the AWS documentation.
ACCESS_KEY = "AKIAIOSFODNN7EXAMPLE"
SECRET_KEY = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
NOW = datetime(2026, 3, 14, 15, 9, 26, tzinfo=UTC)
CHECKSUM = "sha256:" + "0f" * 32
CHARACTERS = "abcXYZ019 -._~/+%&=?#;:@$,'\"<>\\^`{|}[]()!*\n\té日😀\u0301"


TOKEN = "FwoGZXIvYXdzEBYaD+/=%x20"


def presigner(
    endpoint: str = "http://127.0.0.1:9000", bucket: str = "drive", **options: Any
) -> Presigner:
    return Presigner(
        endpoint=endpoint,
        region="eu-north-1",
        access_key=ACCESS_KEY,
        secret_key=SECRET_KEY,
        bucket=bucket,
        **options,
    )


class BotocoreSigner:
    """botocore's URL for the same arguments, at a time that the test sets."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = NOW
        self.credentials = Credentials(ACCESS_KEY, SECRET_KEY)
        monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda: self.now)

    def url(
        self,
        method: str,
        key: str,
        expires_in: int,
        headers: Mapping[str, str],
        query: Mapping[str, str],
        bucket: str = "http://127.0.0.1:9000/drive",
    ) -> str:
        url = f"{bucket}/{percent_encode(key, safe='/~')}"
        request = AWSRequest(method, url, headers=dict(headers), params=dict(query))
        auth = botocore.auth.S3SigV4QueryAuth(self.credentials, "s3", "eu-north-1", expires_in)
        auth.add_auth(request)
        return str(request.url)


@pytest.fixture
def botocore_signer(monkeypatch: pytest.MonkeyPatch) -> BotocoreSigner:
    return BotocoreSigner(monkeypatch)


def in_order(url: str) -> tuple[str, list[str]]:
    """The URL up to its query, and the sorted pairs: botocore writes them in another order."""
    base, _, query = url.partition("?")
    return base, sorted(query.split("&"))


def random_text(rng: random.Random, least: int = 0) -> str:
    return "".join(rng.choices(CHARACTERS, k=rng.randint(least, 24)))


def random_time(rng: random.Random) -> datetime:
    return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=rng.randrange(10**8))


def test_the_example_of_the_aws_documentation_gets_its_published_signature() -> None:
    at = signing_context(
        int(datetime(2013, 5, 24, tzinfo=UTC).timestamp()),
        ACCESS_KEY,
        derive_signing_key(SECRET_KEY, "20130524", "us-east-1"),
    )
    assert signed_query(
        at,
        "GET",
        "/test.txt",
        form(("Host",)),
        expires_in=86400,
        headers=["examplebucket.s3.amazonaws.com"],
    ) == (
        "X-Amz-Algorithm=AWS4-HMAC-SHA256"
        "&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request"
        "&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host"
        "&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
    )


@pytest.mark.parametrize("count", [1_000, pytest.param(10_000, marks=pytest.mark.slow)])
def test_random_requests_are_signed_as_botocore_signs_them(
    botocore_signer: BotocoreSigner, count: int
) -> None:
    rng = random.Random(20260314)
    names = ["Content-Length", "content-type", "x-amz-meta-a", "X-Amz-Meta-A-B", "If-None-Match"]
    ours = presigner()
    for _ in range(count):
        method = rng.choice(["GET", "PUT", "HEAD", "DELETE", "POST"])
        key = random_text(rng, least=1)
        expires_in = rng.randint(1, 604_800)
        headers = {name: random_text(rng) for name in rng.sample(names, rng.randint(0, len(names)))}
        query = {random_text(rng, least=1): random_text(rng) for _ in range(rng.randint(0, 4))}
        now = botocore_signer.now = random_time(rng)
        signed = ours.presign(
            method, key, expires_in=expires_in, headers=headers, query=query, now=now
        )
        expected = botocore_signer.url(method, key, expires_in, headers, query)
        assert in_order(signed.url) == in_order(expected), (method, key, headers, query, now)


def test_put_part_and_get_are_signed_as_botocore_signs_them(
    botocore_signer: BotocoreSigner,
) -> None:
    rng = random.Random(7)
    ours = presigner()
    for _ in range(500):
        key, expires_in = random_text(rng, least=1), rng.randint(1, 604_800)
        now = botocore_signer.now = random_time(rng)
        size, part_number = rng.randrange(5 * 2**40), rng.randint(1, 10_000)
        one, two, three = random_text(rng), random_text(rng), random_text(rng)
        checksum = checksums.from_digest(rng.randbytes(32))
        length = {"content-length": str(size)}
        bound = {
            **length,
            "x-amz-checksum-sha256": checksums.to_base64(checksum),
            "x-amz-checksum-algorithm": "SHA256",
            "if-none-match": "*",
        }
        cases = [
            (ours.put(key, size=size, checksum=None, expires_in=expires_in, now=now),
             "PUT", length, {}),
            (ours.put(key, size=size, checksum=checksum, expires_in=expires_in, now=now),
             "PUT", bound, {}),
            (ours.part(key, upload_id=one, part_number=part_number, size=size,
                       expires_in=expires_in, now=now),
             "PUT", length, {"uploadId": one, "partNumber": str(part_number)}),
            (ours.get(key, version_id=one, content_type=two, disposition=three,
                      expires_in=expires_in, now=now),
             "GET", {}, {"versionId": one, "response-content-type": two,
                         "response-content-disposition": three,
                         "response-cache-control": "private, max-age=0",
                         "response-content-language": "und",
                         "response-expires": "Thu, 01 Jan 1970 00:00:00 GMT"}),
        ]  # fmt: skip
        for signed, method, headers, query in cases:
            expected = botocore_signer.url(method, key, expires_in, headers, query)
            assert in_order(signed.url) == in_order(expected)


@pytest.mark.parametrize(
    ("endpoint", "origin"),
    [
        ("http://store.example", "http://store.example"),
        ("http://store.example:80", "http://store.example"),
        ("https://store.example:443/", "https://store.example"),
        ("https://Store.Example:80", "https://store.example:80"),
        ("http://store.example:443", "http://store.example:443"),
        ("http://[::1]:9000", "http://[::1]:9000"),
    ],
)
def test_the_host_that_is_signed_is_the_one_that_clients_send(
    botocore_signer: BotocoreSigner, endpoint: str, origin: str
) -> None:
    signed = presigner(endpoint).presign("GET", "a", expires_in=60, now=NOW)
    expected = botocore_signer.url("GET", "a", 60, {}, {}, bucket=f"{origin}/drive")
    assert in_order(signed.url) == in_order(expected)


ADDRESSES = [
    ("https://s3.example", False, "https://s3.example/drive"),
    ("https://s3.example", True, "https://drive.s3.example"),
    ("http://S3.example:8080/", True, "http://drive.s3.example:8080"),
    ("https://gw.example/s3/", False, "https://gw.example/s3/drive"),
    ("https://gw.example/a/b-~c.d", False, "https://gw.example/a/b-~c.d/drive"),
    ("https://gw.example:8443/s3", True, "https://drive.gw.example:8443/s3"),
]


@pytest.mark.parametrize("token", [None, TOKEN])
@pytest.mark.parametrize(("endpoint", "virtual", "bucket"), ADDRESSES)
def test_every_address_and_temporary_keys_are_signed_as_botocore_signs_them(
    botocore_signer: BotocoreSigner, endpoint: str, virtual: bool, bucket: str, token: str | None
) -> None:
    rng = random.Random(11)
    botocore_signer.credentials = Credentials(ACCESS_KEY, SECRET_KEY, token)
    ours = presigner(endpoint, virtual=virtual, session_token=token)
    for _ in range(50):
        key = random_text(rng, least=1)
        headers, query = {"x-amz-a": random_text(rng)}, {random_text(rng, least=1): "b", "z": "c"}
        signed = ours.presign("PUT", key, expires_in=60, headers=headers, query=query, now=NOW)
        expected = botocore_signer.url("PUT", key, 60, headers, query, bucket=bucket)
        assert in_order(signed.url) == in_order(expected)
        assert ("X-Amz-Security-Token" in signed.url) == (token is not None)
    assert bucket_address(endpoint, "drive", virtual=virtual).url("a b") == f"{bucket}/a%20b"


@pytest.mark.parametrize(("endpoint", "virtual", "bucket"), ADDRESSES)
def test_botocore_itself_writes_every_address_so(endpoint: str, virtual: bool, bucket: str) -> None:
    s3 = boto3.client(
        "s3",
        endpoint_url=endpoint.lower(),
        region_name="eu-north-1",
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
        config=Config(
            signature_version="s3v4", s3={"addressing_style": "virtual" if virtual else "path"}
        ),
    )
    url = s3.generate_presigned_url("get_object", Params={"Bucket": "drive", "Key": "a/b c"})
    assert url.partition("?")[0] == f"{bucket}/a/b%20c"


def test_no_url_is_valid_for_longer_than_the_keys() -> None:
    end = int(NOW.timestamp()) + 100
    ours = presigner(valid_until=end, session_token=TOKEN)
    for asked, given in ((99, 99), (100, 100), (101, 100), (604_800, 100)):
        signed = ours.put("a", size=1, checksum=None, expires_in=asked, now=NOW)
        assert signed.expires_at == NOW + timedelta(seconds=given)
        assert parse_qs(urlsplit(signed.url).query)["X-Amz-Expires"] == [str(given)]
    last = ours.presign("GET", "a", expires_in=60, now=NOW + timedelta(seconds=99))
    assert last.expires_at == NOW + timedelta(seconds=100)
    with pytest.raises(StoreUnavailableError):
        ours.presign("GET", "a", expires_in=60, now=NOW + timedelta(seconds=100))


def test_the_query_of_the_url_is_in_canonical_order() -> None:
    query = {"a": "1", "a-b": "2", "B": "3", "é": "4", "Z": "5", "X": "6"}
    url = (
        presigner(session_token=TOKEN).presign("GET", "k", expires_in=60, query=query, now=NOW).url
    )
    names = [pair.partition("=")[0] for pair in urlsplit(url).query.split("&")]
    assert names.pop() == "X-Amz-Signature"
    assert names == sorted(names)


def test_a_double_slash_and_dot_segments_of_a_key_stay_in_the_path() -> None:
    url = presigner().presign("GET", "/a//b/../c/./d", expires_in=60, now=NOW).url
    assert urlsplit(url).path == "/drive//a//b/../c/./d"


def test_the_signing_key_follows_the_date_over_midnight_and_back(
    botocore_signer: BotocoreSigner,
) -> None:
    before = datetime(2026, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)
    after = datetime(2027, 1, 1, tzinfo=UTC)
    ours = presigner()
    for now in (before, after, before, after + timedelta(days=365), after):
        botocore_signer.now = now
        signed = ours.presign("GET", "a", expires_in=60, now=now)
        assert in_order(signed.url) == in_order(botocore_signer.url("GET", "a", 60, {}, {}))


def test_a_time_of_another_zone_is_signed_as_utc_and_expires_to_the_second() -> None:
    zone = timezone(timedelta(hours=-9, minutes=-30))
    now = datetime(2026, 3, 14, 23, 30, 5, 999_999, tzinfo=zone)
    signed = presigner().presign("GET", "a", expires_in=90, now=now)
    assert parse_qs(urlsplit(signed.url).query)["X-Amz-Date"] == ["20260315T090005Z"]
    assert signed.expires_at == datetime(2026, 3, 15, 9, 1, 35, tzinfo=UTC)
    assert signed.expires_at.tzinfo is UTC


def test_without_a_time_the_url_is_signed_now() -> None:
    before = datetime.now(UTC).replace(microsecond=0)
    signed = presigner().presign("GET", "a", expires_in=1)
    after = datetime.now(UTC)
    date = parse_qs(urlsplit(signed.url).query)["X-Amz-Date"][0]
    assert signed.expires_at == datetime.strptime(date + "+0000", "%Y%m%dT%H%M%SZ%z") + timedelta(
        seconds=1
    )
    assert before <= signed.expires_at - timedelta(seconds=1) <= after


def test_an_unbound_put_asks_the_client_for_no_header_but_signs_the_length() -> None:
    signed = presigner().put("a", size=0, checksum=None, expires_in=60, now=NOW)
    assert signed.headers == {}
    assert parse_qs(urlsplit(signed.url).query)["X-Amz-SignedHeaders"] == ["content-length;host"]


def test_a_bound_put_names_the_three_headers_that_the_client_must_send() -> None:
    signed = presigner().put("a", size=1, checksum=CHECKSUM, expires_in=60, now=NOW)
    assert list(signed.headers.items()) == [
        ("x-amz-checksum-sha256", "Dw8PDw8PDw8PDw8PDw8PDw8PDw8PDw8PDw8PDw8PDw8="),
        ("x-amz-checksum-algorithm", "SHA256"),
        ("If-None-Match", "*"),
    ]
    assert parse_qs(urlsplit(signed.url).query)["X-Amz-SignedHeaders"] == [
        "content-length;host;if-none-match;x-amz-checksum-algorithm;x-amz-checksum-sha256"
    ]


def test_parts_and_gets_ask_for_no_header() -> None:
    ours = presigner()
    part = ours.part("a", upload_id="u", part_number=1, size=1, expires_in=60)
    get = ours.get("a", version_id="v", content_type="a/b", disposition="inline", expires_in=60)
    assert part.headers == get.headers == {}


def test_given_headers_are_answered_as_given_without_content_length() -> None:
    given = {"Content-Length": "3", "X-Amz-Meta-A": "  b   c "}
    signed = presigner().presign("PUT", "a", expires_in=60, headers=given, now=NOW)
    assert signed.headers == {"X-Amz-Meta-A": "  b   c "}


def test_neither_keys_nor_urls_are_in_a_repr() -> None:
    ours = presigner(session_token=TOKEN)
    signed = ours.put("a", size=1, checksum=CHECKSUM, expires_in=60, now=NOW)
    key = derive_signing_key(SECRET_KEY, "20260314", "eu-north-1")
    text = repr([ours, signed, key, signing_context(0, ACCESS_KEY, key, TOKEN)])
    assert TOKEN[:10] not in text
    assert SECRET_KEY not in text
    assert repr(key.key) not in text
    assert "X-Amz-Signature" not in text


@pytest.mark.parametrize(
    "endpoint",
    [
        "",
        "store.example:9000",
        "ftp://store.example",
        "http://",
        "http://:9000",
        "http://store.example//",
        "http://store.example/a//b",
        "http://store.example/a/../b",
        "http://store.example/a b",
        "http://store.example/a%2Fb",
        "http://store.example?a=b",
        "http://store.example#a",
        "http://user:password@store.example",
        "http://store.example:port",
        "http://store.example:65536",
    ],
)
def test_what_is_no_endpoint_is_refused(endpoint: str) -> None:
    with pytest.raises(ValueError, match=r"endpoint|[Pp]ort"):
        presigner(endpoint)


def test_a_bucket_without_a_name_is_refused() -> None:
    with pytest.raises(ValueError, match="bucket"):
        presigner(bucket="")


@pytest.mark.parametrize("expires_in", [-1, 0, 604_801])
def test_an_expiry_outside_of_one_second_to_seven_days_is_refused(expires_in: int) -> None:
    with pytest.raises(ValueError, match="expires_in"):
        presigner().presign("GET", "a", expires_in=expires_in)


@pytest.mark.parametrize("expires_in", [1, 604_800])
def test_one_second_and_seven_days_are_allowed(expires_in: int) -> None:
    signed = presigner().presign("GET", "a", expires_in=expires_in, now=NOW)
    assert signed.expires_at == NOW + timedelta(seconds=expires_in)


def test_what_cannot_be_signed_is_refused() -> None:
    ours = presigner()
    with pytest.raises(ValueError, match="key"):
        ours.presign("GET", "", expires_in=60)
    with pytest.raises(ValueError, match="surrogates"):
        ours.presign("GET", "\ud800", expires_in=60)
    with pytest.raises(ValueError, match="aware"):
        ours.presign("GET", "a", expires_in=60, now=datetime(2026, 3, 14))
    with pytest.raises(ValueError, match="twice"):
        ours.presign("GET", "a", expires_in=60, headers={"A": "1", "a": "2"})
    with pytest.raises(ValueError, match="Host"):
        ours.presign("GET", "a", expires_in=60, headers={"Host": "elsewhere.example"})
    with pytest.raises(ValueError, match="header name"):
        ours.presign("GET", "a", expires_in=60, headers={"a\nb": "1"})
    with pytest.raises(ValueError, match="X-Amz-"):
        ours.presign("GET", "a", expires_in=60, query={"X-Amz-Expires": "1"})
    with pytest.raises(ValueError, match="size"):
        ours.put("a", size=-1, checksum=None, expires_in=60)
    with pytest.raises(ValueError, match="checksum"):
        ours.put("a", size=1, checksum="md5:00", expires_in=60)
    for part_number in (0, 10_001):
        with pytest.raises(ValueError, match="part_number"):
            ours.part("a", upload_id="u", part_number=part_number, size=1, expires_in=60)
