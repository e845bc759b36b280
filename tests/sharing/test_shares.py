"""What the owner of a file does with its shares."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.db.models import F
from django.utils import timezone

from files.models import Share, ShareEvent
from tests.support.client import Client, assert_invalid, assert_problem
from tests.support.shares import Shared, share

pytestmark = pytest.mark.usefixtures("store")

NOBODY = "01a00000-0000-0000-0000-000000000000"


@pytest.fixture
def shared(owner: Client, anonymous: Client) -> Shared:
    return share(owner, anonymous)


def test_nobody_without_a_token_makes_or_sees_shares(anonymous: Client, shared: Shared) -> None:
    body = {"file_id": shared.file_id, "permission": "read"}
    assert_problem(anonymous.post("/shares", body), 401, "not-authenticated")
    assert_problem(anonymous.get("/shares"), 401, "not-authenticated")
    assert_problem(anonymous.get(f"/shares/{shared.id}"), 401, "not-authenticated")
    assert_problem(anonymous.delete(f"/shares/{shared.id}"), 401, "not-authenticated")


def test_another_persons_shares_are_not_listed(stranger: Client, shared: Shared) -> None:
    assert stranger.get("/shares")["results"] == []


def test_only_an_own_file_can_be_shared(owner: Client, stranger: Client, shared: Shared) -> None:
    for file_id in (shared.file_id, NOBODY):
        body = {"file_id": file_id, "permission": "write"}
        assert_problem(stranger.post("/shares", body), 404, "not-found")
    owner.delete(f"/files/{shared.file_id}")
    body = {"file_id": shared.file_id, "permission": "read"}
    assert_problem(owner.post("/shares", body), 404, "not-found")


def test_the_token_is_shown_once_and_only_its_digest_is_kept(owner: Client) -> None:
    file_id = owner.upload(b"x")["fileId"]
    made = owner.post(
        "/shares", {"file_id": file_id, "permission": "write", "password": "secret word"}
    )
    assert made.status == 201
    assert re.fullmatch(r"[A-Za-z0-9_-]{22,}", made["token"])
    assert made["url"].endswith(f"/s/{made['token']}")
    assert made.headers["Cache-Control"] == "no-store"
    shown = owner.get(f"/shares/{made['id']}")
    assert shown.json == {k: v for k, v in made.json.items() if k not in ("token", "url")}
    assert shown.json.keys() == {
        *("id", "file_id", "permission", "expires_at", "password_required", "max_downloads"),
        *("download_count", "revoked_at", "last_used_at", "created_at"),
    }
    assert shown["password_required"] is True
    row = Share.objects.values().get()
    assert not any(made["token"] in str(value) for value in row.values())
    assert not any("secret word" in str(value) for value in row.values())


def test_tokens_differ(owner: Client, anonymous: Client, shared: Shared) -> None:
    other = share(owner, anonymous, file_id=shared.file_id)
    assert other.token != shared.token


def test_the_list_has_the_shares_of_all_files_or_of_one(owner: Client, anonymous: Client) -> None:
    made = [share(owner, anonymous).id for _ in range(3)]
    first_page = owner.get("/shares?page_size=2")
    assert [shown["id"] for shown in first_page["results"]] == [made[2], made[1]]
    second_page = owner.get(first_page["next"].partition("testserver")[2])
    assert [shown["id"] for shown in second_page["results"]] == [made[0]]
    file_id = owner.get(f"/shares/{made[1]}")["file_id"]
    assert [s["id"] for s in owner.get(f"/shares?file_id={file_id}")["results"]] == [made[1]]
    assert owner.get(f"/shares?file_id={NOBODY}")["results"] == []
    assert_invalid(owner.get("/shares?file_id=x"), "file_id")
    assert_invalid(owner.get("/shares?file=x"), "file")


def test_revoking_again_changes_nothing(owner: Client, shared: Shared) -> None:
    assert owner.delete(f"/shares/{shared.id}").status == 204
    revoked_at = owner.get(f"/shares/{shared.id}")["revoked_at"]
    assert revoked_at is not None
    assert owner.delete(f"/shares/{shared.id}").status == 204
    assert owner.get(f"/shares/{shared.id}")["revoked_at"] == revoked_at


def test_the_shares_of_a_file_in_the_trash_are_gone_until_it_is_restored(
    owner: Client, shared: Shared
) -> None:
    owner.delete(f"/files/{shared.file_id}")
    assert_problem(owner.get(f"/shares/{shared.id}"), 404, "not-found")
    assert owner.get("/shares")["results"] == []
    assert_problem(shared.look(), 404, "not-found")
    assert_problem(shared.download(), 404, "not-found")
    owner.post(f"/files/{shared.file_id}/restore")
    assert shared.look().status == 200


def test_an_expiry_is_kept_to_the_second_in_utc(owner: Client, anonymous: Client) -> None:
    moment = (timezone.now() + timedelta(days=1)).replace(microsecond=0)
    east = moment.astimezone(timezone.get_fixed_timezone(120)).isoformat()
    shared = share(owner, anonymous, expires_at=east)
    expected = moment.isoformat().replace("+00:00", "Z")
    assert owner.get(f"/shares/{shared.id}")["expires_at"] == expected
    assert shared.look()["expires_at"] == expected


def test_the_audit_trail_is_paged_and_only_the_owners(
    owner: Client, stranger: Client, shared: Shared
) -> None:
    for _ in range(3):
        shared.download()
        ShareEvent.objects.update(at=F("at") - timedelta(minutes=1))
    page = owner.get(f"/shares/{shared.id}/events?page_size=2")
    assert [event["what"] for event in page["results"]] == ["downloaded"] * 2
    assert page["results"][0].keys() == {"at", "what", "reason", "version", "count", "address"}
    assert page["results"][0]["version"] == 1
    assert page["results"][0]["address"] == "127.0.0.0"
    rest = owner.get(page["next"].partition("testserver")[2])
    assert (len(rest["results"]), rest["next"]) == (1, None)
    assert_problem(stranger.get(f"/shares/{shared.id}/events"), 404, "not-found")
