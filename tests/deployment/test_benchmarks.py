"""`benchmarks/run --short` measures all that it says, and leaves nothing running."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

from benchmarks import client_puts
from benchmarks.comparison import OBSERVATION
from benchmarks.contenders import OBSERVED, SERVICE, TWO_WORKERS, UNOBSERVED
from benchmarks.listings import QUERIES
from benchmarks.operations import COMPARED
from tests.support.own_servers import available
from tests.support.process import ROOT

SECONDS = 600
"""The first run installs the peers, and the machine may be busy with other tests."""


def running_in_group(group: int) -> list[str]:
    """Return the lines of proc(5) of a process group, without those that wait to be reaped."""
    lines = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(FileNotFoundError, ProcessLookupError):
            lines.append(path.read_text(errors="replace"))
    # After the name: the state, the parent, the group.
    fields = [(line, line.rpartition(")")[2].split()) for line in lines]
    return [line for line, found in fields if int(found[2]) == group and found[0] != "Z"]


@pytest.mark.slow
@pytest.mark.skipif(
    not available or (shutil.which("wrk") is None and os.geteuid() != 0),
    reason="needs PostgreSQL, MinIO and wrk",
)
def test_a_short_run_prints_every_row_and_ends_all_that_it_started(tmp_path: Path) -> None:
    written = tmp_path / "figures.json"
    run = subprocess.Popen(
        [ROOT / "benchmarks" / "run", "--short", "--json", str(written)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        said, complaints = run.communicate(timeout=SECONDS)
    finally:
        run.send_signal(signal.SIGTERM)
    assert run.returncode == 0, complaints
    assert running_in_group(run.pid) == []

    sections = {each["title"]: each["rows"] for each in json.loads(written.read_text())}
    names = {title: [row["name"] for row in rows] for title, rows in sections.items()}
    assert names == {
        **{operation: list(contenders) for operation, contenders in COMPARED.items()},
        "init-upload, more workers": [SERVICE, TWO_WORKERS],
        OBSERVATION: [OBSERVED, UNOBSERVED],
        "the server layer alone, /problems/invalid": [SERVICE],
        "batches": ["init-upload", "commit"],
        "a whole upload": ["4 KiB", "64 MiB"],
        client_puts.TITLE: list(client_puts.ROWS.values()),
        "listings of one user's files": list(QUERIES),
    }
    for title, rows in sections.items():
        assert re.search(rf"^{re.escape(title)}  ", said, re.MULTILINE)
        for row in rows:
            assert re.search(rf"^  {re.escape(row['name'])}  +[\d.,]+ ", said, re.MULTILINE)
            assert all(values for values in row["rounds"].values()), row


@pytest.mark.once
def test_the_service_is_measured_with_the_versions_that_it_runs_with() -> None:
    service, measured = (
        set(re.findall(r"^[\w.\[\]-]+==[^\s;]+", (ROOT / path).read_text(), re.MULTILINE))
        for path in ("requirements.txt", "benchmarks/requirements.txt")
    )
    # One extra more is asked for there.
    plain = {re.sub(r"\[.*\]", "", each) for each in measured}
    assert {re.sub(r"\[.*\]", "", each) for each in service} <= plain
