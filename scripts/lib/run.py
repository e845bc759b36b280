"""Starts the service, its collector and, unless another is named, the store; ends all together.

Runs on any Python 3.11+ with the standard library only; what it starts runs in `.venv`.
"""

from __future__ import annotations

import argparse
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from scripts.lib import local_environment
from scripts.lib.processes import DiedError, Processes, StoppedError, answers, listens, require_free
from scripts.lib.setup import (
    PYTHON,
    ROOT,
    ensure_installed,
    fail,
    require_embedded_store,
    require_posix,
    say,
)

USER = "alice"
START_SECONDS = 60
COLLECT_SECONDS = 3600
"""Between two runs of the collector."""


def main() -> int:
    """Return the exit status: 0 after Ctrl-C or SIGTERM, the smoke script's with `--with-smoke`."""
    options = _options()
    require_posix()
    data = Path(options.data).resolve()
    own_store = not os.environ.get("MINIO_ENDPOINT")
    if own_store:
        require_embedded_store()
        if options.port == options.store_port:
            fail(f"--port and --store-port are both {options.port}; choose two different ports.")
        require_free(options.store_port, "--store-port")
    require_free(options.port, "--port")
    try:
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        ensure_installed("requirements-local.txt" if own_store else "requirements.txt")
    except KeyboardInterrupt:
        return 0
    _lock(data)
    settings = local_environment.compose(os.environ, data, options.store_port)
    processes = Processes()
    try:
        return _serve(processes, options, own_store, settings, data)
    except StoppedError:
        return 0
    except DiedError as death:
        if sentence := str(death):
            say(sentence)
        return 1
    finally:
        processes.end_all()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/run",
        description="Start Remote Drive on this machine: the service and an embedded store.",
        epilog="MINIO_ENDPOINT names another store to use; then no store is started. DATABASE_URL "
        "names another database. Ctrl-C stops everything.",
    )
    parser.add_argument(
        "--port", type=_port, default=8000, help="port of the service (%(default)s)"
    )
    parser.add_argument(
        "--store-port", type=_port, default=9000, help="port of the embedded store (%(default)s)"
    )
    parser.add_argument(
        "--data",
        metavar="DIR",
        default=os.environ.get("DATA_DIR") or ROOT / "var",
        help="folder for all data (default: $DATA_DIR, or var in the checkout)",
    )
    parser.add_argument("--workers", type=_count, default=1, help="server processes (%(default)s)")
    parser.add_argument(
        "--with-smoke", action="store_true", help="run scripts/smoke.sh, then exit with its status"
    )
    return parser.parse_args()


def _port(text: str) -> int:
    return _number(text, 65535)


def _count(text: str) -> int:
    return _number(text, 64)


def _number(text: str, at_most: int) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= at_most):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 to {at_most}")
    return int(text)


def _lock(data: Path) -> None:
    """Make the data folder and lock it until this process ends."""
    import fcntl

    try:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        fcntl.flock(os.open(data, os.O_RDONLY), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        fail(f"{data} is in use by another scripts/run; choose another folder with --data.")
    except OSError as error:
        fail(f"Cannot use {data} as the data folder: {error.strerror}.")


def _serve(
    processes: Processes,
    options: argparse.Namespace,
    own_store: bool,
    settings: dict[str, str],
    data: Path,
) -> int:
    # People read these lines.
    environment = {"LOG_FORMAT": "text"} | os.environ | settings | {"DATA_DIR": str(data)}
    here = f"http://127.0.0.1:{options.port}"
    token, sign_in = _start(processes, options, own_store, environment, data)
    if not options.with_smoke:
        shown = {
            "generated": f"Open {here} and sign in as {USER} with the password "
            f"{settings[local_environment.PASSWORD]}",
            "own": f"Open {here} and sign in as {USER} with the password that you have set.",
        }.get(sign_in, "There is no page: WEB is false.")
        sys.stdout.write(_banner(here, settings["MINIO_ENDPOINT"], data, token, shown))
        sys.stdout.flush()
        processes.wait_for(lambda: False)
    smoke = processes.start(
        "smoke script",
        [str(ROOT / "scripts" / "smoke.sh")],
        environment=environment | {"BASE_URL": here, "TOKEN": token},
    )
    return processes.wait_for_end(smoke)


def _start(
    processes: Processes,
    options: argparse.Namespace,
    own_store: bool,
    environment: dict[str, str],
    data: Path,
) -> tuple[str, str]:
    """Start everything, in parallel where possible; return, when all of it is ready, a token and
    with which password its user signs in: `generated`, `own`, or `nowhere`.
    """
    python = str(PYTHON)
    # Another store may lack things that `/readyz` does not check, such as the upload key's user.
    has_bucket = own_store and (data / "store").exists()
    if own_store:
        arguments = ["--port", str(options.store_port), "--data", str(data / "store")]
        processes.start(
            "store",
            [python, "-m", "embedded_store", *arguments],
            environment=environment,
            stdout=subprocess.DEVNULL,
            server=True,
        )
    preparation = processes.start(
        "preparation",
        [python, str(ROOT / "scripts" / "lib" / "prepare.py"), USER],
        environment=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert preparation.stdin  # noqa: S101
    # Invalid settings stop the start here; the preparation has printed which.
    if not processes.wait_for_line(preparation, what="Reading settings", seconds=START_SECONDS):
        raise DiedError("")
    arguments = ["--port", str(options.port), "--workers", str(options.workers)]
    processes.start(
        "service",
        [python, "-m", "remotedrive", *arguments],
        environment=environment,
        server=True,
    )
    token = processes.wait_for_line(
        preparation, what="Preparing the database", seconds=START_SECONDS
    )
    if own_store:
        processes.wait_for(
            lambda: listens(options.store_port), what="Starting the store", seconds=START_SECONDS
        )
    processes.wait_for(
        lambda: answers(options.port, "/healthz"), what="Starting", seconds=START_SECONDS
    )
    sign_in = processes.wait_for_line(preparation, what="Setting a password", seconds=START_SECONDS)
    is_ready = has_bucket and token != "" and answers(options.port, "/readyz")
    if token and not is_ready:
        preparation.stdin.write(b"\n")
    preparation.stdin.close()
    if processes.wait_for_end(preparation, what="Making the bucket", seconds=START_SECONDS) != 0:
        raise DiedError("")
    if not is_ready:
        processes.wait_for(
            lambda: answers(options.port, "/readyz"), what="Starting", seconds=START_SECONDS
        )
    processes.start(
        "collector",
        [python, "manage.py", "collect_garbage", "--every", str(COLLECT_SECONDS)],
        environment=environment,
        stdout=subprocess.DEVNULL,
        server=True,
    )
    return token, sign_in


_BANNER = r"""Remote Drive: {here}  store: {store}  data: {data}
{sign_in}

Ctrl-C stops it. The token below is {user}'s and expires in an hour. For another, in the checkout:
  DATA_DIR={folder} .venv/bin/python manage.py mint_jwt {user}

To upload a file, paste this into another terminal, in the folder of FILE:

TOKEN={token}
FILE=README.md; SIZE=$(wc -c <$FILE); SUM=$(sha256sum <$FILE | cut -c-64)
api() {{ curl -sS "{here}/files/$1" -H "Authorization: Bearer $TOKEN" --json "$2"; echo; }}
of() {{ echo "$UPLOAD" | sed "s/.*\"$1\": *\"\([^\"]*\)\".*/\1/"; }}

UPLOAD=$(api init-upload "{{\"filename\": \"$FILE\", \"size\": $SIZE}}")
curl -sS -T $FILE "$(of presigned_put_url)"
api commit "{{\"key\": \"$(of key)\", \"size\": $SIZE, \"checksum\": \"$SUM\"}}"

"""


def _banner(here: str, store: str, data: Path, token: str, sign_in: str) -> str:
    folder = shlex.quote(str(data))
    return _BANNER.format(
        here=here, store=store, data=data, folder=folder, user=USER, token=token, sign_in=sign_in
    )


if __name__ == "__main__":
    sys.exit(main())
