from __future__ import annotations

import subprocess
import sys

import pytest

from tests.support.client import Client, assert_invalid

SLOW = "a/b" + "; " * 125 + ","


@pytest.mark.once
def test_a_media_type_made_to_be_slow_is_refused_at_once() -> None:
    # In a process of its own, which can be ended: a regular expression cannot be interrupted.
    code = (
        "import django; django.setup()\n"
        "from files.api.fields import MediaTypeField\n"
        "from rest_framework.serializers import ValidationError\n"
        f"try: MediaTypeField().run_validation({SLOW!r})\n"
        "except ValidationError: print('refused')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == "refused\n"


@pytest.mark.parametrize("value", ["a/b;", "a/b; ", 'a/b ;c="d e" ; f=g', "a/b;c=d", "a/b;;c=d"])
@pytest.mark.usefixtures("store")
def test_parameters_are_taken_as_they_are_written(owner: Client, value: str) -> None:
    assert owner.upload(b"x", content_type=value)["content_type"] == value


def test_a_slow_media_type_is_invalid(owner: Client) -> None:
    assert_invalid(owner.init(b"", content_type=SLOW), "content_type")
