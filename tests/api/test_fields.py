"""Members of request bodies: each invalid value is refused by the name of its member."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from django.conf import settings

from files.api import fields
from files.models import File, Share, ShareEvent, Upload
from files.services.share_access import digest_of
from tests.support import bad_values
from tests.support.bad_values import ID
from tests.support.client import Client, assert_invalid, assert_problem
from tests.support.rows import make_file

TOKEN = "of-this-test"
INIT = {"filename": "a.txt", "size": 1}
COMMIT = {"key": "uploads/no/such", "checksum": "0" * 64, "size": 1}
SHARE = {"file_id": ID, "permission": "read"}
VERSION = {"size": 1, "file_id": ID}
FIELDS: list[tuple[str, str, dict[str, Any], str, list[str]]] = [
    ("POST", "/files/init-upload", INIT, "filename", bad_values.NAMES),
    ("POST", "/files/init-upload", INIT | {"multipart": True}, "size", bad_values.SIZES),
    ("POST", "/files/init-upload", INIT, "content_type", bad_values.MEDIA_TYPES),
    ("POST", "/files/init-upload", INIT, "checksum", bad_values.CHECKSUMS),
    ("POST", "/files/init-upload", INIT, "file_id", bad_values.UUIDS),
    ("POST", "/files/init-upload", VERSION, "base_version", bad_values.VERSIONS),
    ("POST", "/files/init-upload", INIT, "multipart", bad_values.BOOLEANS),
    ("POST", "/files/commit", COMMIT, "key", bad_values.KEYS),
    ("POST", "/files/commit", COMMIT, "checksum", bad_values.CHECKSUMS),
    ("POST", "/files/commit", COMMIT, "size", bad_values.SIZES),
    ("POST", "/files/commit", COMMIT, "base_version", bad_values.VERSIONS),
    ("POST", "/files/init-upload", INIT, "folder_id", bad_values.UUIDS),
    ("POST", "/files/commit", COMMIT, "folder_id", bad_values.UUIDS),
    ("PATCH", "/files/{file}", {}, "name", bad_values.NAMES),
    ("PATCH", "/files/{file}", {}, "folder_id", bad_values.UUIDS),
    ("POST", "/files/{file}/copy", {}, "name", bad_values.NAMES),
    ("POST", "/files/{file}/copy", {}, "folder_id", bad_values.UUIDS),
    ("POST", "/folders", {"name": "a"}, "name", bad_values.NAMES),
    ("POST", "/folders", {"name": "a"}, "parent_id", bad_values.UUIDS),
    ("PATCH", f"/folders/{ID}", {}, "name", bad_values.NAMES),
    ("PATCH", f"/folders/{ID}", {}, "parent_id", bad_values.UUIDS),
    ("POST", f"/uploads/{ID}/urls", {}, "part_numbers", bad_values.PART_NUMBERS),
    ("POST", "/shares", SHARE, "file_id", bad_values.UUIDS),
    ("POST", "/shares", SHARE, "permission", bad_values.PERMISSIONS),
    ("POST", "/shares", SHARE, "expires_at", bad_values.EXPIRIES),
    ("POST", "/shares", SHARE, "password", bad_values.PASSWORDS),
    ("POST", "/shares", SHARE, "max_downloads", bad_values.COUNTS),
    ("PATCH", "/shares/{share}", {}, "permission", bad_values.PERMISSIONS),
    ("PATCH", "/shares/{share}", {}, "expires_at", bad_values.EXPIRIES),
    ("PATCH", "/shares/{share}", {}, "password", bad_values.PASSWORDS),
    ("PATCH", "/shares/{share}", {}, "max_downloads", bad_values.COUNTS),
    ("POST", "/s/{token}/init-upload", {"size": 1}, "filename", bad_values.NAMES),
    ("POST", "/s/{token}/init-upload", {}, "size", bad_values.SIZES),
    ("POST", "/s/{token}/init-upload", {"size": 1}, "content_type", bad_values.MEDIA_TYPES),
    ("POST", "/s/{token}/init-upload", {"size": 1}, "checksum", bad_values.CHECKSUMS),
    ("POST", "/s/{token}/commit", COMMIT, "key", bad_values.KEYS),
    ("POST", "/s/{token}/commit", COMMIT, "checksum", bad_values.CHECKSUMS),
    ("POST", "/s/{token}/commit", COMMIT, "size", bad_values.SIZES),
]
"""Where each kind of field is taken: an endpoint, the rest of a good body, the member, the values
that it refuses."""
REQUIRED = [
    ("POST", "/files/init-upload", {"size": 1}),
    ("POST", "/files/commit", COMMIT),
    ("PATCH", f"/files/{ID}", {"name": "b.txt"}),
    ("POST", "/folders", {"name": "b"}),
    ("PATCH", f"/folders/{ID}", {"name": "b"}),
    ("POST", "/shares", SHARE),
]
"""Endpoints with the members that they cannot do without."""


@dataclass
class Rows:
    """A file and a share of it, for the paths that name one."""

    file: File
    share: Share

    def path(self, template: str) -> str:
        return template.format(file=self.file.pk, share=self.share.pk, token=TOKEN)


@pytest.fixture(autouse=True)
def rows(owner: Client) -> Iterator[Rows]:
    """Assert after every test here that a refused request changed and wrote nothing."""
    file = make_file(owner.user)
    share = Share.objects.create(
        file=file, created_by=owner.user, token_digest=digest_of(TOKEN), permission="write"
    )
    before = [list(table.objects.values()) for table in (File, Share, ShareEvent, Upload)]
    yield Rows(file, share)
    assert [list(table.objects.values()) for table in (File, Share, ShareEvent, Upload)] == before


@pytest.mark.parametrize(
    ("method", "path", "others", "name", "values"),
    FIELDS,
    ids=[f"{path.replace(ID, 'ID')} {name}" for _, path, _, name, _ in FIELDS],
)
def test_an_invalid_value_is_refused_by_the_name_of_its_member(
    owner: Client,
    rows: Rows,
    method: str,
    path: str,
    others: dict[str, Any],
    name: str,
    values: list[str],
) -> None:
    good = {member: value for member, value in others.items() if member != name}
    for value in values:
        members = [f"{json.dumps(member)}: {json.dumps(each)}" for member, each in good.items()]
        raw = "{" + ", ".join([*members, f'"{name}": {value}']) + "}"
        answer = owner.call(method, rows.path(path), raw=raw.encode())
        assert answer.status == 400, value[:80]
        assert_problem(answer, 400, "invalid")
        fields = {error["field"] for error in answer["errors"]}
        if name == "part_numbers":
            fields = {field.partition(".")[0] for field in fields}
        assert fields == {name}, value[:80]


@pytest.mark.parametrize(("method", "path", "good"), REQUIRED)
def test_a_required_member_is_asked_for_and_an_unknown_one_named(
    owner: Client, method: str, path: str, good: dict[str, Any]
) -> None:
    assert_invalid(owner.call(method, path, {}), *good)
    assert_invalid(
        owner.call(method, path, good | {"base_verison": 1, "Size": 2}), "base_verison", "Size"
    )
    for name in good:
        assert_invalid(owner.call(method, path, good | {name: None}), name)


def test_a_member_whose_name_is_no_text_is_refused(owner: Client) -> None:
    for name in (b"\\ud800", b"\\udfff\\ud800"):
        answer = owner.post("/files/commit", raw=b'{"' + name + b'": 1}')
        assert answer.status == 400, answer.content
        assert_problem(answer, 400, answer["code"])


@pytest.mark.parametrize("text", ["1_000", "１２", "+1", "0x1", ".5", "1.", "-"])
def test_a_number_that_is_no_json_at_all_is_malformed(owner: Client, text: str) -> None:
    raw = f'{{"filename": "a.txt", "size": {text}}}'.encode()
    assert_problem(owner.post("/files/init-upload", raw=raw), 400, "malformed-request")


def test_a_size_over_the_largest_file_is_refused(owner: Client) -> None:
    body = {"filename": "a", "size": settings.MAX_FILE_SIZE + 1, "multipart": True}
    assert_invalid(owner.post("/files/init-upload", body), "size")


def test_members_that_need_one_another_are_asked_for(owner: Client) -> None:
    assert_invalid(owner.post("/files/init-upload", {"size": 1}), "filename")
    assert_invalid(owner.post("/files/init-upload", {"size": 1, "filename": None}), "filename")
    assert_invalid(owner.post("/files/init-upload", INIT | {"base_version": 1}), "base_version")
    assert_invalid(owner.post("/files/init-upload", {"filename": "a"}), "size")


@pytest.mark.parametrize("key", ["", "a b", "a" * 256, "é", "\x7f", "a\tb"])
def test_an_invalid_idempotency_key_is_refused(owner: Client, key: str) -> None:
    answer = owner.post("/files/init-upload", INIT, headers={"Idempotency-Key": key})
    assert_invalid(answer, "Idempotency-Key")


def test_all_that_is_wrong_is_named_at_once(owner: Client) -> None:
    body = {"filename": "/", "size": "1", "content_type": "x", "checksum": "y"}
    assert_invalid(
        owner.post("/files/init-upload", body), "filename", "size", "content_type", "checksum"
    )


@pytest.mark.once
def test_what_unicode_calls_a_control_or_a_format_character_is_known_as_such() -> None:
    refused = re.compile(f"[{fields.NOT_IN_NAMES}]")
    invisible = re.compile(f"[{fields.INVISIBLE_IN_NAMES}]")
    for character in map(chr, (*range(0xD800), *range(0xE000, 0x20000), *range(0xE0000, 0xE1000))):
        category = unicodedata.category(character)
        if category in ("Cc", "Zl", "Zp"):
            assert refused.match(character), hex(ord(character))
        elif (category == "Cf" or character.isspace()) and not refused.match(character):
            assert invisible.match(character), hex(ord(character))
