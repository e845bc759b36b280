"""`Idempotency-Key` on init-upload: a repeated request begins nothing new."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.utils import timezone

from files.models import Upload
from tests.support.client import Answer, Client, assert_invalid, assert_problem, put, sha256
from tests.support.rows import make_file

pytestmark = pytest.mark.usefixtures("store")

DATA = b"hello"
KEY = "the-clients-own"


def init(client: Client, key: str = KEY, **members: Any) -> Answer:
    body = {"filename": "a.txt", "size": len(DATA), "content_type": "text/plain"} | members
    return client.post("/files/init-upload", body, headers={"Idempotency-Key": key})


def test_nobody_begins_an_upload_with_a_key(anonymous: Client) -> None:
    assert_problem(init(anonymous), 401, "not-authenticated")


@pytest.mark.parametrize("key", ["", " ", "a b", "a\tb", "é", "k" * 256])
def test_what_is_no_key_is_refused(owner: Client, key: str) -> None:
    assert_invalid(init(owner, key), "Idempotency-Key")
    assert not Upload.objects.exists()


@pytest.mark.parametrize("key", ["k" * 255, "!", "~", '"quoted"'])
def test_any_visible_ascii_is_a_key(owner: Client, key: str) -> None:
    assert init(owner, key)["upload_id"] == init(owner, key)["upload_id"]


def test_the_same_request_again_is_the_same_upload_with_a_fresh_url(owner: Client) -> None:
    first = init(owner)
    Upload.objects.update(commit_by=timezone.now() + timedelta(seconds=60))
    again = init(owner)
    assert (first.status, again.status) == (201, 201)
    assert again["upload_id"] == first["upload_id"]
    assert again["key"] == first["key"]
    assert again["expires_at"] >= first["expires_at"]
    signed = parse_qs(urlsplit(again["presigned_put_url"]).query)
    assert signed["X-Amz-Expires"]
    # What can be written for longer can be committed for longer.
    assert Upload.objects.get().commit_by > timezone.now() + timedelta(seconds=60)
    assert put(again["presigned_put_url"], DATA, again["headers"]).status_code == 200
    assert owner.commit(again["key"], DATA).status == 201


@pytest.mark.parametrize(
    "other",
    [
        {"filename": "b.txt"},
        {"size": 6},
        {"content_type": "text/html"},
        {"checksum": sha256(DATA)},
        {"multipart": True},
    ],
    ids=lambda other: next(iter(other)),
)
def test_other_arguments_conflict(owner: Client, other: dict[str, Any]) -> None:
    init(owner)
    assert_problem(init(owner, **other), 409, "idempotency-conflict")
    assert Upload.objects.count() == 1


def test_another_target_conflicts(owner: Client) -> None:
    file_id = str(make_file(owner.user).id)
    init(owner, file_id=file_id)
    assert_problem(init(owner), 409, "idempotency-conflict")
    other = init(owner, file_id=file_id, base_version=1)
    assert_problem(other, 409, "idempotency-conflict")
    another_file = init(owner, file_id=str(make_file(owner.user).id))
    assert_problem(another_file, 409, "idempotency-conflict")


def test_the_same_arguments_in_another_spelling_are_the_same(owner: Client) -> None:
    digits = sha256(DATA).removeprefix("sha256:")
    first = init(owner, filename="Cafe\u0301.txt", checksum=digits.upper())
    again = init(owner, filename="Caf\u00e9.txt", checksum=f"sha256:{digits}")
    assert again["upload_id"] == first["upload_id"]


def test_a_key_is_its_owners_alone(owner: Client, stranger: Client) -> None:
    first, second = init(owner), init(stranger)
    assert second.status == 201
    assert second["upload_id"] != first["upload_id"]


def test_without_a_key_each_request_begins_an_upload(owner: Client) -> None:
    assert owner.init(DATA)["upload_id"] != owner.init(DATA)["upload_id"]


def test_an_upload_that_has_ended_answers_as_its_state_does(owner: Client) -> None:
    committed = init(owner, "committed")
    put(committed["presigned_put_url"], DATA)
    assert owner.commit(committed["key"], DATA).status == 201
    assert_problem(init(owner, "committed"), 409, "upload-complete")
    aborted = init(owner, "aborted")
    owner.delete(f"/uploads/{aborted['upload_id']}")
    assert_problem(init(owner, "aborted"), 410, "upload-aborted")
    expired = init(owner, "expired")
    late = timezone.now() - timedelta(seconds=1)
    Upload.objects.filter(pk=expired["upload_id"]).update(commit_by=late)
    assert_problem(init(owner, "expired"), 410, "upload-expired")
    assert_problem(init(owner, "expired", size=1), 409, "idempotency-conflict")


def test_after_a_day_the_key_is_free_again(owner: Client) -> None:
    first = init(owner)
    almost = timezone.now() - timedelta(hours=23, minutes=59)
    Upload.objects.update(created_at=almost)
    assert init(owner)["upload_id"] == first["upload_id"]
    Upload.objects.update(created_at=almost - timedelta(minutes=1))
    second = init(owner, size=1)
    assert second.status == 201
    assert second["upload_id"] != first["upload_id"]
    assert init(owner, size=1)["upload_id"] == second["upload_id"]


def test_a_multipart_upload_is_begun_once_too(owner: Client) -> None:
    first = init(owner, multipart=True)
    again = init(owner, multipart=True)
    assert again["upload_id"] == first["upload_id"]
    part = again["parts"][0]
    assert put(part["presigned_put_url"], DATA, part["headers"]).status_code == 200
    assert owner.commit(again["key"], DATA).status == 201
