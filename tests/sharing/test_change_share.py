"""PATCH /shares/{id}: what of a share may change, by whom, and what stays as it was."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from tests.support.client import Answer, Client, assert_invalid, assert_problem, fetch

pytestmark = pytest.mark.usefixtures("store")

ID = "01890a5d-ac96-774b-bcce-b302099a8057"
DATA = b"shared"


@pytest.fixture
def shared(owner: Client) -> Answer:
    file_id = owner.upload(DATA)["fileId"]
    body = {"file_id": file_id, "permission": "read", "password": "old", "max_downloads": 5}
    return owner.post("/shares", body)


def link(shared: Answer) -> str:
    return f"/s/{shared['token']}"


def given(password: str) -> dict[str, Any]:
    return {"headers": {"X-Share-Password": password}}


def events(owner: Client, shared: Answer) -> list[str]:
    found = owner.get(f"/shares/{shared['id']}/events")["results"]
    return [event["what"] for event in found]


def test_only_the_owner_changes_a_share(
    shared: Answer, anonymous: Client, stranger: Client, owner: Client
) -> None:
    path = f"/shares/{shared['id']}"
    assert_problem(anonymous.patch(path, {"password": None}), 401, "not-authenticated")
    assert_problem(stranger.patch(path, {"password": None}), 404, "not-found")
    assert_problem(owner.patch(f"/shares/{ID}", {"password": None}), 404, "not-found")
    assert_problem(anonymous.get(f"{link(shared)}/download"), 401, "share-password")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("file_id", ID),
        ("token", "mine"),
        ("download_count", 0),
        ("revoked_at", None),
    ],
)
def test_nothing_else_of_a_share_is_changed(
    shared: Answer, owner: Client, field: str, value: Any
) -> None:
    before = owner.get(f"/shares/{shared['id']}").json
    assert_invalid(owner.patch(f"/shares/{shared['id']}", {field: value}), field)
    assert owner.get(f"/shares/{shared['id']}").json == before
    assert events(owner, shared) == []


def test_a_revoked_share_is_not_changed(shared: Answer, owner: Client) -> None:
    owner.delete(f"/shares/{shared['id']}")
    answer = owner.patch(f"/shares/{shared['id']}", {"password": None})
    assert_problem(answer, 410, "share-revoked")


def test_each_limit_is_changed_and_taken_away(
    shared: Answer, owner: Client, anonymous: Client
) -> None:
    path = f"/shares/{shared['id']}"
    end = (timezone.now() + timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    changed = owner.patch(path, {"permission": "write", "expires_at": end, "max_downloads": 7})
    assert changed.status == 200
    assert changed.json == owner.get(path).json
    assert (changed["permission"], changed["expires_at"], changed["max_downloads"]) == (
        "write",
        end,
        7,
    )
    body = {"size": 1}
    assert anonymous.post(f"{link(shared)}/init-upload", body, **given("old")).status == 201
    free = owner.patch(path, {"expires_at": None, "max_downloads": None, "password": None})
    assert (free["expires_at"], free["max_downloads"]) == (None, None)
    assert free["password_required"] is False
    assert free["permission"] == "write"
    assert anonymous.get(f"{link(shared)}/download").status == 200
    assert events(owner, shared) == ["downloaded", "changed", "upload_started", "changed"]


def test_a_new_password_counts_at_once_and_opens_a_closed_share(
    shared: Answer, owner: Client, anonymous: Client
) -> None:
    for _ in range(10):
        anonymous.get(f"{link(shared)}/download", **given("wrong"))
    refused = anonymous.get(f"{link(shared)}/download", **given("old"))
    assert_problem(refused, 429, "throttled")
    owner.patch(f"/shares/{shared['id']}", {"password": "new"})
    old = anonymous.get(f"{link(shared)}/download", **given("old"))
    assert_problem(old, 401, "share-password")
    assert anonymous.get(f"{link(shared)}/download", **given("new")).status == 200


def test_downloads_that_were_made_are_not_taken_back(
    shared: Answer, owner: Client, anonymous: Client
) -> None:
    path = f"/shares/{shared['id']}"
    for _ in range(2):
        anonymous.get(f"{link(shared)}/download", **given("old"))
    assert_invalid(owner.patch(path, {"max_downloads": 1}), "max_downloads")
    assert owner.patch(path, {"max_downloads": 2}).status == 200
    gone = anonymous.get(f"{link(shared)}/download", **given("old"))
    assert_problem(gone, 410, "share-exhausted")


def test_an_empty_change_changes_and_records_nothing(shared: Answer, owner: Client) -> None:
    before = owner.get(f"/shares/{shared['id']}").json
    assert owner.patch(f"/shares/{shared['id']}", {}).json == before
    assert events(owner, shared) == []


def test_a_url_that_was_handed_out_before_stays_as_it_was(
    shared: Answer, owner: Client, anonymous: Client
) -> None:
    url = anonymous.get(f"{link(shared)}/download", **given("old"))["presigned_get_url"]
    end = (timezone.now() + timedelta(seconds=2)).strftime("%Y-%m-%dT%H:%M:%SZ")
    owner.patch(f"/shares/{shared['id']}", {"expires_at": end, "password": "new"})
    assert fetch(url).content == DATA
