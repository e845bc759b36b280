"""Object keys in the store, and ids of rows. Without I/O; uses the clock and random numbers."""

import re
import secrets
import unicodedata
import uuid
from datetime import date, datetime
from os.path import splitext
from string import ascii_lowercase, digits

import ulid

_MAX_SLUG = 40
_MAX_EXTENSION = 16
_RANDOM_CHARACTERS = 8
_ALPHABET = digits + ascii_lowercase


def new_id() -> uuid.UUID:
    """Return the id of a new row: a ULID as a UUID, so that ids sort by time of creation."""
    return ulid.new().uuid


def first_id(at: datetime) -> uuid.UUID:
    """Return the smallest id that `new_id` may give at that time."""
    return uuid.UUID(int=int(at.timestamp() * 1000) << 80)


def object_key(filename: str, *, identifier: ulid.ULID | None = None) -> str:
    """Return a new key `uploads/YYYY/MM/DD/ULID-XXXXXXXX-suffix.ext` for a file of that name.

    The ULID is `identifier` or a new one, and the date (UTC) is the ULID's. X is random, so that
    keys cannot be guessed from ids. Suffix and extension are the name reduced to `[a-z0-9-]`, for
    people who look into the bucket: `archive.tar.gz` has the extension `gz`, `.bashrc` none.
    """
    identifier = identifier or ulid.new()
    number = secrets.randbelow(len(_ALPHABET) ** _RANDOM_CHARACTERS)
    unguessable = ""
    for _ in range(_RANDOM_CHARACTERS):
        number, digit = divmod(number, len(_ALPHABET))
        unguessable += _ALPHABET[digit]
    name = f"{identifier}-{unguessable}-{ascii_name(filename)}"
    return f"uploads/{identifier.timestamp().datetime:%Y/%m/%d}/{name}"


def day_of(key: str) -> date | None:
    """Return the date in a key, None if it has none: it was not made here."""
    try:
        return datetime.strptime(key[:19], "uploads/%Y/%m/%d/").date()
    except ValueError:
        return None


def ascii_name(filename: str) -> str:
    """Return what is left of a name in ASCII `[a-z0-9-]`, with its extension; `file` if nothing."""
    stem, extension = splitext(filename)
    slug = re.sub(r"[^a-z0-9]+", "-", _ascii(stem)).strip("-")[:_MAX_SLUG].rstrip("-") or "file"
    extension = re.sub(r"[^a-z0-9]", "", _ascii(extension))[:_MAX_EXTENSION]
    return f"{slug}.{extension}" if extension else slug


def _ascii(text: str) -> str:
    """Return `text` in lower-case ASCII, without accents and characters that have no ASCII form."""
    decomposed = unicodedata.normalize("NFKD", text)
    return decomposed.encode("ascii", "ignore").decode().lower()
