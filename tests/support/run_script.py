"""`scripts/run` as a process of its own; its installation is left out.

That would change the environment that the tests run in.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from remotedrive.environment import read_env_file
from tests.support import log_secrets
from tests.support.ports import free_port
from tests.support.process import Process

_WITHOUT_INSTALLATION = (
    "import sys; from scripts.lib import run;"
    "run.ensure_installed = lambda requirements: None; sys.exit(run.main())"
)
SECONDS = 60


def clean_environment() -> dict[str, str]:
    others = ("MINIO_", "JWT_", "DATABASE_URL", "DATA_DIR", "SECRET_KEY", "DJANGO_SETTINGS_MODULE")
    return {name: value for name, value in os.environ.items() if not name.startswith(others)}


class Run:
    """One `scripts/run` in a process group of its own, with a data folder and ports of its own."""

    def __init__(self, data: Path) -> None:
        self.data, self.port, self.store_port = data, free_port(), free_port()
        self.process: Process | None = None

    def start(self, *arguments: str, **environment: str) -> Process:
        ports = ["--port", str(self.port), "--store-port", str(self.store_port)]
        self.process = Process(
            [sys.executable, "-c", _WITHOUT_INSTALLATION, *ports, "--data", self.data, *arguments],
            environment=clean_environment() | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            process_group=0,
        )
        return self.process

    def read_banner(self) -> str:
        """Return what was printed, once all is ready."""
        assert self.process is not None
        assert self.process.stdout is not None
        lines = []
        for line in self.process.stdout:
            lines.append(line)
            if line.startswith("api commit"):
                return "".join(lines)
        pytest.fail(f"it ended: {self.process.communicate()}")

    def end(self) -> None:
        if self.process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            # Standard output has the token that it prints.
            _, written = self.process.communicate()
            log_secrets.assert_none(written, read_env_file(self.data / "env"))


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    started = Run(tmp_path / "data")
    yield started
    started.end()
