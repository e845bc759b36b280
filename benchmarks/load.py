"""Loads a server with wrk, and reads the CPU time that its processes took."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from scripts.lib import servers
from scripts.lib.processes import Processes
from scripts.lib.setup import ROOT, fail

CONNECTIONS = 16
ONCE_SECONDS = 120
"""Seconds in which requests that are sent once must be answered, however slow the machine is."""
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Request:
    """One request to send: the path with its query, the body as JSON or nothing."""

    method: str
    path: str
    body: str = ""


@dataclass(frozen=True)
class Measured:
    """What a server did under a load. Latencies and CPU are milliseconds."""

    rate: float
    p50: float
    p99: float
    cpu: float


class LoadError(Exception):
    """A server did not answer a request as the benchmark needs it; the text is a sentence."""


def ensure_wrk(processes: Processes) -> None:
    """Install wrk if it is missing."""
    if shutil.which("wrk") is None:
        servers.install(processes, "wrk")
    if shutil.which("wrk") is None:
        fail("wrk is needed. On Debian, as root: apt-get install wrk")


def load(
    processes: Processes,
    requests: Sequence[Request],
    *,
    url: str,
    token: str,
    pid: int,
    seconds: int | None,
    folder: Path,
) -> Measured:
    """Send `requests` in turn for so many `seconds`; each exactly once where it is None.

    `pid` is the server's first process. Raises LoadError unless all answers are below 400.
    """
    path = folder / "requests"
    lines = [f"Bearer {token}", *(f"{each.method}\t{each.path}\t{each.body}" for each in requests)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    most = ONCE_SECONDS if seconds is None else seconds
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{most}s", "--timeout=20s"]
    command += ["-s", str(ROOT / "benchmarks" / "load.lua"), url, "--", str(path)]
    before = cpu_seconds(pid)
    wrk = processes.start(
        "wrk",
        [*command, "once" if seconds is None else "cycle"],
        stdout=subprocess.PIPE,
        interruptible=True,  # load.lua ends it by SIGINT, which must not be blocked.
    )
    processes.wait_for_end(wrk, what="wrk", seconds=most + 30)
    spent = cpu_seconds(pid) - before
    assert wrk.stdout
    with wrk.stdout as output:
        said = output.read().decode()
    return _measured(said, spent, expected=len(requests) if seconds is None else None)


def _measured(said: str, spent: float, *, expected: int | None) -> Measured:
    try:
        counted = json.loads(said.strip().splitlines()[-1])
    except (IndexError, ValueError):
        raise LoadError(f"wrk failed: {said.strip()}") from None
    done = counted["requests"]
    if counted["refused"] or counted["lost"] or not done or expected not in (None, done):
        raise LoadError(
            f"Of {done} requests {counted['refused']} were refused and {counted['lost']} lost"
            + (f"; {expected} were sent." if expected is not None else ".")
        )
    return Measured(
        rate=done / counted["seconds"],
        p50=counted["p50"],
        p99=counted["p99"],
        cpu=spent * 1000 / done,
    )


def cpu_seconds(pid: int) -> float:
    """Return the CPU time, user and system, of a process and all its descendants so far.

    proc(5), /proc/pid/stat: fields 14 and 15, in clock ticks.
    """
    return sum(_own_ticks(each) for each in _tree(pid)) / _TICKS


def _own_ticks(pid: int) -> int:
    try:
        # The name in the second field may have blanks and parentheses.
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return 0
    after_name = fields.rpartition(")")[2].split()
    return int(after_name[11]) + int(after_name[12])


def _tree(pid: int) -> list[int]:
    """Return the process and its descendants, whichever of its threads started them."""
    found = [pid]
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = path.read_text(encoding="ascii").split()
        except OSError:
            continue
        found += [each for child in children for each in _tree(int(child))]
    return found
