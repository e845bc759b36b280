"""`manage.py set_password`: from a terminal, from standard input, and what it refuses."""

from __future__ import annotations

import io
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from files.models import User
from tests.support.client import Client


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def set_password(monkeypatch: pytest.MonkeyPatch, typed: str, subject: str = "owner") -> str:
    said = io.StringIO()
    monkeypatch.setattr("sys.stdin", io.StringIO(typed))
    call_command("set_password", subject, stdout=said)
    return said.getvalue()


def test_an_unknown_user_is_refused(monkeypatch: pytest.MonkeyPatch, db: None) -> None:
    with pytest.raises(CommandError, match="there is no user 'nobody'"):
        set_password(monkeypatch, "correct horse\n", "nobody")


def test_an_inactive_user_is_refused(monkeypatch: pytest.MonkeyPatch, owner: Client) -> None:
    User.objects.update(is_active=False)
    with pytest.raises(CommandError, match="'owner' is not active; it cannot sign in"):
        set_password(monkeypatch, "correct horse\n")
    owner.user.refresh_from_db()
    assert not owner.user.has_usable_password()


@pytest.mark.parametrize("typed", ["", "short\n", "password\n"])
def test_a_weak_password_is_refused(
    monkeypatch: pytest.MonkeyPatch, owner: Client, typed: str
) -> None:
    with pytest.raises(CommandError, match=r"too (short|common)"):
        set_password(monkeypatch, typed)
    owner.user.refresh_from_db()
    assert not owner.user.has_usable_password()


def test_two_passwords_that_differ_are_refused(
    monkeypatch: pytest.MonkeyPatch, owner: Client
) -> None:
    typed: Any = iter(["correct horse", "correct house"])
    monkeypatch.setattr("sys.stdin", Terminal())
    monkeypatch.setattr("getpass.getpass", lambda _: next(typed))
    with pytest.raises(CommandError, match="differ"):
        call_command("set_password", "owner")


def test_the_first_line_of_standard_input_becomes_the_password(
    monkeypatch: pytest.MonkeyPatch, owner: Client
) -> None:
    said = set_password(monkeypatch, " correct horse \nmore\n")
    assert "owner can sign in" in said
    assert "correct" not in said
    owner.user.refresh_from_db()
    assert owner.user.check_password(" correct horse ")


def test_a_password_is_taken_away(owner: Client) -> None:
    owner.user.set_password("correct horse")
    owner.user.save()
    said = io.StringIO()
    call_command("set_password", "owner", "--remove", stdout=said)
    assert said.getvalue() == "owner has no password any more.\n"
    owner.user.refresh_from_db()
    assert not owner.user.has_usable_password()
