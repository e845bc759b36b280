"""What the commands share: the `--json` option, and the drive of whoever is signed in."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import click

from remotedrive_client.cli import config
from remotedrive_client.cli.bars import Bars
from remotedrive_client.drive import JOBS, Drive

Command = TypeVar("Command", bound=Callable[..., Any])


def json_option(command: Command) -> Command:
    """Give a command `--json`, as the argument `as_json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(command)


def jobs_option(command: Command) -> Command:
    """Give a command `--jobs`."""
    return click.option(
        "--jobs",
        type=click.IntRange(1, 64),
        help=f"Transfers at once, parts of a large file among them. If not given, {JOBS} files, and"
        " large ones part after part: a kill then costs at most one part of each.",
    )(command)


@contextmanager
def signed_in(*, jobs: int | None = None, bars: bool = False) -> Iterator[Drive]:
    """Open the drive of the configuration; with `bars`, its transfers are shown."""
    known = config.load()
    shown = Bars() if bars and sys.stderr.isatty() else None
    drive = Drive(
        known.url,
        known.credentials(),
        state=config.state_file(),
        jobs=jobs or JOBS,
        part_jobs=jobs or 1,
        progress=shown,
    )
    try:
        with drive:
            yield drive
    finally:
        if shown is not None:
            shown.close()
