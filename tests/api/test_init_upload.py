"""`POST /files/init-upload` with one PUT: who may, what is refused, what the URL then allows."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import re
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from django.conf import settings
from pytest_django.fixtures import Settings

from files.models import Upload
from files.services import pending
from tests.support.client import (
    Answer,
    Client,
    assert_invalid,
    assert_problem,
    fetch,
    put,
    sha256,
)

pytestmark = pytest.mark.usefixtures("store")

KEY = r"uploads/(\d{4}/\d\d/\d\d)/[0-9A-HJKMNP-TV-Z]{26}-[0-9a-z]{8}-a\.txt"
GIB = 1 << 30
BODY = {"filename": "a.txt", "size": 5}


@pytest.fixture
def nothing_is_written(db: None) -> Iterator[None]:
    yield
    assert not Upload.objects.exists()


def init(client: Client, **members: Any) -> Answer:
    return client.post("/files/init-upload", BODY | members)


@pytest.mark.usefixtures("nothing_is_written")
def test_nobody_may_begin_an_upload(anonymous: Client) -> None:
    assert_problem(init(anonymous), 401, "not-authenticated")
    # Also before the body is looked at.
    assert_problem(init(anonymous, size="?"), 401, "not-authenticated")


def test_pending_uploads_of_a_user_are_limited(
    owner: Client, stranger: Client, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.PENDING_UPLOADS_MAX = 20
    begun = [init(owner) for _ in range(20)]
    assert [answer.status for answer in begun] == [201] * 20
    refused = assert_problem(init(owner), 429, "too-many-uploads")
    assert 86_000 < int(refused.headers["Retry-After"]) <= 87_300
    assert_problem(init(owner, multipart=True), 429, "too-many-uploads")
    assert init(stranger).status == 201
    assert owner.delete(f"/uploads/{begun[0]['upload_id']}").status == 204
    # What was counted is remembered for some seconds.
    assert_problem(init(owner), 429, "too-many-uploads")
    monkeypatch.setattr(pending, "_REFUSED_SECONDS", 0)
    pending._allowances._of_user.clear()
    assert init(owner).status == 201
    assert_problem(init(owner), 429, "too-many-uploads")


def test_another_persons_file_gets_no_new_version(owner: Client, stranger: Client) -> None:
    file_id = owner.upload(b"mine")["fileId"]
    assert_problem(init(stranger, file_id=file_id), 404, "not-found")
    assert_problem(init(stranger, file_id=str(uuid.uuid4())), 404, "not-found")
    assert not Upload.objects.visible_to(stranger.user).exists()


def test_a_file_in_the_trash_gets_no_new_version(owner: Client) -> None:
    file_id = owner.upload(b"mine")["fileId"]
    owner.delete(f"/files/{file_id}")
    assert_problem(init(owner, file_id=file_id), 404, "not-found")


@pytest.mark.usefixtures("nothing_is_written")
def test_members_that_are_needed_or_not_known_are_named(owner: Client) -> None:
    assert_invalid(owner.post("/files/init-upload?multipart=true", BODY), "multipart")


@pytest.mark.usefixtures("nothing_is_written")
def test_more_than_one_put_can_carry_needs_multipart(owner: Client) -> None:
    assert_problem(init(owner, size=5 * GIB + 1), 400, "multipart-required")


def test_the_largest_single_put_is_5_gib(owner: Client) -> None:
    assert init(owner, size=5 * GIB).status == 201


def test_the_answer_has_the_documented_members(owner: Client) -> None:
    before = datetime.now(UTC)
    begun = owner.init(b"hello")
    assert begun.status == 201
    assert begun.json.keys() == {
        "upload_id",
        "key",
        "presigned_put_url",
        "headers",
        "expires_at",
    }
    assert str(uuid.UUID(begun["upload_id"])) == begun["upload_id"]
    matched = re.fullmatch(KEY, begun["key"])
    assert matched
    today = {f"{moment:%Y/%m/%d}" for moment in (before, datetime.now(UTC))}
    assert matched[1] in today
    assert begun["headers"] == {}
    assert begun["expires_at"].endswith("Z")


def test_expires_at_is_the_urls_and_the_grace_follows(owner: Client) -> None:
    begun = owner.init(b"hello")
    query = parse_qs(urlsplit(begun["presigned_put_url"]).query)
    signed_at = datetime.strptime(query["X-Amz-Date"][0], "%Y%m%dT%H%M%S%z")
    lifetime = timedelta(seconds=int(query["X-Amz-Expires"][0]))
    assert lifetime == timedelta(seconds=settings.PRESIGN_PUT_TTL)
    expires_at = datetime.fromisoformat(begun["expires_at"])
    assert expires_at == signed_at + lifetime
    upload = owner.get(f"/uploads/{begun['upload_id']}")
    grace = timedelta(seconds=settings.UPLOAD_GRACE)
    assert datetime.fromisoformat(upload["commit_by"]) == expires_at + grace


def test_the_url_points_at_the_public_endpoint_and_the_key(owner: Client) -> None:
    begun = owner.init(b"hello")
    url = urlsplit(begun["presigned_put_url"])
    assert f"{url.scheme}://{url.netloc}" == settings.MINIO_PUBLIC_ENDPOINT
    assert url.path == f"/{settings.MINIO_BUCKET}/{begun['key']}"


def test_each_upload_has_its_own_id_and_key(owner: Client) -> None:
    first, second = owner.init(b"hello"), owner.init(b"hello")
    assert first["upload_id"] != second["upload_id"]
    assert first["key"] != second["key"]


@pytest.mark.parametrize(
    "filename",
    [
        "a" * 255,
        "é" * 127,
        " leading and trailing ",
        "...",
        ".bashrc",
        "100% \"quoted\" 'name'; $(x).txt",
        "日本語.txt",
        "👩‍👩‍👧 family.png",
        "name\u00a0with\u3000blanks",
    ],
)
def test_a_name_is_kept_as_it_was_given(owner: Client, filename: str) -> None:
    begun = owner.init(b"", filename=filename)
    assert begun.status == 201
    assert owner.get(f"/uploads/{begun['upload_id']}")["filename"] == filename
    assert re.fullmatch(r"[A-Za-z0-9/.-]+", begun["key"])


def test_a_name_is_brought_into_nfc(owner: Client) -> None:
    begun = owner.init(b"", filename="Cafe\u0301.txt")
    assert owner.get(f"/uploads/{begun['upload_id']}")["filename"] == "Caf\u00e9.txt"
    assert begun["key"].endswith("-cafe.txt")


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ({}, "application/octet-stream"),
        ({"content_type": ""}, "application/octet-stream"),
        ({"content_type": "image/svg+xml"}, "image/svg+xml"),
        ({"content_type": 'Text/Plain; charset="utf-8"'}, 'Text/Plain; charset="utf-8"'),
        ({"content_type": "a/" + "b" * 253}, "a/" + "b" * 253),
    ],
)
def test_a_media_type_is_kept(owner: Client, given: dict[str, str], kept: str) -> None:
    begun = owner.post("/files/init-upload", BODY | given)
    assert begun.status == 201
    assert owner.get(f"/uploads/{begun['upload_id']}")["content_type"] == kept


@pytest.mark.parametrize("spelling", ["{}", "sha256:{}", "SHA256:{}"])
def test_a_checksum_is_taken_in_any_spelling(owner: Client, spelling: str) -> None:
    digits = sha256(b"hello").removeprefix("sha256:")
    for given in (spelling.format(digits), spelling.format(digits.upper())):
        begun = owner.init(b"hello", checksum=given)
        assert begun.status == 201
        assert owner.get(f"/uploads/{begun['upload_id']}")["checksum"] == f"sha256:{digits}"


def test_an_empty_file_is_a_file(owner: Client) -> None:
    committed = owner.upload(b"")
    assert committed["size"] == 0
    assert owner.read(committed["fileId"]) == b""


def test_without_a_checksum_a_put_needs_no_header(owner: Client) -> None:
    begun = owner.init(b"hello")
    assert put(begun["presigned_put_url"], b"hello").status_code == 200
    # And may be repeated, with what then counts.
    assert put(begun["presigned_put_url"], b"HELLO").status_code == 200
    assert owner.commit(begun["key"], b"HELLO").status == 201


@pytest.mark.parametrize("body", [b"", b"hell", b"hello!"])
@pytest.mark.parametrize("with_checksum", [False, True])
def test_a_body_of_another_length_is_refused(
    owner: Client, body: bytes, with_checksum: bool
) -> None:
    members = {"checksum": sha256(b"hello")} if with_checksum else {}
    begun = owner.init(b"hello", **members)
    assert put(begun["presigned_put_url"], body, begun["headers"]).status_code == 403
    assert_problem(owner.commit(begun["key"], b"hello"), 409, "object-missing")


def test_a_large_body_of_another_length_is_refused_or_cut_off(owner: Client) -> None:
    begun = owner.init(b"hello")
    # The store may close the connection before the client has read its answer.
    with contextlib.suppress(httpx.TransportError):
        assert put(begun["presigned_put_url"], b"x" * (8 << 20)).status_code == 403
    assert_problem(owner.commit(begun["key"], b"hello"), 409, "object-missing")


def test_a_checksum_binds_the_url_to_these_bytes(owner: Client) -> None:
    begun = owner.init(b"hello", checksum=sha256(b"hello"))
    assert begun["headers"] == {
        "x-amz-checksum-sha256": base64.b64encode(hashlib.sha256(b"hello").digest()).decode(),
        "x-amz-checksum-algorithm": "SHA256",
        "If-None-Match": "*",
    }
    url, headers = begun["presigned_put_url"], begun["headers"]
    for name in headers:
        fewer = {other: value for other, value in headers.items() if other != name}
        assert put(url, b"hello", fewer).status_code in (400, 403), name
    other = base64.b64encode(hashlib.sha256(b"HELLO").digest()).decode()
    assert put(url, b"HELLO", headers).status_code == 400
    changed = headers | {"x-amz-checksum-sha256": other}
    assert put(url, b"HELLO", changed).status_code == 403
    changed = headers | {"x-amz-checksum-algorithm": "CRC32"}
    assert put(url, b"HELLO", changed).status_code == 403
    assert_problem(owner.commit(begun["key"], b"hello"), 409, "object-missing")
    assert put(url, b"hello", headers).status_code == 200
    assert put(url, b"hello", headers).status_code == 412
    assert owner.commit(begun["key"], b"hello").status == 201


def test_a_put_url_does_not_read(owner: Client) -> None:
    begun = owner.put(b"hello")
    assert fetch(begun["presigned_put_url"]).status_code == 403


def test_a_new_version_needs_no_name_and_never_renames(owner: Client) -> None:
    file_id = owner.upload(b"one", filename="report.txt")["fileId"]
    unnamed = owner.post("/files/init-upload", {"size": 3, "file_id": file_id})
    assert unnamed.status == 201
    assert unnamed["key"].endswith("-report.txt")
    named = owner.put(b"two", file_id=file_id, filename="draft.md")
    assert named["key"].endswith("-draft.md")
    committed = owner.commit(named["key"], b"two")
    assert (committed["fileId"], committed["version"]) == (file_id, 2)
    assert committed["name"] == owner.get(f"/files/{file_id}")["name"] == "report.txt"
