"""Request bodies and query strings: what cannot be is refused by name, before anything is done."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Iterator
from typing import Any

import pytest

from files.models import File, Upload
from tests.support import wire
from tests.support.client import Client, assert_invalid, assert_problem, sha256

ID = "01890a5d-ac96-774b-bcce-b302099a8057"
LIMIT = 64 * 1024
INIT = {"filename": "a.txt", "size": 1}
COMMIT = {"key": "uploads/no/such", "checksum": "0" * 64, "size": 1}
ENDPOINTS: list[tuple[str, str, dict[str, Any], int]] = [
    ("POST", "/files/init-upload", INIT, 201),
    ("POST", "/files/commit", COMMIT, 404),
    ("PATCH", f"/files/{ID}", {"name": "b.txt"}, 404),
    ("POST", f"/files/{ID}/restore", {}, 404),
    ("POST", f"/uploads/{ID}/urls", {}, 404),
    ("POST", "/shares", {"file_id": ID, "permission": "read"}, 404),
]
"""Each endpoint with a body, a good body, and the status that this gets here."""


@pytest.fixture
def writes() -> None:
    """Let a test write."""


@pytest.fixture(autouse=True)
def nothing_is_written(db: None, request: pytest.FixtureRequest) -> Iterator[None]:
    """Hold every other test here to that a refused request writes nothing."""
    yield
    if "writes" not in request.fixturenames:
        assert not Upload.objects.exists()
        assert not File.objects.exists()


def nested(levels: int) -> bytes:
    """Return an object whose innermost container is at this level, the object itself being 1."""
    return b'{"x":' + b"[" * (levels - 1) + b"]" * (levels - 1) + b"}"


@pytest.mark.usefixtures("writes")
def test_the_body_that_the_other_tests_spoil_is_good(owner: Client) -> None:
    for method, path, good, status in ENDPOINTS:
        assert owner.call(method, path, good).status == status, path


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"[" * 60_000, id="60,000 brackets, open"),
        pytest.param(b'{"x":' * 12_000 + b"1" + b"}" * 5_000, id="12,000 objects, open"),
        pytest.param(nested(30_000), id="30,000 levels, closed"),
        pytest.param(nested(33), id="33 levels"),
        pytest.param(b'{"size":1,"size":1}', id="a member twice"),
        pytest.param(b'{"size":1,"\\u0073ize":2}', id="a member twice, once escaped"),
        pytest.param(b'{"x":[{"a":1,"a":2}]}', id="a member twice, nested"),
        pytest.param(b'{"x":NaN}', id="NaN"),
        pytest.param(b'{"x":[Infinity]}', id="Infinity"),
        pytest.param(b'{"x":-Infinity}', id="-Infinity"),
        pytest.param(b'{"x":1e400}', id="1e400"),
        pytest.param(b'{"x":-1e999999999}', id="-1e999999999"),
        pytest.param(b'{"x":' + b"9" * 5_000 + b"}", id="an integer of 5,000 digits"),
        pytest.param(b'{"x":"\xff"}', id="not UTF-8"),
        pytest.param(b'{"x":"\xed\xa0\x80"}', id="a surrogate in UTF-8"),
        pytest.param(b'{"x":"\xc0\xaf"}', id="an overlong form"),
        pytest.param(b'\xef\xbb\xbf\xef\xbb\xbf{"x":1}', id="two byte order marks"),
        pytest.param('{"x":1}'.encode("utf-16"), id="UTF-16"),
        pytest.param('{"x":1}'.encode("utf-32"), id="UTF-32"),
        pytest.param(b'{"x":1}\x00', id="NUL after it"),
        pytest.param(b'{"x":"\n"}', id="a line break in a string"),
        pytest.param(b"{'x':1}", id="single quotes"),
        pytest.param(b'{"x":1,}', id="a comma too many"),
        pytest.param(b'{"x":01}', id="a leading zero"),
        pytest.param(b'{"x":1} {"y":2}', id="two documents"),
        pytest.param(b'{"x":1', id="cut off"),
        pytest.param(b"[]", id="a list"),
        pytest.param(b'[{"filename":"a","size":1}]', id="a list of the right thing"),
        pytest.param(b'"x"', id="a string"),
        pytest.param(b"1", id="a number"),
        pytest.param(b"null", id="null"),
        pytest.param(b"true", id="true"),
        pytest.param(b"   ", id="blanks"),
        pytest.param(b"filename=a.txt&size=1", id="a form"),
    ],
)
def test_what_is_not_one_json_object_is_malformed(owner: Client, body: bytes) -> None:
    for method, path, _, _ in ENDPOINTS:
        assert_problem(owner.call(method, path, raw=body), 400, "malformed-request")


def test_thirty_two_levels_are_read_and_one_more_is_not(owner: Client) -> None:
    assert_invalid(owner.post("/files/commit", raw=nested(32)), "x")
    assert_problem(owner.post("/files/commit", raw=nested(33)), 400, "malformed-request")


def test_a_deep_body_costs_no_more_memory_than_its_size_warrants(owner: Client) -> None:
    owner.post("/files/commit", raw=b"{}")
    tracemalloc.start()
    try:
        owner.post("/files/commit", raw=nested(30_000))
        owner.post("/files/commit", raw=b'{"x":[' + b"{}," * 20_000 + b"{}]}")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 16 << 20


def test_a_body_over_64_kib_is_refused_before_it_is_parsed(owner: Client) -> None:
    for method, path, _, _ in ENDPOINTS:
        for body in (b"\xff" * (LIMIT + 1), b"[" * 100_000):
            assert_problem(owner.call(method, path, raw=body), 413, "body-too-large")


def test_a_body_of_64_kib_is_read(owner: Client) -> None:
    padding = b'{"x":"' + b"a" * (LIMIT - 8) + b'"}'
    assert len(padding) == LIMIT
    assert_invalid(owner.post("/files/commit", raw=padding), "x")


def test_a_body_over_64_kib_without_a_token_is_not_told_of_its_size(anonymous: Client) -> None:
    answer = anonymous.post("/files/commit", raw=b"x" * (LIMIT + 1))
    assert_problem(answer, 401, "not-authenticated")


@pytest.mark.parametrize(
    "content_type",
    [
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "text/plain",
        "text/json",
        "application/jsonp",
        "application/xml",
        "json",
        "nonsense",
        ";",
        "application/json, text/plain",
    ],
)
def test_a_body_of_another_type_is_unsupported(owner: Client, content_type: str) -> None:
    for method, path, _, _ in ENDPOINTS:
        answer = owner.call(method, path, {"x": 1}, content_type=content_type)
        assert_problem(answer, 415, "unsupported-media-type")


def test_a_body_without_a_type_is_unsupported(owner: Client) -> None:
    for method, path, _, _ in ENDPOINTS:
        answer = wire.send(method, path, [("authorization", f"Bearer {owner.token}")], b'{"x":1}')
        assert_problem(answer, 415, "unsupported-media-type")


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "application/json; charset=utf-8",
        'application/json;charset="UTF-8"',
        "APPLICATION/JSON",
        "application/json; charset=latin-1",
        "application/json; charset=no-such",
        "application/json; charset=base64",
        "application/json; charset=undefined",
        "application/json; charset=idna",
        "application/json; charset=unicode_escape",
        "application/json; charset",
        "application/json; =; ;;",
        "application/json; x=\xe9",
    ],
)
@pytest.mark.usefixtures("writes")
def test_json_is_utf_8_whatever_charset_is_said(owner: Client, content_type: str) -> None:
    headers = [("authorization", f"Bearer {owner.token}"), ("content-type", content_type)]
    body = '{"filename":"é.txt","size":1}'
    answer = wire.send("POST", "/files/init-upload", headers, body.encode())
    assert answer.status == 201
    assert Upload.objects.get().filename == "é.txt"
    refused = wire.send("POST", "/files/init-upload", headers, body.encode("latin-1"))
    assert_problem(refused, 400, "malformed-request")
    questioned = wire.send("GET", "/files?page_size=1&name=%C3%A9", headers)
    assert questioned.status == 200


def test_a_content_type_that_cannot_be_read_is_malformed(owner: Client) -> None:
    content_type = "application/json; charset*=no-such''x"
    headers = [("authorization", f"Bearer {owner.token}"), ("content-type", content_type)]
    answer = wire.send("POST", "/files/init-upload", headers, b"{}")
    assert_problem(answer, 400, "malformed-request")


def test_an_empty_body_is_no_object(owner: Client) -> None:
    for answer in (
        owner.post("/files/init-upload", raw=b""),
        owner.post("/files/commit", raw=b""),
        owner.patch(f"/files/{ID}", raw=b""),
        owner.post("/shares", raw=b""),
    ):
        assert_problem(answer, 400, "malformed-request")


def test_unknown_members_are_refused_by_name(owner: Client) -> None:
    names = ["base_versoin", "Size", "size ", "", "__class__", "ключ", "a.b", "x" * 1000]
    for method, path, good, _ in ENDPOINTS:
        answer = owner.call(method, path, good | dict.fromkeys(names, 1))
        assert_invalid(answer, *names)
        assert {error["code"] for error in answer["errors"]} == {"unknown"}


def test_the_error_document_is_utf_8_json_that_can_be_read_back(owner: Client) -> None:
    answer = owner.post("/files/commit", {"schlüssel": 1, "key": sha256(b"")})
    assert json.loads(answer.content.decode("utf-8")) == answer.json
    assert "schlüssel".encode() in answer.content


@pytest.mark.usefixtures("writes")
def test_a_byte_order_mark_before_the_body_is_skipped(owner: Client) -> None:
    for method, path, good, status in ENDPOINTS:
        raw = b"\xef\xbb\xbf" + json.dumps(good).encode()
        assert owner.call(method, path, raw=raw).status == status, path


@pytest.mark.parametrize(
    ("raw", "detail"),
    [
        (b'{"size":\xff}', "The body is not UTF-8."),
        ('{"size":1}'.encode("utf-16"), "The body is not UTF-8."),
        (b'{"size":1', "The body is not JSON."),
        (b'{"size":NaN}', "The body is not JSON."),
        (b'{"size":1,"\\u0073ize":2}', 'The body has the member "size" more than once.'),
        (b'{"x":{"\\u20ac":1,"\xe2\x82\xac":2}}', "The body has the member"),
    ],
)
def test_each_way_of_being_malformed_has_a_sentence_of_its_own(
    owner: Client, raw: bytes, detail: str
) -> None:
    answer = assert_problem(owner.post("/files/init-upload", raw=raw), 400, "malformed-request")
    assert answer["detail"].startswith(detail)
