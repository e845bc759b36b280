"""`manage.py mint_jwt`: a token and nothing else, or a reason and no token."""

from __future__ import annotations

import time
from io import StringIO
from typing import Any

import jwt
import pytest
from django.core.management import CommandError, call_command
from pytest_django.fixtures import Settings

from files.models import User
from tests.support import wire

pytestmark = pytest.mark.django_db


def mint(*arguments: str) -> str:
    said, complained = StringIO(), StringIO()
    call_command("mint_jwt", *arguments, stdout=said, stderr=complained)
    assert complained.getvalue() == ""
    return said.getvalue()


def claims(token: str) -> dict[str, Any]:
    return jwt.decode(token.strip(), options={"verify_signature": False})


def status(token: str) -> int:
    return wire.send("GET", "/files", [("authorization", f"Bearer {token}")]).status


def test_it_prints_a_token_that_opens_the_api_and_nothing_else() -> None:
    User.objects.create_user("alice")
    printed = mint("alice")
    assert printed.endswith("\n")
    assert printed.count("\n") == 1
    assert status(printed.strip()) == 200


def test_the_token_is_for_an_hour_or_as_long_as_asked() -> None:
    User.objects.create_user("alice")
    now = time.time()
    for arguments, seconds in (((), 3600), (("--ttl", "60"), 60), (("--ttl", "1"), 1)):
        made = claims(mint("alice", *arguments))
        assert made["exp"] - made["iat"] == seconds
        assert abs(made["iat"] - now) < 60


def test_issuer_and_audience_are_those_that_are_checked(settings: Settings) -> None:
    User.objects.create_user("alice")
    assert claims(mint("alice")).keys() == {"sub", "iat", "exp"}
    settings.JWT_ISSUER, settings.JWT_AUDIENCE = "https://idp.example", "drive"
    token = mint("alice").strip()
    assert (claims(token)["iss"], claims(token)["aud"]) == ("https://idp.example", "drive")
    assert status(token) == 200


def test_an_unknown_user_is_an_error_unless_it_is_to_be_made() -> None:
    with pytest.raises(CommandError, match="--create"):
        mint("bob")
    assert not User.objects.exists()
    assert status(mint("bob", "--create").strip()) == 200
    assert status(mint("bob", "--create").strip()) == 200
    assert User.objects.get().subject == "bob"


def test_a_user_is_found_by_subject_and_made_though_its_name_is_taken() -> None:
    User.objects.create_user("bob", subject="idp|7")
    with pytest.raises(CommandError):
        mint("bob")
    assert claims(mint("idp|7"))["sub"] == "idp|7"
    assert status(mint("bob", "--create").strip()) == 200
    assert User.objects.count() == 2


def test_an_inactive_user_gets_no_token() -> None:
    User.objects.create_user("alice", is_active=False)
    with pytest.raises(CommandError, match="not active"):
        mint("alice")


def test_without_a_secret_it_says_that_it_cannot(settings: Settings) -> None:
    settings.JWT_SECRET = None
    with pytest.raises(CommandError, match=r"no JWT_SECRET.*JWT_JWKS_URL"):
        mint("bob", "--create")
    assert not User.objects.exists()


@pytest.mark.parametrize("subject", ["", " ", " alice", "alice ", "a\0b", "a\nb", "x" * 256])
def test_a_subject_that_no_token_may_have_is_refused(subject: str) -> None:
    with pytest.raises(CommandError, match="SUBJECT"):
        mint(subject, "--create")
    assert not User.objects.exists()


@pytest.mark.parametrize("ttl", ["0", "-1", "315360001", "1.5", "x", ""])
def test_a_lifetime_that_cannot_be_is_refused(ttl: str) -> None:
    User.objects.create_user("alice")
    with pytest.raises(CommandError):
        mint("alice", f"--ttl={ttl}")
