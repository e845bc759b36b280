"""Checksums: one canonical form, and strictness about everything else."""

import base64
import hashlib
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from files import checksums

pytestmark = pytest.mark.once

# SHA-256 of "abc": FIPS 180-4's example.
ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
ABC_BASE64 = "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0="


@pytest.mark.parametrize(
    "text", [ABC, ABC.upper(), f"sha256:{ABC}", f"SHA256:{ABC.upper()}", f"Sha256:{ABC}"]
)
def test_every_accepted_spelling_becomes_the_canonical_one(text: str) -> None:
    assert checksums.parse(text) == f"sha256:{ABC}"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "sha256:",
        ABC[:-1],
        ABC + "0",
        f" {ABC}",
        f"{ABC}\n",
        f"sha256: {ABC}",
        f"sha256:sha256:{ABC}",
        f"sha1:{ABC}",
        f"sha256{ABC}",
        f"ſha256:{ABC}",
        "g" + ABC[1:],
        "٣" + ABC[1:],
        "０" + ABC[1:],
        ABC_BASE64,
    ],
)
def test_what_is_no_checksum_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="checksum"):
        checksums.parse(text)


def test_base64_is_that_of_the_digest_not_of_the_hex() -> None:
    assert checksums.to_base64(f"sha256:{ABC}") == ABC_BASE64
    assert checksums.from_base64(ABC_BASE64) == f"sha256:{ABC}"


def test_what_is_no_checksum_has_no_base64() -> None:
    with pytest.raises(ValueError, match="checksum"):
        checksums.to_base64("sha256:00")


@pytest.mark.parametrize(
    "text",
    [
        "",
        ABC_BASE64[:-1],
        ABC_BASE64 + "=",
        ABC_BASE64 + "\n",
        " " + ABC_BASE64,
        ABC_BASE64 + "-2",  # a multipart's composite checksum
        ABC_BASE64.replace("+", "-").replace("/", "_"),
        ABC_BASE64[:-2] + "1=",  # the same 32 bytes, with a padding bit set
        ABC_BASE64 + "\u00e9",
        base64.b64encode(hashlib.sha1(b"abc").digest()).decode(),
        base64.b64encode(hashlib.sha512(b"abc").digest()).decode(),
        base64.b64encode(ABC.encode()).decode(),
    ],
)
def test_what_is_not_the_base64_of_32_bytes_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not the base64"):
        checksums.from_base64(text)


def test_a_digest_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        checksums.from_digest(b"\0" * 31)
    with pytest.raises(ValueError, match="32 bytes"):
        checksums.from_digest(b"\0" * 33)


@settings(deadline=None)
@given(st.binary(min_size=32, max_size=32))
def test_every_digest_survives_all_spellings(digest: bytes) -> None:
    checksum = checksums.from_digest(digest)
    assert checksum == f"sha256:{digest.hex()}"
    assert checksums.parse(checksum.upper()) == checksum
    assert base64.b64decode(checksums.to_base64(checksum)) == digest
    assert checksums.from_base64(checksums.to_base64(checksum)) == checksum


@settings(deadline=None)
@given(st.text() | st.from_regex(r"(?i)(sha256:)?[0-9a-f]{63,65}\s?", fullmatch=True))
def test_parse_gives_the_canonical_form_or_a_value_error(text: str) -> None:
    try:
        checksum = checksums.parse(text)
    except ValueError:
        assert not re.fullmatch("([sS][hH][aA]256:)?[0-9a-fA-F]{64}", text)
    else:
        assert re.fullmatch("sha256:[0-9a-f]{64}", checksum)
        assert checksum.endswith(text[-64:].lower())
