"""Members of request bodies: each value that cannot be is refused by the name of its member."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings

from files.models import File, Upload
from tests.support.client import Client, assert_invalid, assert_problem

ID = "01890a5d-ac96-774b-bcce-b302099a8057"
INIT = {"filename": "a.txt", "size": 1}
COMMIT = {"key": "uploads/no/such", "checksum": "0" * 64, "size": 1}


@pytest.fixture(autouse=True)
def nothing_is_written(db: None) -> Iterator[None]:
    """Hold every test here to that a refused request writes nothing."""
    yield
    assert not Upload.objects.exists()
    assert not File.objects.exists()


def with_size(text: bytes) -> bytes:
    return b'{"filename":"a.txt","size":' + text + b"}"


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
