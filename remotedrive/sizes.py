"""Sizes as people write them."""

from __future__ import annotations

import re

SIZE_MAX = (1 << 63) - 1
FORM = "bytes, or a whole number with a unit: 500MB, 20GiB"

_SIZE = re.compile(r"([0-9]{1,19}) ?(?:([KMGTPE])(I?)B|B)?", re.IGNORECASE)
_LETTERS = "KMGTPE"


def parse_size(text: str) -> int:
    """Return the bytes of `500`, `500MB` (of 1000) or `20GiB` (of 1024); raises ValueError."""
    match = _SIZE.fullmatch(text) if text.isascii() else None
    if match is None:
        raise ValueError(f"a size is {FORM}")
    number, letter, binary = match.groups()
    power = 0 if letter is None else _LETTERS.index(letter.upper()) + 1
    size: int = int(number) * (1024 if binary else 1000) ** power
    if size > SIZE_MAX:
        raise ValueError(f"a size is at most {SIZE_MAX} bytes")
    return size


def written_size(size: int) -> str:
    """Return a size in the largest binary unit that it fills: `20.0 GiB`."""
    for power, letter in reversed(list(enumerate(_LETTERS, start=1))):
        if size >= 1024**power:
            return f"{size / 1024**power:.1f} {letter}iB"
    return f"{size} bytes"
