"""Collects the figures of a run, and shows them as a table or as JSON."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_NAME_WIDTH = 44
_WIDTH = 13


@dataclass
class Section:
    """Rows with the same columns. A cell has the values of all rounds, of which the median counts.

    A cell without values is shown as `-`.
    """

    title: str
    columns: Sequence[str]
    rows: list[tuple[str, Sequence[Sequence[float]]]] = field(default_factory=list)

    def add(self, name: str, *cells: Sequence[float]) -> None:
        """Add a row with one cell for each column."""
        assert len(cells) == len(self.columns)
        self.rows.append((name, cells))

    def text(self) -> str:
        """Return the section as lines of text."""
        widths = [max(_WIDTH, len(each) + 2) for each in self.columns]
        lines = [f"{self.title:<{_NAME_WIDTH}}{_aligned(self.columns, widths)}"]
        for name, cells in self.rows:
            shown = _aligned(list(map(_shown, cells)), widths)
            lines.append(f"  {name:<{_NAME_WIDTH - 2}}{shown}")
        return "\n".join(lines) + "\n"

    def as_json(self) -> dict[str, Any]:
        """Return the section with the values of each round."""
        rows = [
            {"name": name, "rounds": dict(zip(self.columns, map(list, cells), strict=True))}
            for name, cells in self.rows
        ]
        return {"title": self.title, "columns": list(self.columns), "rows": rows}


def ratios(mine: Sequence[float], others: Sequence[float]) -> list[float]:
    """Return mine / other of each round; none of a round in which the other is 0."""
    return [a / b for a, b in zip(mine, others, strict=True) if b]


def write_json(path: Path, sections: Sequence[Section]) -> None:
    """Write all sections to a file."""
    text = json.dumps([each.as_json() for each in sections], indent=1)
    path.write_text(text + "\n", encoding="utf-8")


def _aligned(texts: Sequence[str], widths: Sequence[int]) -> str:
    return "".join(f"{text:>{width}}" for text, width in zip(texts, widths, strict=True))


def _shown(values: Sequence[float]) -> str:
    if not values:
        return "-"
    median = statistics.median(values)
    digits = 0 if median >= 1000 else 1 if median >= 100 else 2 if median >= 0.1 else 3
    return f"{median:,.{digits}f}"
