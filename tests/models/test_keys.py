"""Object keys and ids: their form, whatever the file name."""

import re
import time
import uuid
from datetime import UTC, datetime, timedelta

import pytest
import ulid
from hypothesis import example, given, settings
from hypothesis import strategies as st

from files.keys import new_id, object_key

pytestmark = pytest.mark.once

KEY = re.compile(
    r"uploads/(?P<date>[0-9]{4}/[0-9]{2}/[0-9]{2})/(?P<ulid>[0-7][0-9A-HJKMNP-TV-Z]{25})"
    r"-(?P<random>[0-9a-z]{8})-(?P<slug>[a-z0-9]+(?:-[a-z0-9]+)*)(?:\.(?P<extension>[a-z0-9]{1,16}))?"
)


def parts(key: str) -> re.Match[str]:
    match = KEY.fullmatch(key)
    assert match, key
    return match


@pytest.mark.parametrize(
    ("filename", "slug", "extension"),
    [
        ("report.pdf", "report", "pdf"),
        ("Annual Report (final) 2026.PDF", "annual-report-final-2026", "pdf"),
        ("archive.tar.gz", "archive-tar", "gz"),
        ("Übergrößen – été.jpeg", "ubergroen-ete", "jpeg"),
        ("résumé.döc", "resume", "doc"),
        ("ﬁle①.txt", "file1", "txt"),
        ("日本語.txt", "file", "txt"),
        ("日本語.日本", "file", None),
        ("README", "readme", None),
        (".bashrc", "bashrc", None),
        ("..bashrc", "bashrc", None),
        (".config.json", "config", "json"),
        ("ends with a dot.", "ends-with-a-dot", None),
        ("---.txt", "file", "txt"),
        ("-a_b-.txt", "a-b", "txt"),
        ("a.b c!d", "a", "bcd"),
        ("x" * 100 + ".txt", "x" * 40, "txt"),
        ("x" * 39 + " y.txt", "x" * 39, "txt"),
        ("a." + "e" * 17, "a", "e" * 16),
        ("", "file", None),
    ],
)
def test_slug_and_extension_are_what_is_left_of_the_name(
    filename: str, slug: str, extension: str | None
) -> None:
    match = parts(object_key(filename))
    assert (match["slug"], match["extension"]) == (slug, extension)


@settings(deadline=None)
@given(st.text(max_size=300))
@example("../../etc/passwd")
@example("a\\b\x00\r\n.t\u202ext")
@example("\ud800.\udfff")
def test_no_name_makes_a_key_of_another_form(filename: str) -> None:
    match = parts(object_key(filename))
    assert len(match["slug"]) <= 40


def test_the_date_is_that_of_the_ulid_in_utc() -> None:
    midnight = datetime(2026, 1, 1, tzinfo=UTC)
    last = ulid.from_timestamp(midnight - timedelta(milliseconds=1))
    first = ulid.from_timestamp(midnight)
    assert parts(object_key("a", identifier=last))["date"] == "2025/12/31"
    assert parts(object_key("a", identifier=first))["date"] == "2026/01/01"


def test_a_key_carries_the_ulid_it_is_given_in_upper_case() -> None:
    identifier = ulid.new()
    text = parts(object_key("a", identifier=identifier))["ulid"]
    assert text == str(identifier) == text.upper()


def test_two_keys_of_one_name_and_ulid_differ() -> None:
    identifier = ulid.new()
    assert len({object_key("a", identifier=identifier) for _ in range(1000)}) == 1000


def test_an_id_is_a_uuid_whose_first_48_bits_are_the_time() -> None:
    before = time.time_ns() // 1_000_000
    identifier = new_id()
    after = time.time_ns() // 1_000_000
    assert isinstance(identifier, uuid.UUID)
    assert before <= identifier.int >> 80 <= after


def test_ids_do_not_repeat() -> None:
    assert len({new_id() for _ in range(10_000)}) == 10_000
