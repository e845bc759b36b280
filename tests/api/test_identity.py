"""Whom a good token stands for: its subject, whom it is meant for, and users made on the way."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.db import connection
from pytest_django import DjangoAssertNumQueries
from pytest_django.fixtures import Settings

from files.models import User
from tests.support.client import Client, assert_invalid, assert_problem
from tests.support.tokens import NOW, ask, claims, signed


@pytest.fixture
def key(settings: Settings) -> bytes:
    return bytes(settings.JWT_SECRET.encode())


@pytest.mark.parametrize("create", [False, True])
@pytest.mark.parametrize(
    "subject",
    [
        pytest.param(None, id="missing"),
        pytest.param("", id="empty"),
        pytest.param("   ", id="blank"),
        pytest.param(" owner", id="a blank before"),
        pytest.param("owner ", id="a blank after"),
        pytest.param("owner\n", id="a line break after"),
        pytest.param("own\x00er", id="NUL"),
        pytest.param("own\ud800er", id="a lone surrogate"),
        pytest.param("own\u202eer", id="a bidi control"),
        pytest.param("own\u200ber", id="an invisible character"),
        pytest.param("o" * 256, id="too long"),
        pytest.param(7, id="a number"),
        pytest.param(True, id="true"),
        pytest.param(["owner"], id="a list"),
        pytest.param({"owner": 1}, id="an object"),
    ],
)
def test_a_sub_that_is_no_subject_is_refused_and_makes_no_user(
    owner: Client, key: bytes, settings: Settings, subject: Any, create: bool
) -> None:
    settings.JWT_CREATE_USERS = create
    assert_problem(ask(signed(claims(sub=subject), key)), 401, "token-invalid")
    assert User.objects.count() == 1


def test_a_sub_of_255_characters_of_any_script_is_a_subject(
    db: None, key: bytes, settings: Settings
) -> None:
    settings.JWT_CREATE_USERS = True
    subject = "ж日🙂" * 85
    assert ask(signed(claims(sub=subject), key)).status == 200
    assert User.objects.get().subject == subject


def test_an_inactive_user_and_an_unknown_one_get_the_same_answer(owner: Client) -> None:
    token = owner.token
    owner.user.is_active = False
    owner.user.save()
    inactive = assert_problem(owner.get("/files"), 401, "token-invalid")
    owner.user.delete()
    owner.token = token
    unknown = assert_problem(owner.get("/files"), 401, "token-invalid")
    assert inactive["detail"] == unknown["detail"]


@pytest.mark.parametrize("subject", ["Owner", "OWNER", "owner2", "own%r", "own_r"])
def test_a_subject_is_matched_exactly(owner: Client, key: bytes, subject: str) -> None:
    assert_problem(ask(signed(claims(sub=subject), key)), 401, "token-invalid")


def test_the_subject_counts_and_not_the_user_name(db: None, key: bytes) -> None:
    User.objects.create_user("owner", subject="idp|7")
    assert_problem(ask(signed(claims(sub="owner"), key)), 401, "token-invalid")
    assert ask(signed(claims(sub="idp|7"), key)).status == 200


def test_checking_a_token_costs_one_query(
    owner: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(1):
        assert_invalid(owner.get("/files?unknown=1"), "unknown")


@pytest.mark.parametrize("audience", [None, "drive", ["other", "drive"]])
@pytest.mark.parametrize("issuer", [None, "https://idp.example"])
def test_aud_and_iss_are_not_looked_at_where_none_is_configured(
    owner: Client, key: bytes, audience: Any, issuer: Any
) -> None:
    assert ask(signed(claims(aud=audience, iss=issuer), key)).status == 200


@pytest.mark.parametrize(
    ("audience", "accepted"),
    [
        ("drive", True),
        (["other", "drive"], True),
        (None, False),
        ("other", False),
        ("Drive", False),
        ("drives", False),
        ("", False),
        ([], False),
        (["other"], False),
        ([7, "drive"], False),
        (7, False),
        ({"drive": 1}, False),
    ],
)
def test_a_configured_audience_must_be_among_the_tokens(
    owner: Client, key: bytes, settings: Settings, audience: Any, accepted: bool
) -> None:
    settings.JWT_AUDIENCE = "drive"
    answer = ask(signed(claims(aud=audience), key))
    if accepted:
        assert answer.status == 200
    else:
        assert_problem(answer, 401, "token-invalid")


@pytest.mark.parametrize(
    ("issuer", "accepted"),
    [
        ("https://idp.example", True),
        (None, False),
        ("https://idp.example/", False),
        ("https://idp.example.evil", False),
        ("https://idp", False),
        ("", False),
        (["https://idp.example"], False),
        (7, False),
    ],
)
def test_a_configured_issuer_must_be_the_tokens(
    owner: Client, key: bytes, settings: Settings, issuer: Any, accepted: bool
) -> None:
    settings.JWT_ISSUER = "https://idp.example"
    answer = ask(signed(claims(iss=issuer), key))
    if accepted:
        assert answer.status == 200
    else:
        assert_problem(answer, 401, "token-invalid")


def test_an_unknown_subject_is_made_a_user_where_settings_say_so(
    db: None, key: bytes, settings: Settings
) -> None:
    settings.JWT_CREATE_USERS = True
    token = signed(claims(sub="newcomer"), key)
    assert ask(token).status == 200
    assert ask(token).status == 200
    made = User.objects.get()
    assert (made.subject, made.username) == ("newcomer", "newcomer")
    assert not made.is_superuser
    assert not made.is_staff
    assert not made.has_usable_password()


def test_a_user_is_made_though_another_one_bears_the_subject_as_its_name(
    db: None, key: bytes, settings: Settings
) -> None:
    settings.JWT_CREATE_USERS = True
    other = User.objects.create_user("newcomer", subject="idp|7")
    assert ask(signed(claims(sub="newcomer"), key)).status == 200
    made = User.objects.get(subject="newcomer")
    assert made.pk != other.pk


def test_an_inactive_user_is_not_made_again(owner: Client, settings: Settings) -> None:
    settings.JWT_CREATE_USERS = True
    User.objects.update(is_active=False)
    assert_problem(owner.get("/files"), 401, "token-invalid")
    assert User.objects.count() == 1


@pytest.mark.parametrize("refused", ["expired", "signed by another"])
def test_no_user_is_made_of_a_token_that_is_refused(
    db: None, key: bytes, settings: Settings, refused: str
) -> None:
    settings.JWT_CREATE_USERS = True
    expired = refused == "expired"
    token = signed(claims(exp=NOW - 20), key) if expired else signed(claims(), b"x" * 40)
    assert ask(token).status == 401
    assert not User.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_subject_that_comes_many_times_at_once_is_made_one_user(
    key: bytes, settings: Settings
) -> None:
    settings.JWT_CREATE_USERS = True
    token = signed(claims(sub="newcomer"), key)
    statuses: list[int] = []
    together = threading.Barrier(8)

    def come() -> None:
        try:
            together.wait(timeout=10)
            statuses.append(ask(token).status)
        finally:
            connection.close()

    threads = [threading.Thread(target=come) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert statuses == [200] * 8
    assert User.objects.get().subject == "newcomer"
