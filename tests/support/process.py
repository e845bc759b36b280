"""A process that a test starts: waits until it is ready, stops it, kills it with its children."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.support import log_secrets

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 120
"""How long a process may take until it is ready, on a machine that is busy with other things."""


class Process(subprocess.Popen[str]):
    """A process in the repository's root; with `log`, both its outputs are appended to that file.

    The log of the service, or of a command of it, must have no secret when `stop` has ended it.
    `options` are Popen's.
    """

    def __init__(
        self,
        command: Sequence[str | Path],
        *,
        environment: Mapping[str, str] | None = None,
        log: Path | None = None,
        **options: Any,
    ) -> None:
        is_service = any(each in ("remotedrive", "manage.py") for each in command)
        self._checked = log if is_service else None
        self._environment = os.environ if environment is None else environment
        options = {"cwd": ROOT, "env": environment, "text": True} | options
        if log is None:
            super().__init__(command, **options)
            return
        with log.open("ab") as output:
            super().__init__(command, stdout=output, stderr=output, **options)

    def wait_until(self, ready: Callable[[], bool], *, seconds: float = START_SECONDS) -> None:
        """Return once `ready()`; fail when the process ends before, or after `seconds`."""

        def ready_or_ended() -> bool:
            assert self.poll() is None, f"it has ended with status {self.returncode}"
            return ready()

        wait_for(ready_or_ended, seconds=seconds)

    def first_line(self, start: str) -> str:
        """Return the first line of standard output, by which it says that it is ready.

        Kill it and fail where that line does not begin with `start`.
        """
        assert self.stdout is not None
        line = self.stdout.readline()
        if not line.startswith(start):
            self.kill()
            output, errors = self.communicate()
            raise AssertionError(f"it did not start: {line}{output}{errors or ''}")
        return line.strip()

    def stop(self, number: int = signal.SIGTERM, *, seconds: float = 20) -> int:
        """Send a signal, wait until the process has ended, and return its exit status."""
        self.send_signal(number)
        status = self.wait(timeout=seconds)
        if self._checked is not None:
            log_secrets.assert_none(self._checked.read_text(errors="replace"), self._environment)
        return status

    def end(self) -> None:
        """End it in whatever state it is: as `stop`, so that it writes what it has measured."""
        try:
            self.stop()
        except subprocess.TimeoutExpired:
            self.kill_all()

    def children(self) -> list[int]:
        """Return the ids of the processes that it has started itself."""
        if self.poll() is not None:
            return []
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        return [int(child) for child in children]

    def kill_all(self) -> None:
        """End it and its children by SIGKILL, as the kernel does when memory runs out."""
        # First the one that would start new children.
        self.send_signal(signal.SIGSTOP)
        for child in self.children():
            os.kill(child, signal.SIGKILL)
        self.kill()
        self.wait(timeout=20)


def wait_for(condition: Callable[[], bool], *, seconds: float = 10) -> None:
    """Return once `condition()`; fail when it does not hold within `seconds`."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"waited {seconds} s in vain"
        time.sleep(0.01)
