"""docker-compose.yml run on this host, by the commands that docx/deployment.md gives.

A folder with copies of the files that an operator has, a new .env, and a program `docker` that
hands `docker compose` on to tests/compose_host.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp

from remotedrive.environment import read_env_file
from tests.support import log_secrets
from tests.support.ports import free_port
from tests.support.process import ROOT

SECONDS = 900
"""MinIO is built, where it is missing."""
_SHIM = """#!/bin/sh
[ "$1" = compose ] || exit 64
shift
exec '{python}' '{script}' "$@"
"""


class Compose:
    """One project; `lines` of NAME=value are added to its .env."""

    def __init__(self, folder: Path, *lines: str) -> None:
        self.folder = folder
        self.api_port, self.store_port = free_port(), free_port()
        (folder / "bin").mkdir()
        shim = folder / "bin" / "docker"
        shim.write_text(
            _SHIM.format(python=sys.executable, script=ROOT / "tests" / "compose_host"),
            encoding="utf-8",
        )
        shim.chmod(0o755)
        shutil.copy(ROOT / "docker-compose.yml", folder)
        shutil.copytree(ROOT / "deploy", folder / "deploy")
        new = subprocess.run([ROOT / "scripts" / "new-env"], capture_output=True, check=True)
        (folder / ".env").write_bytes(new.stdout)
        self.configure(f"API_PORT={self.api_port}", f"STORE_PORT={self.store_port}", *lines)
        self.environment = {
            "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
            "HOME": os.environ["HOME"],
        }

    @property
    def url(self) -> str:
        """Where the service answers."""
        return f"http://localhost:{self.api_port}"

    def configure(self, *lines: str) -> None:
        """Add lines to .env; of two that name the same variable the later one counts."""
        with (self.folder / ".env").open("a", encoding="utf-8") as file:
            file.writelines(f"{line}\n" for line in lines)

    def shell(self, commands: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run commands in the folder as an operator types them, and return how they ended."""
        return subprocess.run(
            ["sh", "-euc", commands],
            cwd=self.folder,
            env=self.environment | environment,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )

    def do(self, commands: str, **environment: str) -> str:
        """Run commands that must succeed, and return what they printed."""
        done = self.shell(commands, **environment)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@contextmanager
def compose(*lines: str) -> Iterator[Compose]:
    """Give a project that nothing of is started yet; end all of it, and remove its data."""
    # Not in pytest's folder: PostgreSQL, as another user, must get to its data.
    folder = Path(mkdtemp(prefix="remotedrive-"))
    folder.chmod(0o711)
    project = Compose(folder, *lines)
    try:
        yield project
    finally:
        project.shell("docker compose kill")
        logs = [*(folder / "var" / "compose_host" / "logs").glob("*.log")]
        written = {each.stem: each.read_text(errors="replace") for each in logs}
        project.shell("docker compose down -v")
        settings = dict(read_env_file(folder / ".env"))
        shutil.rmtree(folder)
        for service in ("setup", "api", "collector", "tools"):
            log_secrets.assert_none(written.get(service, ""), settings)
