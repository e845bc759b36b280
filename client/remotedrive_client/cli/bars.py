"""Progress bars on a terminal: one for all, and one for each file that is under way."""

from __future__ import annotations

import sys
import threading
from typing import Any

from tqdm import tqdm

_DELAY = 0.3
"""Seconds until the bar of a file shows; small files are gone by then."""


class Bars:
    """Bars on standard error, which must be a terminal."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._slots: set[int] = set()
        self._total: tqdm[Any] = _bar("all", 0, 0)

    def expect(self, size: int) -> None:
        """Add to what the bar for all counts up to."""
        with self._lock:
            self._total.total = (self._total.total or 0) + size
            self._total.refresh()

    def reading(self, name: str, size: int) -> Bar:
        """Show how far a file is read."""
        return Bar(self, None, f"reading {name}", size, 0)

    def begin(self, name: str, size: int, done: int = 0) -> Bar:
        """Show how far a file is transferred."""
        with self._lock:
            # What an earlier run has transferred says nothing of the rate.
            self._total.n += done
            self._total.initial += done
        return Bar(self, self._total, name, size, done)

    def close(self) -> None:
        """Take the bars off the screen."""
        self._total.close()

    def take_slot(self) -> int:
        """Return the first line below the bar for all that is free."""
        with self._lock:
            slot = next(n for n in range(1, len(self._slots) + 2) if n not in self._slots)
            self._slots.add(slot)
            return slot

    def give_slot(self, slot: int) -> None:
        """Free a line."""
        with self._lock:
            self._slots.discard(slot)


class Bar:
    """The bar of one file; what it counts goes into `total`, too."""

    def __init__(
        self, bars: Bars, total: tqdm[Any] | None, name: str, size: int, done: int
    ) -> None:
        self._bars = bars
        self._total = total
        self._slot = bars.take_slot()
        self._bar = _bar(name, self._slot, size, initial=done, delay=_DELAY)

    def advance(self, count: int) -> None:
        """Move the bar, back if `count` is negative."""
        self._bar.update(count)
        if self._total is not None:
            self._total.update(count)

    def end(self) -> None:
        """Take the bar off the screen."""
        self._bar.close()
        self._bars.give_slot(self._slot)


def _bar(name: str, position: int, size: int, **options: Any) -> tqdm[Any]:
    return tqdm(
        desc=name if len(name) <= 30 else f"{name[:29]}…",
        total=size,
        position=position,
        unit="B",
        unit_scale=True,
        unit_divisor=1024,
        dynamic_ncols=True,
        leave=False,
        file=sys.stderr,
        **options,
    )
