"""Two hosts' clocks differ: the times of a token are taken with JWT_LEEWAY seconds of leeway."""

from __future__ import annotations

import time
from typing import Any

import pytest
from pytest_django.fixtures import Settings

from tests.support.client import Client, assert_problem
from tests.support.tokens import ask, claims, signed


@pytest.fixture
def key(settings: Settings, owner: Client) -> bytes:
    return bytes(settings.JWT_SECRET.encode())


@pytest.mark.parametrize(("name", "seconds"), [("iat", 2), ("nbf", 2), ("exp", -2)])
@pytest.mark.parametrize("fraction", [0, 0.5])
def test_a_clock_that_is_two_seconds_off_is_taken(
    key: bytes, name: str, seconds: int, fraction: float
) -> None:
    at = int(time.time()) + seconds + fraction
    assert ask(signed(claims(**{name: at}), key)).status == 200


@pytest.mark.parametrize(
    ("name", "seconds", "code"),
    [("iat", 20, "token-invalid"), ("nbf", 20, "token-invalid"), ("exp", -20, "token-expired")],
)
@pytest.mark.parametrize("fraction", [0, 0.5])
def test_a_clock_that_is_further_off_is_not(
    key: bytes, name: str, seconds: int, code: str, fraction: float
) -> None:
    at = int(time.time()) + seconds + fraction
    assert_problem(ask(signed(claims(**{name: at}), key)), 401, code)


@pytest.mark.parametrize(("name", "seconds"), [("iat", 3), ("nbf", 3), ("exp", -1)])
def test_no_leeway_takes_none(key: bytes, settings: Settings, name: str, seconds: int) -> None:
    settings.JWT_LEEWAY = 0
    changes: dict[str, Any] = {name: int(time.time()) + seconds}
    assert ask(signed(claims(**changes), key)).status == 401
