"""The arguments of `benchmarks/run`. Standard library only."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Options:
    """What is measured, and for how long. Counts of files are of one user's.

    Where `seconds` is None, a round ends with the last of `requests`, however slow the machine is.
    """

    rounds: int
    seconds: int | None
    requests: int
    commits: int
    listings: tuple[int, ...]
    listing_requests: int
    small_uploads: int
    large_uploads: int
    put_files: int
    json: Path | None


def parse() -> Options:
    """Return the options of this run; exit with one sentence when an argument is invalid."""
    parser = argparse.ArgumentParser(
        prog="benchmarks/run",
        description="Measure the service and its peers in one run, with servers of its own on "
        "127.0.0.1, and print rates, CPU times and their ratios.",
        epilog="The first run installs the peers into var/benchmarks/venv. Compare figures of one "
        "run only.",
    )
    parser.add_argument(
        "--short",
        action="store_true",
        help="one round of a few requests each, to see that all of it works",
    )
    parser.add_argument(
        "--million", action="store_true", help="list 1,000,000 files of one user, too"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures to FILE, too")
    given = parser.parse_args()
    if given.json is not None and not given.json.resolve().parent.is_dir():
        parser.error(f"the folder of {given.json} is missing")
    million = (1_000_000,) if given.million else ()
    json = None if given.json is None else given.json.resolve()
    if given.short:
        return Options(
            rounds=1,
            seconds=None,
            requests=200,
            commits=100,
            listings=(1_000, 10_000, *million),
            listing_requests=10,
            small_uploads=20,
            large_uploads=1,
            put_files=8,
            json=json,
        )
    return Options(
        rounds=3,
        seconds=5,
        requests=200,
        commits=1_000,
        listings=(1_000, 100_000, *million),
        listing_requests=30,
        small_uploads=300,
        large_uploads=7,
        put_files=100,
        json=json,
    )
