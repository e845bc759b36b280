"""Starts and ends the processes that a script needs, so that none of them is left behind.

Standard library only. Nothing here leaves the script's process group.
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
    """SIGINT or SIGTERM came: the script is to end all and exit."""


class DiedError(Exception):
    """A process ended by itself that was to go on; its text is a sentence."""


@dataclass(frozen=True)
class _Started:
    name: str
    process: subprocess.Popen[bytes]
    end_signal: signal.Signals
    interruptible: bool
    server: bool


class Processes:
    """What a script has started, ended by `end_all` in the reverse order.

    Signals are only noted; `wait_for` raises `Stopped`, so nothing is interrupted half way.
    """

    def __init__(self) -> None:
        self._started: list[_Started] = []
        self._stopped_by: int | None = None
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # nohup
                signal.signal(number, self._note)
        if _libc is not None:
            # What a process leaves behind, such as the workers of a killed server, comes to us.
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
        """Start `command`; `end_signal` is what ends it, also when this script is killed.

        Ctrl-C at the terminal reaches it by itself only when it is `interruptible`. A `server` is
        to go on until `end_all`.
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
        """Return once `ready()`. Raise `Stopped`, or `Died` when a server has ended or it took more
        than `seconds`; `what` is what was waited for.
        """
        deadline = time.monotonic() + seconds
        while True:
            if self._stopped_by is not None:
                raise StoppedError
            if ready():
                return
            for each in self._started:
                # A signal to the whole group comes here before a server can have ended by it.
                if each.server and each.process.poll() is not None and self._stopped_by is None:
                    status = each.process.returncode
                    raise DiedError(f"The {each.name} has ended by itself (status {status}).")
            if time.monotonic() > deadline:
                raise DiedError(f"{what} took more than {seconds:.0f} s.")
            time.sleep(_TICK)

    def wait_for_line(self, process: subprocess.Popen[bytes], *, what: str, seconds: float) -> str:
        """Return the next line that `process` prints; an empty one when it has ended."""
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
        """Wait as `wait_for` does until `process` has ended; return its status."""
        self.wait_for(lambda: process.poll() is not None, what=what, seconds=seconds)
        return process.returncode

    def end_all(self, *, seconds: float = 4.5) -> None:
        """End everything, the last one first, within about `seconds`; what is slower is killed."""
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
        # Ctrl-C goes to the whole group; the order in which the processes end is the script's.
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
    """End with a sentence unless `port` can be bound on 127.0.0.1; `option` is what chooses it."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except PermissionError:
            fail(f"Port {port} may not be opened by this user; choose another with {option}.")
        except OSError:
            fail(f"Port {port} is in use; choose another with {option}.")


def free_port() -> int:
    """Return a port of 127.0.0.1 that nothing listens on now.

    It is below those that systems give to outgoing connections, one of which could have it by the
    time that a server starts, or starts again.
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
