"""What the processes of a running service hold, as Linux tells it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from tests.support.server import Server


@dataclass(frozen=True)
class Holding:
    """What a process holds at a moment."""

    memory: int
    """Bytes that are its own, and no file's."""
    peak: int
    """Bytes in RAM when there were most of them, pages shared with other processes included."""
    threads: int
    descriptors: int

    @classmethod
    def of(cls, pid: int) -> Holding:
        process = Path(f"/proc/{pid}")
        status = (process / "status").read_text()
        return cls(
            memory=_bytes(status, "RssAnon"),
            peak=_bytes(status, "VmHWM"),
            threads=len(list((process / "task").iterdir())),
            descriptors=len(list((process / "fd").iterdir())),
        )


def answering(service: Server) -> list[int]:
    """Return the processes of `service` that answer requests."""
    assert service.process is not None
    if service.workers == 1:
        return [service.process.pid]
    return service.worker_pids()


def _bytes(status: str, name: str) -> int:
    found = re.search(rf"^{name}:\s+(\d+) kB$", status, re.M)
    assert found is not None
    return int(found[1]) * 1024
