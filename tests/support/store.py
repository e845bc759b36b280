"""The embedded store as a process of the test run, and the bucket in whichever store there is."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from django.core.management import call_command

from tests.support.process import Process


class EmbeddedStore:
    """The embedded store on a port and data folder of its own; can be killed and started again."""

    def __init__(self, *, data: Path, port: int) -> None:
        self.data, self.port = data, port
        self.process: Process | None = None

    def start(self) -> None:
        options = (f"--port={self.port}", f"--data={self.data}")
        self.process = Process(
            [sys.executable, "-m", "embedded_store", *options], stdout=subprocess.PIPE
        )
        self.process.first_line(f"embedded store: http://127.0.0.1:{self.port}")

    def stop(self, *, kill: bool = False) -> None:
        assert self.process is not None
        self.process.stop(signal.SIGKILL if kill else signal.SIGTERM)


def make_bucket() -> None:
    """Make the bucket of the settings, versioned, as an operator does."""
    with open(os.devnull, "w") as nowhere:
        call_command("bootstrap_store", stdout=nowhere)
