"""Finds or installs PostgreSQL 15, MinIO and Chromium, and starts servers for a test run.

Standard library only. They listen on free ports of 127.0.0.1, and keep what they have in the
folder given; nothing of it is meant to last.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

from scripts.lib.processes import Processes, answers, free_port
from scripts.lib.setup import fail, say, succeeds

MINIO_VERSION = "v0.0.0-20260212201848-7aac2a2c5b7c"
POSTGRESQL_FOLDERS = ("/usr/lib/postgresql/15/bin", "/opt/homebrew/opt/postgresql@15/bin")
START_SECONDS = 60


def start(processes: Processes, folder: Path) -> dict[str, str]:
    """Start both with their data in `folder`; return the environment that names them."""
    postgresql, minio = postgresql_programs(processes), minio_program(processes)
    return _start_postgresql(processes, postgresql, folder) | _start_minio(processes, minio, folder)


def ensure_chromium(processes: Processes) -> None:
    """Install Chromium, which the tests of the share page drive, where it is missing."""
    if shutil.which("chromium") is None:
        _install(processes, "chromium")
    if shutil.which("chromium") is None:
        fail("Chromium is needed. On Debian, as root: apt-get install chromium")


def postgresql_programs(processes: Processes) -> Path:
    """Return the folder of PostgreSQL's programs, installed first where that can be done."""
    found = find_postgresql()
    if found is None:
        _install(processes, "postgresql-15")
        found = find_postgresql()
    if found is None:
        fail("PostgreSQL 15 is needed. On Debian, as root: apt-get install postgresql-15")
    return found


def _install(processes: Processes, package: str) -> None:
    """Install a package of Debian's, where that can be done."""
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        return
    say(f"Installing {package} …")
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for arguments in (["update"], ["install", "--yes", "--no-install-recommends", package]):
        command = ["apt-get", "--quiet", "--quiet", *arguments]
        apt = processes.start(
            "apt-get", command, environment=environment, stdout=subprocess.DEVNULL
        )
        processes.wait_for_end(apt)


def find_postgresql() -> Path | None:
    """Return the folder of PostgreSQL's programs; None where it is not installed."""
    return next((Path(each) for each in POSTGRESQL_FOLDERS if Path(each, "initdb").exists()), None)


def minio_path() -> Path:
    """Return where MinIO is, or would be if it were built."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "remotedrive" / "bin"
    return cache / f"minio-{MINIO_VERSION}"


def minio_program(processes: Processes) -> Path:
    """Return MinIO's program, built first where it is missing."""
    program = minio_path()
    if program.exists():
        return program
    if shutil.which("go") is None:
        fail("MinIO is built from source, and Go (https://go.dev/dl) is not on the PATH.")
    say("Building MinIO, once; this takes some minutes …")
    program.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=program.parent) as folder:
        source = f"github.com/minio/minio@{MINIO_VERSION}"
        environment = os.environ | {"CGO_ENABLED": "0", "GOBIN": folder}
        command = ["go", "install", "-ldflags", "-s -w", source]
        build = processes.start("build of MinIO", command, environment=environment)
        if processes.wait_for_end(build) != 0:
            fail("MinIO could not be built; Go says above why.")
        os.replace(Path(folder) / "minio", program)
    return program


def _start_postgresql(processes: Processes, programs: Path, folder: Path) -> dict[str, str]:
    # PostgreSQL refuses to run as root.
    user = "postgres" if os.geteuid() == 0 else None
    if user is not None:
        shutil.chown(folder, user)
    data, port, password = folder / "postgresql", free_port(), secrets.token_hex(16)
    secret = folder / "password"
    secret.touch(mode=0o600)
    secret.write_text(password, encoding="utf-8")
    if user is not None:
        shutil.chown(secret, user)
    initdb = processes.start(
        "initdb", initdb_command(programs, data, secret), stdout=subprocess.DEVNULL, user=user
    )
    if processes.wait_for_end(initdb) != 0:
        fail("PostgreSQL's data folder could not be made; initdb says above why.")
    processes.start(
        "PostgreSQL",
        postgresql_command(programs, data, port, fsync="off"),
        end_signal=signal.SIGINT,
        server=True,
        user=user,
    )
    server = f"postgresql://remotedrive:{password}@127.0.0.1:{port}"

    def ready() -> bool:
        psql, database = str(programs / "psql"), f"{server}/postgres"
        create = "CREATE DATABASE remotedrive"
        return succeeds(psql, database, "--quiet", "--command", create, quiet=True)

    processes.wait_for(ready, what="Starting PostgreSQL", seconds=START_SECONDS)
    return {"DATABASE_URL": f"{server}/remotedrive"}


def initdb_command(programs: Path, data: Path, password_file: Path) -> list[str]:
    """Return what makes a data folder whose superuser is `remotedrive`."""
    arguments = ["--auth=scram-sha-256", "--username=remotedrive", f"--pwfile={password_file}"]
    arguments += ["--encoding=UTF8", "--locale=C", "--no-sync"]
    return [str(programs / "initdb"), f"--pgdata={data}", *arguments]


def postgresql_command(programs: Path, data: Path, port: int, **settings: str) -> list[str]:
    """Return what runs PostgreSQL on `port`; `settings` are added to its own."""
    settings = {
        "listen_addresses": "127.0.0.1",
        "port": str(port),
        "unix_socket_directories": "",
        "max_connections": "200",
        "log_min_messages": "fatal",
    } | settings
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    return [str(programs / "postgres"), "-D", str(data), *options]


def _start_minio(processes: Processes, program: Path, folder: Path) -> dict[str, str]:
    port, access_key, secret_key = free_port(), secrets.token_hex(8), secrets.token_hex(20)
    processes.start(
        "MinIO",
        minio_command(program, folder, port),
        environment=os.environ | minio_settings(access_key, secret_key),
        stdout=subprocess.DEVNULL,
        server=True,
    )

    processes.wait_for(
        lambda: answers(port, "/minio/health/ready"), what="Starting MinIO", seconds=START_SECONDS
    )
    return {
        "MINIO_ENDPOINT": f"http://127.0.0.1:{port}",
        "MINIO_ACCESS_KEY": access_key,
        "MINIO_SECRET_KEY": secret_key,
        "MINIO_UPLOAD_ACCESS_KEY": secrets.token_hex(7),
        "MINIO_UPLOAD_SECRET_KEY": secrets.token_hex(20),
    }


def minio_command(program: Path, folder: Path, port: int) -> list[str]:
    """Return what runs MinIO on `port` with all that it keeps in `folder`."""
    arguments = ["server", "--quiet", "--address", f"127.0.0.1:{port}"]
    return [
        *(str(program), *arguments),
        *("--certs-dir", str(folder / "certificates"), str(folder / "minio")),
    ]


def minio_settings(access_key: str, secret_key: str) -> dict[str, str]:
    """Return the environment that MinIO runs with."""
    return {
        "MINIO_ROOT_USER": access_key,
        "MINIO_ROOT_PASSWORD": secret_key,
        "MINIO_BROWSER": "off",
        "MINIO_UPDATE": "off",
    }
