"""Makes `.venv` and installs pinned requirements into it.

Runs on any Python 3.11+ with nothing installed, so it imports the standard library only.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parents[2]
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
_STAMP = VENV / "installed.json"
_HERE = "interpreter"
_VENV_HINT = "On Debian and Ubuntu: apt-get install python3-venv"


def say(sentence: str) -> None:
    """Write one line to standard error."""
    sys.stderr.write(f"{sentence}\n")
    sys.stderr.flush()


def fail(sentence: str) -> NoReturn:
    """Print `sentence` and exit with status 1."""
    say(sentence)
    raise SystemExit(1)


def require_posix() -> None:
    """Exit with an error on Windows, whose processes and signals differ."""
    if os.name != "posix":
        fail(
            "This script needs Linux or macOS. On Windows start MinIO with "
            "scripts\\start-minio.ps1, which prints the next steps."
        )


def require_embedded_store() -> None:
    """Exit with an error unless the embedded store has packages for this machine."""
    if sys.platform != "linux" or platform.machine() not in ("x86_64", "aarch64"):
        fail(
            "The embedded store runs on Linux (x86_64, aarch64) only. Start MinIO, for instance "
            "in Docker as scripts/start-minio.ps1 does, set MINIO_ENDPOINT, MINIO_ACCESS_KEY and "
            "MINIO_SECRET_KEY, and start this script again."
        )


def succeeds(*command: str, quiet: bool = False) -> bool:
    """Run `command` and return whether it exits with 0. `quiet` hides its errors, too."""
    process = subprocess.run(  # noqa: S603
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL if quiet else None,
        check=False,
    )
    return process.returncode == 0


def ensure_installed(requirements: str) -> None:
    """Install the file `requirements`, with its hashes, into `.venv`, unless it already is.

    The environment keeps the digest of each file installed last.
    """
    import fcntl

    if _is_current(_read_stamp(), requirements):
        return
    checkout = os.open(ROOT, os.O_RDONLY)
    try:
        # Of two first starts at once, the second waits and finds the work done.
        fcntl.flock(checkout, fcntl.LOCK_EX)
        stamp = _read_stamp()
        if _is_current(stamp, requirements):
            return
        say(f"Installing {requirements} into .venv …")
        if not PYTHON.exists() or stamp.get(_HERE, _interpreter()) != _interpreter():
            _make_venv()
            stamp = {}
        _STAMP.unlink(missing_ok=True)
        _install(requirements)
        kept = {name: value for name, value in stamp.items() if value == _digest(name)}
        entries = kept | {requirements: _digest(requirements), _HERE: _interpreter()}
        _STAMP.write_text(json.dumps(entries), encoding="utf-8")
    finally:
        os.close(checkout)


def _read_stamp() -> dict[str, str]:
    try:
        entries = json.loads(_STAMP.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return entries if isinstance(entries, dict) else {}


def _is_current(stamp: dict[str, str], requirements: str) -> bool:
    return stamp.get(requirements) == _digest(requirements) and stamp.get(_HERE) == _interpreter()


def _digest(name: str) -> str | None:
    try:
        return hashlib.sha256((ROOT / name).read_bytes()).hexdigest()
    except OSError:
        return None


def _interpreter() -> str:
    """Return the interpreter behind `.venv`; an upgrade of the system's Python changes it."""
    return os.path.realpath(PYTHON)


def _make_venv() -> None:
    if not succeeds(sys.executable, "-m", "venv", "--clear", "--without-pip", str(VENV)):
        fail(f"{sys.executable} failed to make a virtual environment. {_VENV_HINT}")


def _install(requirements: str) -> None:
    options = ("--quiet", "--require-hashes", "-r", str(ROOT / requirements))
    uv, python = shutil.which("uv"), str(PYTHON)
    # If uv fails, try pip: it may be configured for a mirror that uv does not know.
    if uv and succeeds(uv, "pip", "install", "--python", python, *options, quiet=True):
        return
    if not succeeds(python, "-m", "pip", "--version", quiet=True) and not succeeds(
        python, "-m", "ensurepip", "--default-pip", quiet=True
    ):
        fail(f"Found neither uv nor pip for {sys.executable}. {_VENV_HINT}")
    pip = (python, "-m", "pip", "--disable-pip-version-check", "--no-input")
    if not succeeds(*pip, "install", *options):
        fail(f"Failed to install {requirements}; see pip's error above.")
