"""A verified token and its user are remembered for some seconds, and no longer than they may be."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django.fixtures import Settings

from files.api import remembered
from files.api.remembered import remembered_users
from files.models import User
from tests.support.client import Client, assert_problem
from tests.support.tokens import ask, claims, signed

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def remembering(settings: Settings) -> Iterator[None]:
    settings.AUTH_CACHE_SECONDS = 60
    yield
    remembered_users.forget_all()


def queries_of(client: Client) -> int:
    with CaptureQueriesContext(connection) as captured:
        assert client.get("/uploads").status == 200
    return len(captured)


def test_the_user_is_fetched_once(owner: Client) -> None:
    assert [queries_of(owner) for _ in range(3)] == [2, 1, 1]


def test_a_user_who_is_deactivated_is_refused_at_once_where_it_was_done(owner: Client) -> None:
    assert owner.get("/files").status == 200
    owner.user.is_active = False
    owner.user.save()
    assert_problem(owner.get("/files"), 401, "token-invalid")


def test_a_user_who_is_deleted_is_refused_at_once_where_it_was_done(owner: Client) -> None:
    assert owner.get("/files").status == 200
    User.objects.all().delete()
    assert_problem(owner.get("/files"), 401, "token-invalid")


def test_a_user_who_is_deactivated_elsewhere_is_refused_when_the_seconds_are_over(
    owner: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert owner.get("/files").status == 200
    User.objects.update(is_active=False)
    assert owner.get("/files").status == 200
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 60)
    assert_problem(owner.get("/files"), 401, "token-invalid")


def test_a_token_is_not_taken_any_longer_than_it_is_valid(
    owner: Client, settings: Settings
) -> None:
    settings.JWT_LEEWAY = 0
    token = signed(claims(exp=int(time.time()) + 2), settings.JWT_SECRET.encode())
    assert ask(token).status == 200
    time.sleep(2.1)
    assert_problem(ask(token), 401, "token-expired")


def test_a_user_who_is_saved_while_being_fetched_is_not_remembered(owner: Client) -> None:
    saves = remembered_users.saves()
    owner.user.save()
    assert owner.token is not None
    remembered_users.add(owner.token, owner.user, expires_at=time.time() + 60, saves=saves)
    assert remembered_users.get(owner.token) is None


def test_no_more_tokens_are_remembered_than_there_is_room_for(
    owner: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remembered, "_TOKENS_MAX", 2)
    saves, later = remembered_users.saves(), time.time() + 60
    for token in ("a", "b", "c"):
        remembered_users.add(token, owner.user, expires_at=later, saves=saves)
    assert [remembered_users.get(token) is None for token in ("a", "b", "c")] == [
        True,
        False,
        False,
    ]


def test_a_refused_token_is_not_remembered(owner: Client, settings: Settings) -> None:
    for _ in range(2):
        assert_problem(ask("a.b.c"), 401, "token-invalid")
    settings.AUTH_CACHE_SECONDS = 0
    assert [queries_of(owner) for _ in range(2)] == [2, 2]
