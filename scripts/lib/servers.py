"""Finds or installs PostgreSQL 15, MinIO and other programs, and starts servers for a test run.

Standard library only. The servers listen on free ports of 127.0.0.1 and keep temporary data only.
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
    """Start PostgreSQL and MinIO with data in `folder`; return the settings that name them."""
    postgresql, minio = postgresql_programs(processes), minio_program(processes)
    return _start_postgresql(processes, postgresql, folder) | _start_minio(processes, minio, folder)


def ensure_program(processes: Processes, name: str) -> None:
    """Install the Debian package of the name of the program if it is missing."""
    if shutil.which(name) is None:
        install(processes, name)
    if shutil.which(name) is None:
        fail(f"{name} is needed. On Debian, as root: apt-get install {name}")


def postgresql_programs(processes: Processes) -> Path:
    """Return the folder of PostgreSQL's programs; install them if they are missing."""
    found = find_postgresql()
    if found is None:
        install(processes, "postgresql-15")
        found = find_postgresql()
    if found is None:
        fail("PostgreSQL 15 is needed. On Debian, as root: apt-get install postgresql-15")
    return found


def install(processes: Processes, package: str) -> None:
    """Install a Debian package; do nothing without root or apt-get."""
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
    """Return the folder of PostgreSQL's programs; None if it is not installed."""
    return next((Path(each) for each in POSTGRESQL_FOLDERS if Path(each, "initdb").exists()), None)


def minio_path() -> Path:
    """Return the path of MinIO's program, built or not."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "remotedrive" / "bin"
    return cache / f"minio-{MINIO_VERSION}"


def minio_program(processes: Processes) -> Path:
    """Return the path of MinIO's program; build it if it is missing."""
    program = minio_path()
    if program.exists():
        return program
    if shutil.which("go") is None:
        fail("Building MinIO needs Go (https://go.dev/dl), which is not on the PATH.")
    say("Building MinIO, the first time only; this takes some minutes …")
    program.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=program.parent) as folder:
        source = f"github.com/minio/minio@{MINIO_VERSION}"
        environment = os.environ | {"CGO_ENABLED": "0", "GOBIN": folder}
        command = ["go", "install", "-ldflags", "-s -w", source]
        build = processes.start("build of MinIO", command, environment=environment)
        if processes.wait_for_end(build) != 0:
            fail("Failed to build MinIO; see Go's error above.")
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
        fail("Failed to make PostgreSQL's data folder; see initdb's error above.")
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
    """Return the command that makes a data folder with the superuser `remotedrive`."""
    arguments = ["--auth=scram-sha-256", "--username=remotedrive", f"--pwfile={password_file}"]
    arguments += ["--encoding=UTF8", "--locale=C", "--no-sync"]
    return [str(programs / "initdb"), f"--pgdata={data}", *arguments]


def postgresql_command(programs: Path, data: Path, port: int, **settings: str) -> list[str]:
    """Return the command that runs PostgreSQL on `port`; `settings` override the defaults."""
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
    """Return the command that runs MinIO on `port` with its data in `folder`."""
    arguments = ["server", "--quiet", "--address", f"127.0.0.1:{port}"]
    return [
        *(str(program), *arguments),
        *("--certs-dir", str(folder / "certificates"), str(folder / "minio")),
    ]


def minio_settings(access_key: str, secret_key: str) -> dict[str, str]:
    """Return the environment variables of MinIO."""
    return {
        "MINIO_ROOT_USER": access_key,
        "MINIO_ROOT_PASSWORD": secret_key,
        "MINIO_BROWSER": "off",
        "MINIO_UPDATE": "off",
    }
