"""Runs the linters, the types, the layers and the tests.

The first stage of `scripts/test`: any Python 3.11+, standard library only; the rest runs in
`.venv`.
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
"""How long the tests may take to end what they have started."""
NO_TESTS = 5
"""pytest's exit status where it was left with no test to run."""
OTHER_SERVERS = ("DATABASE_URL", "MINIO_")
"""What begins so is taken out of the environment: the tests never touch a server in use."""


def main() -> int:
    """Return the exit status: 0 only when all that was asked for is right."""
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
            fail(f"Not in order: {', '.join(failed)}. The tests were not run.")
        if options.full:
            return _full(processes, arguments, environment, after_quick=options.after_quick)
        # Who names a file gets all of it, the slow tests too.
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
        epilog="All other arguments are pytest's; with any of them only pytest runs. "
        "Of a file that is named the slow tests run, too.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--full",
        action="store_true",
        help="run the slow tests too, and all a second time, but those marked `once`, on "
        "PostgreSQL and MinIO, which it finds or installs",
    )
    parser.add_argument(
        "--after-quick",
        action="store_true",
        help="with --full: leave out what `scripts/test` has just checked and run",
    )
    parser.add_argument(
        "--coverage",
        action="store_true",
        help="without --full: measure which branches the tests run, and fail when they are too few",
    )
    return parser.parse_known_args()


def _checks() -> dict[str, Sequence[str]]:
    scripts = _shell_scripts()
    checks: dict[str, Sequence[str]] = {
        "mypy": [str(BIN / "mypy")],
        "ruff format": [str(BIN / "ruff"), "format", "--check", "--quiet"],
        "ruff check": [str(BIN / "ruff"), "check", "--quiet"],
        "lint-imports": [str(BIN / "lint-imports")],
        "makemigrations": [str(PYTHON), "manage.py", "makemigrations", "--check", "--dry-run"],
        **{f"syntax of {name}": [shell, "-n", name] for name, shell in scripts.items()},
    }
    if shutil.which("shellcheck"):
        checks["shellcheck"] = ["shellcheck", "--external-sources", *scripts]
    return checks


def _shell_scripts() -> dict[str, str]:
    """Return the name of each shell script, and the shell that its first line names."""
    shells = {}
    for folder in ("scripts", ".ci"):
        for path in sorted((ROOT / folder).iterdir()):
            if path.is_file() and path.suffix in ("", ".sh") and not path.name.startswith("."):
                first = path.read_text(encoding="utf-8").partition("\n")[0]
                shells[str(path.relative_to(ROOT))] = "bash" if "bash" in first else "sh"
    return shells


def _check(processes: Processes, environment: Mapping[str, str]) -> list[str]:
    """Run all checks at the same time; return the names of those that failed."""
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
    """Run pytest and report what it ran of the code; return the status of what fails first."""
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
    """Run all tests, then those that rest on a database or a store on PostgreSQL and MinIO.

    `after_quick`: of all tests only the slow ones, as the others have just passed.
    """
    from scripts.lib import servers

    servers.ensure_chromium(processes)
    first = ["-m", "slow"] if after_quick else []
    status = _pytest(processes, [*first, *arguments], environment)
    if status != 0:
        return status
    say("Once more, on PostgreSQL and MinIO.")
    with tempfile.TemporaryDirectory(prefix="remotedrive-") as folder:
        started = servers.start(processes, Path(folder))
        try:
            again = ["-m", "not once", *arguments]
            status = _pytest(processes, again, dict(environment) | started)
            # Of the files that were named there may be nothing to repeat.
            return 0 if arguments and status == NO_TESTS else status
        finally:
            processes.end_all(seconds=END_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
