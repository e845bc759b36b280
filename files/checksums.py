"""Conversions between the three forms of a SHA-256: `sha256:<hex>`, base64 (the store's), bytes.

All raise ValueError for an invalid checksum.
"""

import re
from base64 import b64decode, b64encode
from binascii import b2a_base64

_PREFIX = "sha256:"
_DIGEST_SIZE = 32
# Without IGNORECASE, by which "ſ" (U+017F) would match "s".
PATTERN = r"(?:[Ss][Hh][Aa]256:)?([0-9a-fA-F]{64})"
"""What `parse` takes."""
_match = re.compile(PATTERN).fullmatch


def parse(text: str) -> str:
    """`sha256:<64 hex>`, or the 64 hex alone, in any case → `sha256:<64 lower-case hex>`."""
    match = _match(text)
    if match is None:
        raise ValueError("a checksum is sha256: and 64 hexadecimal digits")
    return _PREFIX + match[1].lower()


def from_digest(digest: bytes) -> str:
    """The 32 bytes of a SHA-256 → `sha256:<64 lower-case hex>`."""
    if len(digest) != _DIGEST_SIZE:
        raise ValueError(f"a SHA-256 has {_DIGEST_SIZE} bytes")
    return _PREFIX + digest.hex()


def to_base64(checksum: str) -> str:
    """A checksum → the value of S3's `x-amz-checksum-sha256` header."""
    digest = bytes.fromhex(parse(checksum).removeprefix(_PREFIX))
    return b2a_base64(digest, newline=False).decode("ascii")


def from_base64(text: str) -> str:
    """The value of an `x-amz-checksum-sha256` header → `sha256:<64 lower-case hex>`.

    Strict: only the canonical base64 of 32 bytes is valid. The composite checksum of a multipart
    object (`…-2`) is invalid, too: it is no SHA-256 of the object.
    """
    try:
        digest = b64decode(text)
    except ValueError:
        digest = b""
    # The decoder skips foreign characters and ignores padding bits, so encode again and compare.
    if len(digest) != _DIGEST_SIZE or b64encode(digest).decode() != text:
        raise ValueError("not the base64 of a SHA-256")
    return from_digest(digest)
