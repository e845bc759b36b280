"""Runs the linters, the types, the layers and the tests.

Runs on any Python 3.11+ with the standard library only; what it starts runs in `.venv`.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from scripts.lib.processes import DiedError, Processes, StoppedError
from scripts.lib.setup import (
    PYTHON,
    ROOT,
    ensure_installed,
    fail,
    require_embedded_store,
    require_posix,
    say,
)

BIN = PYTHON.parent
_PARALLEL = (
    *("--numprocesses=auto", "--maxprocesses=4"),
    *("--dist=loadfile", "--no-loadscope-reorder"),
)
"""Files in parallel, in the order of tests/conftest.py; the tests of one file share its servers."""
END_SECONDS = 20
"""Seconds for the tests to stop the processes that they have started."""
NO_TESTS = 5
"""pytest's exit status when it collected no tests."""
OTHER_SERVERS = ("DATABASE_URL", "MINIO_")
"""Prefixes of variables to remove, so that the tests never touch a server in use."""


def main() -> int:
    """Return the exit status: 0 only when every check and test passes."""
    options, arguments = _options()
    require_posix()
    require_embedded_store()
    try:
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        ensure_installed("requirements-dev.txt")
    except KeyboardInterrupt:
        return 130
    os.chdir(ROOT)
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(OTHER_SERVERS)
    }
    processes = Processes()
    try:
        failed = [] if arguments or options.after_quick else _check(processes, environment)
        if failed:
            fail(f"Failed: {', '.join(failed)}. The tests were not run.")
        if options.full:
            return _full(processes, arguments, environment, after_quick=options.after_quick)
        # A named file runs completely, with its slow tests.
        named = any(Path(argument.partition("::")[0]).exists() for argument in arguments)
        chosen = [] if named else ["-m", "not slow"]
        run = _pytest_with_coverage if options.coverage else _pytest
        return run(processes, [*chosen, *arguments], environment)
    except StoppedError:
        return 130
    except DiedError as death:
        say(str(death))
        return 1
    finally:
        processes.end_all(seconds=END_SECONDS)


def _options() -> tuple[argparse.Namespace, list[str]]:
    parser = argparse.ArgumentParser(
        prog="scripts/test",
        description="Check formatting, lint, types, layers, migrations and shell scripts, then run "
        "the tests on SQLite and the embedded store.",
        epilog="All other arguments go to pytest; with any of them only pytest runs. "
        "Naming a file also runs its slow tests.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--full",
        action="store_true",
        help="run the slow tests, too; then run all tests but those marked `once` again, on "
        "PostgreSQL and MinIO, which are installed if missing",
    )
    parser.add_argument(
        "--after-quick",
        action="store_true",
        help="with --full: skip what a plain `scripts/test` checks and runs",
    )
    parser.add_argument(
        "--coverage",
        action="store_true",
        help="without --full: measure branch coverage, and fail if it is too low",
    )
    options, arguments = parser.parse_known_args()
    if options.after_quick and not options.full:
        parser.error("--after-quick goes with --full")
    if options.coverage and options.full:
        parser.error("--coverage goes without --full")
    return options, arguments


def _checks() -> dict[str, Sequence[str]]:
    scripts = _shell_scripts()
    checks: dict[str, Sequence[str]] = {
        "mypy": [str(BIN / "mypy")],
        "ruff format": [str(BIN / "ruff"), "format", "--check", "--quiet"],
        "ruff check": [str(BIN / "ruff"), "check", "--quiet"],
        "lint-imports": [str(BIN / "lint-imports")],
        # It looks for packages in the folder that it is started in.
        "lint-imports of the client": ["sh", "-c", f"cd client && exec {BIN / 'lint-imports'}"],
        "makemigrations": [str(PYTHON), "manage.py", "makemigrations", "--check", "--dry-run"],
        **{f"syntax of {name}": [shell, "-n", name] for name, shell in scripts.items()},
    }
    if shutil.which("shellcheck"):
        checks["shellcheck"] = ["shellcheck", "--external-sources", *scripts]
    return checks


def _shell_scripts() -> dict[str, str]:
    """Return the name of each shell script, and the shell that its first line names."""
    shells = {}
    for folder in ("scripts", "scripts/lib", ".ci"):
        for path in sorted((ROOT / folder).iterdir()):
            if path.is_file() and path.suffix in ("", ".sh") and not path.name.startswith("."):
                first = path.read_text(encoding="utf-8").partition("\n")[0]
                shells[str(path.relative_to(ROOT))] = "bash" if "bash" in first else "sh"
    return shells


def _check(processes: Processes, environment: Mapping[str, str]) -> list[str]:
    """Run all checks in parallel; return the names of those that failed."""
    failed = []
    with contextlib.ExitStack() as outputs:
        settings = dict(environment) | {"DJANGO_SETTINGS_MODULE": "tests.settings"}
        running = []
        for name, command in _checks().items():
            output = outputs.enter_context(tempfile.TemporaryFile())
            process = processes.start(
                name, command, environment=settings, stdout=output, stderr=subprocess.STDOUT
            )
            running.append((name, process, output))
        for name, process, output in running:
            if processes.wait_for_end(process) != 0:
                failed.append(name)
                output.seek(0)
                say(f"{name}:\n{output.read().decode(errors='replace')}")
    return failed


def _pytest(processes: Processes, arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run pytest and return its status."""
    return _run_tests(processes, ["-m", "pytest", *_PARALLEL, *arguments], environment)


def _pytest_with_coverage(
    processes: Processes, arguments: Sequence[str], environment: Mapping[str, str]
) -> int:
    """Run pytest under coverage and report it; return the status of the first failure."""
    coverage = ("-m", "coverage")
    pytest = (*coverage, "run", "-m", "pytest", *_PARALLEL, *arguments)
    for command in (
        (*coverage, "erase"),
        pytest,
        (*coverage, "combine", "--quiet"),
        (*coverage, "report"),
    ):
        status = _run_tests(processes, command, environment)
        if status != 0:
            return status
    return 0


def _run_tests(processes: Processes, command: Sequence[str], environment: Mapping[str, str]) -> int:
    tests = processes.start(
        "tests",
        [str(PYTHON), *command],
        environment=environment,
        stdin=None,
        end_signal=signal.SIGINT,
        interruptible=True,
    )
    return processes.wait_for_end(tests)


def _full(
    processes: Processes,
    arguments: Sequence[str],
    environment: Mapping[str, str],
    *,
    after_quick: bool,
) -> int:
    """Run all tests, then those not marked `once` on PostgreSQL and MinIO.

    `after_quick`: the first run has only the slow tests.
    """
    from scripts.lib import servers

    for name in ("chromium", "npm", "redis-server"):
        servers.ensure_program(processes, name)
    first = ["-m", "slow"] if after_quick else []
    status = _pytest(processes, [*first, *arguments], environment)
    if status != 0:
        return status
    say("Running the tests again, on PostgreSQL and MinIO.")
    with tempfile.TemporaryDirectory(prefix="remotedrive-") as folder:
        started = servers.start(processes, Path(folder))
        try:
            again = ["-m", "not once", *arguments]
            # The first run's servers log as text: each form is searched for secrets.
            status = _pytest(processes, again, {"LOG_FORMAT": "json", **environment, **started})
            # The named files may have only tests marked `once`.
            return 0 if arguments and status == NO_TESTS else status
        finally:
            processes.end_all(seconds=END_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
