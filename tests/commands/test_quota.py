"""`manage.py quota SUBJECT SIZE`."""

from __future__ import annotations

from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from pytest_django.fixtures import Settings

from files.models import Upload, User
from remotedrive.sizes import parse_size, written_size
from tests.support.client import Client
from tests.support.rows import make_file


def quota(*arguments: str) -> str:
    out = StringIO()
    call_command("quota", *arguments, stdout=out)
    return out.getvalue()


def test_an_unknown_subject_is_named(owner: Client) -> None:
    with pytest.raises(CommandError, match="there is no user 'nobody'"):
        quota("nobody", "1GiB")


@pytest.mark.parametrize("size", ["", "x", "-1", "1.5GiB", "1 KiBs", "1iB", "９", "9" * 30, "8EiB"])
def test_what_is_no_size_is_refused(owner: Client, size: str) -> None:
    with pytest.raises(CommandError, match="a size is"):
        quota("owner", size)
    assert User.objects.get().quota_bytes is None


@pytest.mark.parametrize(
    ("size", "number"),
    [
        ("0", 0),
        ("1500", 1500),
        ("12B", 12),
        ("500MB", 500_000_000),
        ("500 mb", 500_000_000),
        ("1KiB", 1024),
        ("20GiB", 20 << 30),
        ("20gib", 20 << 30),
        ("7EiB", 7 << 60),
        (str((1 << 63) - 1), (1 << 63) - 1),
    ],
)
def test_a_size_is_bytes_or_has_a_unit(size: str, number: int) -> None:
    assert parse_size(size) == number


def test_a_size_is_written_in_the_largest_unit_that_it_fills() -> None:
    sizes = (0, 1023, 1024, 1536 << 20, 7 << 60)
    written = ["0 bytes", "1023 bytes", "1.0 KiB", "1.5 GiB", "7.0 EiB"]
    assert [written_size(size) for size in sizes] == written


def test_the_bytes_are_counted_and_all_is_printed(owner: Client) -> None:
    make_file(owner.user, versions=3)
    owner.init(size=2000)
    printed = quota("owner", "20GiB")
    assert printed == ("owner: quota 21474836480 (20.0 GiB), used 6, reserved 2000 (2.0 KiB)\n")
    user = User.objects.get()
    assert (user.quota_bytes, user.bytes_used, user.bytes_reserved) == (20 << 30, 6, 2000)
    assert Upload.objects.get().reserved


def test_counters_that_went_wrong_are_counted_again(owner: Client) -> None:
    make_file(owner.user, versions=2)
    quota("owner", "100")
    User.objects.update(bytes_used=77, bytes_reserved=7)
    assert quota("owner", "100") == "owner: quota 100, used 3, reserved 0\n"


def test_none_takes_the_quota_away(owner: Client, settings: Settings) -> None:
    quota("owner", "100")
    assert quota("owner", "none") == "owner: quota none, used 0, reserved 0\n"
    user = User.objects.get()
    assert (user.quota_bytes, user.bytes_used, user.bytes_reserved) == (None, None, None)
    settings.DEFAULT_QUOTA = 500
    assert quota("owner", "none") == "owner: quota 500, used 0, reserved 0\n"
