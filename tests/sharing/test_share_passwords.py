"""Passwords of shares in the form of RFC 8265's OpaqueString, however they are typed."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from django.contrib.auth.hashers import make_password

from files.models import Share
from files.services.passwords import normalized
from tests.support.client import Client, assert_problem

pytestmark = pytest.mark.usefixtures("store")

COMPOSED, DECOMPOSED = "gr\u00fcn", "gru\u0308n"


def enter(client: Client, path: str, password: str) -> int:
    by_header = client.get(f"{path}/download", headers={"X-Share-Password": quote(password)})
    by_body = client.post(f"{path}/download", {"password": password})
    assert by_header.status == by_body.status
    return by_header.status


def path_of(owner: Client, password: str) -> str:
    file_id = owner.upload(b"x")["fileId"]
    body = {"file_id": file_id, "permission": "read", "password": password}
    return f"/s/{owner.post('/shares', body)['token']}"


@pytest.mark.parametrize(
    ("made", "typed"),
    [
        (COMPOSED, DECOMPOSED),
        (DECOMPOSED, COMPOSED),
        ("a b", "a\u00a0b"),
        ("a\u3000b", "a b"),
        ("\u1e9b\u0323", "\u017f\u0323\u0307"),
    ],
)
def test_a_password_is_right_in_whatever_form_it_is_typed(
    owner: Client, anonymous: Client, made: str, typed: str
) -> None:
    path = path_of(owner, made)
    assert enter(anonymous, path, typed) == 200
    assert enter(anonymous, path, made) == 200


@pytest.mark.parametrize(
    "typed", ["GR\u00dcN", "grun", "gr\u00fcn ", " gr\u00fcn", "\uff47r\u00fcn"]
)
def test_another_password_stays_another(owner: Client, anonymous: Client, typed: str) -> None:
    assert enter(anonymous, path_of(owner, COMPOSED), typed) == 401


def test_a_share_from_before_goes_on_taking_its_password(owner: Client, anonymous: Client) -> None:
    path = path_of(owner, "any")
    Share.objects.update(password=make_password(DECOMPOSED))
    assert enter(anonymous, path, DECOMPOSED) == 200
    assert_problem(anonymous.get(f"{path}/download"), 401, "share-password")


def test_the_canonical_form_is_stable() -> None:
    for text in (COMPOSED, DECOMPOSED, "a\u2003b", "\u212b", "日本語", "🙂"):
        assert normalized(normalized(text)) == normalized(text)
