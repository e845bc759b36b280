"""Request bodies and query strings: what cannot be is refused by name, before anything is done."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings

from files.models import File, Upload
from tests.support import wire
from tests.support.client import Answer, Client, assert_invalid, assert_problem, sha256

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


def with_size(text: bytes) -> bytes:
    return b'{"filename":"a.txt","size":' + text + b"}"


@pytest.mark.usefixtures("writes")
def test_the_body_that_the_other_tests_spoil_is_good(
    owner: Client,
) -> None:
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
        pytest.param(b'\xef\xbb\xbf{"x":1}', id="a byte order mark"),
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


def test_a_body_over_64_kib_is_refused_before_it_is_parsed(
    owner: Client,
) -> None:
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


def test_a_body_without_a_type_is_unsupported(
    owner: Client,
) -> None:
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


def test_an_empty_body_is_an_object_without_members(owner: Client) -> None:
    assert_invalid(owner.post("/files/init-upload", raw=b""), "size")
    assert_invalid(owner.post("/files/commit", raw=b""), "key", "checksum", "size")
    assert_invalid(owner.patch(f"/files/{ID}", raw=b""), "name")


def test_unknown_members_are_refused_by_name(
    owner: Client,
) -> None:
    names = ["base_versoin", "Size", "size ", "", "__class__", "ключ", "a.b", "x" * 1000]
    for method, path, good, _ in ENDPOINTS:
        answer = owner.call(method, path, good | dict.fromkeys(names, 1))
        assert_invalid(answer, *names)
        assert {error["code"] for error in answer["errors"]} == {"unknown"}


def test_a_member_whose_name_is_no_text_is_refused(owner: Client) -> None:
    for name in (b"\\ud800", b"\\udfff\\ud800"):
        answer = owner.post("/files/commit", raw=b'{"' + name + b'": 1}')
        assert answer.status == 400, answer.content
        assert_problem(answer, 400, answer["code"])


NOT_INTEGERS = [b'"1"', b"1.0", b"1e0", b"true", b"false", b"null", b'""', b"[]", b"[1]", b"{}"]
NOT_INTEGERS += [b'"1_000"', '"１２"'.encode(), b"0.5", b"-0.0"]


@pytest.mark.parametrize("size", [*NOT_INTEGERS, b"-1", b"1" + b"0" * 30, b"-1" + b"0" * 30])
def test_a_size_that_is_no_json_integer_in_range_is_refused(owner: Client, size: bytes) -> None:
    assert_invalid(owner.post("/files/init-upload", raw=with_size(size)), "size")
    commit = b'{"key":"k","checksum":"' + b"0" * 64 + b'","size":' + size + b"}"
    assert_invalid(owner.post("/files/commit", raw=commit), "size")


@pytest.mark.parametrize("text", [b"1_000", "１２".encode(), b"+1", b"0x1", b".5", b"1.", b"-"])
def test_a_size_that_is_no_json_at_all_is_malformed(owner: Client, text: bytes) -> None:
    assert_problem(owner.post("/files/init-upload", raw=with_size(text)), 400, "malformed-request")


def test_a_size_over_the_largest_file_is_refused(owner: Client) -> None:
    body = {"filename": "a", "size": settings.MAX_FILE_SIZE + 1, "multipart": True}
    assert_invalid(owner.post("/files/init-upload", body), "size")


@pytest.mark.parametrize(
    "value", [b'"1"', b"1.0", b"true", b'""', b"[]", b"{}", b"0", b"-1", b"9223372036854775808"]
)
def test_a_base_version_that_is_no_version_is_refused(owner: Client, value: bytes) -> None:
    init = b'{"size":1,"file_id":"' + ID.encode() + b'","base_version":' + value + b"}"
    assert_invalid(owner.post("/files/init-upload", raw=init), "base_version")
    commit = b'{"key":"k","checksum":"' + b"0" * 64 + b'","size":1,"base_version":' + value + b"}"
    assert_invalid(owner.post("/files/commit", raw=commit), "base_version")


NOT_STRINGS: list[Any] = [1, 1.5, True, None, [], ["a"], {}, {"a": "b"}]


@pytest.mark.parametrize("value", NOT_STRINGS)
def test_a_string_member_that_is_no_string_is_refused(owner: Client, value: Any) -> None:
    for name in ("filename", "content_type", "checksum", "file_id"):
        if value is None and name in ("checksum", "file_id"):
            continue
        assert_invalid(owner.post("/files/init-upload", INIT | {name: value}), name)
    for name in ("key", "checksum"):
        assert_invalid(owner.post("/files/commit", COMMIT | {name: value}), name)
    assert_invalid(owner.patch(f"/files/{ID}", {"name": value}), "name")


@pytest.mark.parametrize("value", [1, 0, "true", "", [], {}, None])
def test_a_multipart_that_is_not_true_or_false_is_refused(owner: Client, value: Any) -> None:
    assert_invalid(owner.post("/files/init-upload", INIT | {"multipart": value}), "multipart")


NOT_NAMES = [
    "",
    " ",
    "\u2003\u3000",
    ".",
    "..",
    "a/b",
    "../a",
    "/",
    "a\\b",
    "a\0b",
    "a\r\nb",
    "a\tb",
    "a\x7fb",
    "a\x85b",
    "a\u2028b",
    "a\u202eb",
    "a\u2066b",
    "a\u200fb",
    "a\u061cb",
    "x" * 256,
    "é" * 128,
    "🙂" * 64,
]


@pytest.mark.parametrize("name", NOT_NAMES)
def test_a_name_that_no_file_may_have_is_refused(owner: Client, name: str) -> None:
    assert_invalid(owner.post("/files/init-upload", INIT | {"filename": name}), "filename")
    assert_invalid(owner.patch(f"/files/{ID}", {"name": name}), "name")


@pytest.mark.parametrize("escape", [b"\\ud800", b"\\udfff", b"\\udc00\\ud800"])
def test_a_lone_surrogate_in_any_string_is_refused(owner: Client, escape: bytes) -> None:
    spoiled = b'"a' + escape + b'"'
    for name in (b"filename", b"content_type", b"checksum", b"file_id"):
        members = {b"filename": b'"a"', b"size": b"1"} | {name: spoiled}
        body = b"{" + b",".join(b'"%s":%s' % pair for pair in members.items()) + b"}"
        assert_invalid(owner.post("/files/init-upload", raw=body), name.decode())
    commit = b'{"key":' + spoiled + b',"checksum":"' + b"0" * 64 + b'","size":1}'
    assert_invalid(owner.post("/files/commit", raw=commit), "key")
    assert_invalid(owner.patch(f"/files/{ID}", raw=b'{"name":' + spoiled + b"}"), "name")


@pytest.mark.parametrize(
    "value",
    [
        "text",
        "/",
        "text/",
        "/plain",
        "text/plain/x",
        "text /plain",
        " text/plain",
        "text/plain ",
        "text/plain; a b",
        "text/plain; =b",
        'text/plain; a="b',
        "text/plain\r\nX: y",
        "text/plain\0",
        "tëxt/plain",
        "*/*, a",
        "text/" + "x" * 251,
    ],
)
def test_a_content_type_that_is_no_media_type_is_refused(owner: Client, value: str) -> None:
    assert_invalid(owner.post("/files/init-upload", INIT | {"content_type": value}), "content_type")


@pytest.mark.parametrize(
    "value",
    [
        "",
        "sha256:",
        "0" * 63,
        "0" * 65,
        "g" * 64,
        " " + "0" * 64,
        "0" * 64 + "\n",
        "sha256: " + "0" * 64,
        "md5:" + "0" * 64,
        "sha256:sha256:" + "0" * 64,
        "sha256:" + "0" * 62 + "０0",
        "sha256:" + "0" * 60_000,
    ],
)
def test_a_checksum_that_is_no_sha_256_is_refused(owner: Client, value: str) -> None:
    assert_invalid(owner.post("/files/init-upload", INIT | {"checksum": value}), "checksum")
    assert_invalid(owner.post("/files/commit", COMMIT | {"checksum": value}), "checksum")


@pytest.mark.parametrize(
    "value", ["", "7", ID.replace("-", ""), "{" + ID + "}", "urn:uuid:" + ID, ID + " ", "../" + ID]
)
def test_a_file_id_that_is_no_uuid_in_standard_form_is_refused(owner: Client, value: str) -> None:
    assert_invalid(owner.post("/files/init-upload", {"size": 1, "file_id": value}), "file_id")


def test_members_that_need_one_another_are_asked_for(owner: Client) -> None:
    assert_invalid(owner.post("/files/init-upload", {"size": 1}), "filename")
    assert_invalid(owner.post("/files/init-upload", INIT | {"base_version": 1}), "base_version")
    assert_invalid(owner.post("/files/init-upload", {"filename": "a"}), "size")


@pytest.mark.parametrize(
    "value", [[], [0], [-1], [10_001], ["1"], [1.0], [True], [None], [[1]], [1, 1], {}, "1", 1]
)
def test_part_numbers_that_cannot_be_are_refused(owner: Client, value: Any) -> None:
    answer = owner.post(f"/uploads/{ID}/urls", {"part_numbers": value})
    assert_problem(answer, 400, "invalid")
    assert all(error["field"].startswith("part_numbers") for error in answer["errors"])


def test_more_than_a_hundred_part_numbers_are_refused(owner: Client) -> None:
    answer = owner.post(f"/uploads/{ID}/urls", {"part_numbers": list(range(1, 102))})
    assert_invalid(answer, "part_numbers")


@pytest.mark.parametrize("key", ["", "a b", "a" * 256, "é", "\x7f", "a\tb"])
def test_an_idempotency_key_that_cannot_be_is_refused(owner: Client, key: str) -> None:
    answer = owner.post("/files/init-upload", INIT, headers={"Idempotency-Key": key})
    assert_invalid(answer, "Idempotency-Key")


def test_all_that_is_wrong_is_named_at_once(owner: Client) -> None:
    body = {"filename": "/", "size": "1", "content_type": "x", "checksum": "y"}
    assert_invalid(
        owner.post("/files/init-upload", body), "filename", "size", "content_type", "checksum"
    )


# Query strings

EVERYTHING = [
    ("POST", "/files/init-upload"),
    ("POST", "/files/commit"),
    ("GET", "/files"),
    ("GET", f"/files/{ID}"),
    ("PATCH", f"/files/{ID}"),
    ("DELETE", f"/files/{ID}"),
    ("POST", f"/files/{ID}/restore"),
    ("GET", f"/files/{ID}/download"),
    ("GET", f"/files/{ID}/versions"),
    ("GET", f"/files/{ID}/versions/1"),
    ("GET", f"/files/{ID}/versions/1/download"),
    ("GET", "/uploads"),
    ("GET", f"/uploads/{ID}"),
    ("DELETE", f"/uploads/{ID}"),
    ("POST", f"/uploads/{ID}/urls"),
    ("POST", "/shares"),
    ("GET", "/shares"),
    ("GET", f"/shares/{ID}"),
    ("DELETE", f"/shares/{ID}"),
    ("GET", f"/shares/{ID}/events"),
    ("GET", "/s/token"),
    ("GET", "/s/token/download"),
    ("POST", "/s/token/download"),
    ("POST", "/s/token/init-upload"),
    ("POST", "/s/token/commit"),
]


def test_an_unknown_query_parameter_is_refused_by_name(owner: Client) -> None:
    for method, path in EVERYTHING:
        answer = owner.call(method, path + "?page_sise=1&format=json&%D0%B6", INIT)
        assert_invalid(answer, "page_sise", "format", "ж")


def test_a_repeated_query_parameter_is_refused_by_name(owner: Client) -> None:
    for method, path in EVERYTHING:
        assert_invalid(owner.call(method, path + "?trashed=true&trashed=true", INIT), "trashed")


@pytest.mark.parametrize("path", ["/files", "/uploads", f"/files/{ID}/versions"])
@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("page_size", "0 201 -1 1.0 1e1 %2B1 x %EF%BC%91 0x1 1_0 99999999999999999999 true %20"),
        ("cursor", "x !! AAAA W10 bnVsbA WyJhIiwgImIiLCAwXQ %00 %C3%A9 %FF null %20"),
    ],
)
def test_a_page_that_cannot_be_is_refused(owner: Client, path: str, name: str, values: str) -> None:
    for value in ("", *values.split()):
        assert_invalid(owner.get(f"{path}?{name}={value}"), name)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("ordering", ["", "name", "-created_at,id", "created_at%20", "?"]),
        ("trashed", ["", "1", "True", "TRUE", "yes", "null"]),
        ("name", ["", "%00", "x" * 256]),
        ("content_type", ["", "image", "*/*", "*", "image/", "%00/a", "x/" + "y" * 254]),
        ("created_after", ["", "yesterday", "2026-01-31", "2026-01-31T12:00:00", "1", "%00"]),
        ("created_before", ["2026-02-30T00:00:00Z", "2026-01-31T25:00:00Z", "9999999999"]),
        ("created_before", ["0001-01-01T00:00:00%2B14:00", "9999-12-31T23:59:59-14:00"]),
    ],
)
def test_a_filter_that_cannot_be_is_refused(owner: Client, name: str, values: list[str]) -> None:
    for value in values:
        assert_invalid(owner.get(f"/files?{name}={value}"), name)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("redirect", "1"),
        ("redirect", ""),
        ("redirect", "True"),
        ("disposition", ""),
        ("disposition", "INLINE"),
        ("disposition", "inline;filename=x"),
    ],
)
def test_a_download_parameter_that_cannot_be_is_refused(
    owner: Client, name: str, value: str
) -> None:
    for path in (f"/files/{ID}/download", f"/files/{ID}/versions/1/download"):
        assert_invalid(owner.get(f"{path}?{name}={value}"), name)


@pytest.mark.parametrize(
    "query",
    ["a=1;b=2", "&&&=", "=1", "%", "%zz", "%ff=%fe", "name=%ff", "\x7f", "a[]=1", "a" * 9000],
)
def test_a_query_string_of_odd_form_is_at_most_refused(owner: Client, query: str) -> None:
    answer = wire.send("GET", f"/files?{query}", [("authorization", f"Bearer {owner.token}")])
    check_refused(answer)


def test_a_thousand_query_parameters_are_refused(owner: Client) -> None:
    query = "&".join(f"a{number}=1" for number in range(1200))
    check_refused(owner.get(f"/files?{query}"), refused=True)


def check_refused(answer: Answer, *, refused: bool = False) -> None:
    if answer.status == 200 and not refused:
        return
    assert answer.status == 400, answer.content
    assert_problem(answer, 400, answer["code"])


def test_the_error_document_is_utf_8_json_that_can_be_read_back(owner: Client) -> None:
    answer = owner.post("/files/commit", {"schlüssel": 1, "key": sha256(b"")})
    assert json.loads(answer.content.decode("utf-8")) == answer.json
    assert "schlüssel".encode() in answer.content
