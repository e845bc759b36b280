"""The embedded store as a process of the test run, and the bucket in whichever store there is."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from django.core.management import call_command


class EmbeddedStore:
    """The embedded store on a port and data folder of its own; can be killed and started again."""

    def __init__(self, *, data: Path, port: int) -> None:
        self.data, self.port = data, port
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "embedded_store",
                f"--port={self.port}",
                f"--data={self.data}",
            ],
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ,
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert str(self.port) in line, f"the embedded store did not start: {line!r}"

    def stop(self, *, kill: bool = False) -> None:
        assert self.process is not None
        if kill:
            self.process.kill()
        else:
            self.process.terminate()
        self.process.wait(timeout=10)


def make_bucket() -> None:
    """Make the bucket of the settings, versioned, as an operator does."""
    with open(os.devnull, "w") as nowhere:
        call_command("bootstrap_store", stdout=nowhere)
