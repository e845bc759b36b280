"""`GET /me`: the caller, and what the caller has."""

from __future__ import annotations

import pytest
from pytest_django.fixtures import Settings

from files.models import FileVersion, User
from files.services import quotas
from tests.support.client import Client, assert_invalid, assert_problem
from tests.support.rows import make_file

pytestmark = pytest.mark.usefixtures("store")


def test_nobody_is_nobody(anonymous: Client) -> None:
    assert_problem(anonymous.get("/me"), 401, "not-authenticated")


def test_me_takes_no_arguments(owner: Client) -> None:
    assert_invalid(owner.get("/me?user=stranger"), "user")


def test_a_newcomer_has_nothing(owner: Client) -> None:
    User.objects.update(email="owner@example.org")
    shown = owner.get("/me")
    assert shown.status == 200
    assert shown.json == {
        "subject": "owner",
        "username": "owner",
        "email": "owner@example.org",
        "created_at": shown["created_at"],
        "files": 0,
        "bytes_used": 0,
        "bytes_reserved": 0,
        "quota_bytes": None,
    }


@pytest.mark.parametrize("quota", [None, 1000])
def test_me_counts_files_versions_and_uploads(
    owner: Client, stranger: Client, quota: int | None
) -> None:
    if quota is not None:
        quotas.set_quota(user_id=owner.user.pk, quota_bytes=quota)
    stranger.upload(b"theirs")
    file_id = owner.upload(b"one")["fileId"]
    owner.upload(b"second", file_id=file_id)
    trashed, purged = owner.upload(b"trash")["fileId"], owner.upload(b"purged!")["fileId"]
    owner.delete(f"/files/{trashed}")
    owner.delete(f"/files/{purged}?permanent=true")
    owner.delete(f"/files/{file_id}/versions/1")
    owner.init(b"pending")
    owner.delete(f"/uploads/{owner.init(b'aborted')['upload_id']}")
    shown = owner.get("/me")
    assert (shown["files"], shown["quota_bytes"]) == (2, quota)
    # What is purged or aborted counts until it is gone from the store.
    assert (shown["bytes_used"], shown["bytes_reserved"]) == (3 + 6 + 5 + 7, 7 + 7)


def test_what_is_collected_counts_no_longer(owner: Client) -> None:
    make_file(owner.user, versions=3)
    FileVersion.objects.filter(version=3).update(collected_at="2026-01-31T12:00:00Z")
    assert owner.get("/me")["bytes_used"] == 1 + 2


def test_the_quota_of_all_is_shown_to_whoever_has_none_of_their_own(
    owner: Client, stranger: Client, settings: Settings
) -> None:
    settings.DEFAULT_QUOTA = 500
    User.objects.filter(subject="stranger").update(quota_bytes=0)
    assert owner.get("/me")["quota_bytes"] == 500
    assert stranger.get("/me")["quota_bytes"] == 0
