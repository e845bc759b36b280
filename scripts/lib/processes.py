"""Starts a script's processes and stops all of them when it ends.

Standard library only. The processes stay in the script's process group.
"""

from __future__ import annotations

import contextlib
import ctypes
import http.client
import math
import os
import secrets
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import IO

from scripts.lib.setup import ROOT, fail

_TICK = 0.05
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


class StoppedError(Exception):
    """The script received SIGINT, SIGTERM or SIGHUP and must stop."""


class DiedError(Exception):
    """A server ended by itself, or a step took too long; the text is a sentence."""


@dataclass(frozen=True)
class _Started:
    name: str
    process: subprocess.Popen[bytes]
    end_signal: signal.Signals
    interruptible: bool
    server: bool


class Processes:
    """The processes of a script; `end_all` stops them in reverse order.

    A signal is only recorded; the next `wait_for` raises `StoppedError`, so no step is interrupted.
    """

    def __init__(self) -> None:
        self._started: list[_Started] = []
        self._stopped_by: int | None = None
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # nohup
                signal.signal(number, self._note)
        if _libc is not None:
            # Adopt orphans, such as the workers of a killed server.
            _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._stopped_by = number

    def start(
        self,
        name: str,
        command: Sequence[str],
        *,
        environment: Mapping[str, str] | None = None,
        stdin: int | None = subprocess.DEVNULL,
        stdout: int | IO[bytes] | None = None,
        stderr: int | IO[bytes] | None = None,
        end_signal: signal.Signals = signal.SIGTERM,
        interruptible: bool = False,
        server: bool = False,
        user: str | None = None,
    ) -> subprocess.Popen[bytes]:
        """Start `command`. It gets `end_signal` from `end_all`, and when this script is killed.

        Only an `interruptible` process receives Ctrl-C from the terminal. A `server` must run until
        `end_all`.
        """
        process = subprocess.Popen(  # noqa: S603
            command,
            cwd=ROOT,
            env=environment,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            user=user,
            group=user,
            bufsize=0,
            extra_groups=None if user is None else [],
            preexec_fn=lambda: _in_child(end_signal, interruptible),
        )
        self._started.append(_Started(name, process, end_signal, interruptible, server))
        return process

    def wait_for(
        self, ready: Callable[[], bool], *, what: str = "", seconds: float = math.inf
    ) -> None:
        """Return when `ready()` is true; `what` names the step in errors.

        Raises StoppedError after a signal; DiedError when a server has ended, or after `seconds`.
        """
        deadline = time.monotonic() + seconds
        while True:
            if self._stopped_by is not None:
                raise StoppedError
            if ready():
                return
            for each in self._started:
                # A signal to the whole group is recorded here before it ends a server.
                if each.server and each.process.poll() is not None and self._stopped_by is None:
                    status = each.process.returncode
                    raise DiedError(f"The {each.name} has ended by itself (status {status}).")
            if time.monotonic() > deadline:
                raise DiedError(f"{what} took more than {seconds:.0f} s.")
            time.sleep(_TICK)

    def wait_for_line(self, process: subprocess.Popen[bytes], *, what: str, seconds: float) -> str:
        """Return the next line that `process` prints; an empty string when it has ended."""
        stdout = process.stdout
        if stdout is None:
            raise ValueError("the process was not started with stdout=PIPE")
        self.wait_for(
            lambda: bool(select.select([stdout], [], [], 0)[0]), what=what, seconds=seconds
        )
        return stdout.readline().decode().strip()

    def wait_for_end(
        self, process: subprocess.Popen[bytes], *, what: str = "", seconds: float = math.inf
    ) -> int:
        """Wait until `process` has ended, as `wait_for` does; return its status."""
        self.wait_for(lambda: process.poll() is not None, what=what, seconds=seconds)
        return process.returncode

    def end_all(self, *, seconds: float = 4.5) -> None:
        """Stop all processes, the last first; kill those that run on after about `seconds`."""
        deadline = time.monotonic() + seconds
        for each in reversed(self._started):
            if not (each.interruptible and self._stopped_by == signal.SIGINT):
                each.process.send_signal(each.end_signal)
            try:
                each.process.wait(max(deadline - time.monotonic(), 0.2))
            except subprocess.TimeoutExpired:
                each.process.kill()
                each.process.wait()
        for pid in _descendants(os.getpid()):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._started.clear()


def _in_child(end_signal: signal.Signals, interruptible: bool) -> None:
    if not interruptible:
        # Ctrl-C goes to the whole group, but the script decides the order of stopping.
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT, signal.SIGHUP])
    if _libc is not None:
        _libc.prctl(_PR_SET_PDEATHSIG, end_signal)


def _descendants(pid: int) -> list[int]:
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
    except OSError:
        return []
    children = [int(child) for child in text.split()]
    return children + [pid for child in children for pid in _descendants(child)]


def require_free(port: int, option: str) -> None:
    """Exit with an error, naming `option`, unless `port` of 127.0.0.1 can be bound."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except PermissionError:
            fail(f"This user may not open port {port}; choose another with {option}.")
        except OSError:
            fail(f"Port {port} is in use; choose another with {option}.")


def free_port() -> int:
    """Return a port of 127.0.0.1 that nothing listens on now.

    It is below the ephemeral ports, so no outgoing connection takes it before a server starts.
    """
    while True:
        port = 20_000 + secrets.randbelow(12_000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def answers(port: int, path: str) -> bool:
    """Return whether a server on `port` of 127.0.0.1 answers a GET of `path` with 200."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=3)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def listens(port: int) -> bool:
    """Return whether something accepts connections on `port` of 127.0.0.1."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0
