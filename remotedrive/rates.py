"""Rates as people write them: how many in which time."""

from __future__ import annotations

import re
from dataclasses import dataclass

FORM = "a whole number from 1 and a unit: 20/s, 600/min, 5000/hour, 50000/day"

_RATE = re.compile(r"([0-9]{1,9})/(s|sec|min|hour|day)", re.ASCII)
_SECONDS = {"s": 1, "sec": 1, "min": 60, "hour": 3600, "day": 86_400}


@dataclass(frozen=True)
class Rate:
    """At most `most` in `seconds`."""

    most: int
    seconds: int


def parse_rate(text: str) -> Rate:
    """Return the rate that `600/min` says; raises ValueError."""
    match = _RATE.fullmatch(text)
    if match is None or int(match[1]) == 0:
        raise ValueError(f"a rate is {FORM}")
    return Rate(int(match[1]), _SECONDS[match[2]])
