"""Installs what `benchmarks/run` needs into an environment of its own, and runs it there.

Runs on any Python 3.11+ with the standard library only. The environment has the service's own
requirements in their pinned versions, and the peers'.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])

from benchmarks.options import parse  # noqa: E402
from scripts.lib.setup import ROOT, fail, require_posix, say, succeeds  # noqa: E402

FOLDER = ROOT / "var" / "benchmarks"
PYTHON = FOLDER / "venv" / "bin" / "python"
REQUIREMENTS = ROOT / "benchmarks" / "requirements.txt"


def main() -> None:
    """Replace this process by the benchmarks; print the help before anything is installed."""
    parse()
    require_posix()
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (FOLDER / "lock").open("w") as lock:
        # Of two first runs at once, the second waits and finds the work done.
        fcntl.flock(lock, fcntl.LOCK_EX)
        _install()
    os.chdir(ROOT)
    os.execv(PYTHON, [str(PYTHON), "-m", "benchmarks", *sys.argv[1:]])


def _install() -> None:
    """Make the environment anew unless it has what the list and this interpreter ask for."""
    wanted = f"{hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()} {sys.version}"
    stamp = FOLDER / "installed"
    if stamp.exists() and stamp.read_text(encoding="utf-8") == wanted:
        return
    say("Installing the service and its peers into var/benchmarks/venv …")
    stamp.unlink(missing_ok=True)
    if not succeeds(sys.executable, "-m", "venv", "--clear", str(PYTHON.parents[1])):
        fail("Failed to make a virtual environment. On Debian: apt-get install python3-venv")
    pip = (str(PYTHON), "-m", "pip", "--quiet", "--disable-pip-version-check", "--no-input")
    if not succeeds(*pip, "install", "--require-hashes", "-r", str(REQUIREMENTS)):
        fail(f"Failed to install {REQUIREMENTS}; see pip's error above.")
    stamp.write_text(wanted, encoding="utf-8")


if __name__ == "__main__":
    main()
