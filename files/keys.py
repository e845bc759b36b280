"""Names for new things: object keys in the store, and the ids of rows.

Pure but for the clock and the random source; knows neither the database nor the store.
"""

import re
import secrets
import unicodedata
import uuid
from os.path import splitext
from string import ascii_lowercase, digits

import ulid

_MAX_SLUG = 40
_MAX_EXTENSION = 16
_RANDOM_CHARACTERS = 8
_ALPHABET = digits + ascii_lowercase


def new_id() -> uuid.UUID:
    """A new row's id: a ULID in the form of a UUID, so that ids sort by time of creation."""
    return ulid.new().uuid


def object_key(filename: str, *, identifier: ulid.ULID | None = None) -> str:
    """A new key `uploads/YYYY/MM/DD/ULID-XXXXXXXX-suffix.ext` for a file of that name.

    The date (UTC) is the ULID's; a new ULID is made when no `identifier` is given. X is random,
    so that keys cannot be guessed from ids. Suffix and extension are what is left of the name in
    ASCII `[a-z0-9-]`: only for people who look into the bucket. A name that begins with its only
    dot (`.bashrc`) has no extension; of `archive.tar.gz` it is `gz`.
    """
    identifier = identifier or ulid.new()
    stem, extension = splitext(filename)
    slug = re.sub(r"[^a-z0-9]+", "-", _ascii(stem)).strip("-")[:_MAX_SLUG].rstrip("-") or "file"
    extension = re.sub(r"[^a-z0-9]", "", _ascii(extension))[:_MAX_EXTENSION]
    unguessable = "".join(secrets.choice(_ALPHABET) for _ in range(_RANDOM_CHARACTERS))
    name = f"{identifier}-{unguessable}-{slug}"
    if extension:
        name = f"{name}.{extension}"
    return f"uploads/{identifier.timestamp().datetime:%Y/%m/%d}/{name}"


def _ascii(text: str) -> str:
    """`text` in lower-case ASCII: accents are taken off, what has no ASCII form is dropped."""
    decomposed = unicodedata.normalize("NFKD", text)
    return decomposed.encode("ascii", "ignore").decode().lower()
