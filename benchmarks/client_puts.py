"""`drive put` of many files beside bare PUTs of the same bytes with the same concurrency.

The bare PUTs have presigned URLs beforehand, and neither begin, hash nor commit anything: to URLs
that bind the SHA-256, so that the store does the same work, and to URLs that bind nothing.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import local
from typing import Any

from benchmarks.client import Bytes, Client
from benchmarks.contenders import Contender
from benchmarks.load import LoadError
from benchmarks.report import Section, ratios
from scripts.lib.setup import ROOT

MIB = 1 << 20
SIZE = 8 * MIB
JOBS = 4
TITLE = "drive put, files of 8 MiB, beside"
ROWS = {"bound": "bare PUTs that bind the SHA-256", "unbound": "bare PUTs that bind nothing"}


class ClientPuts:
    """One person's folders of files, each sent by the client and bare, in turn."""

    def __init__(self, service: Contender, folder: Path, check: Callable[[], None]) -> None:
        self._service = service
        self._folder = folder / "puts"
        self._check = check
        self._environment = os.environ | {
            "PYTHONPATH": str(ROOT / "client"),
            "DRIVE_CONFIG_DIR": str(self._folder / "config"),
            "DRIVE_URL": service.url,
            "DRIVE_TOKEN": service.token,
        }

    def section(self, *, files: int, rounds: int) -> Section:
        """Send so many files in each round; a ratio is of throughput."""
        section = Section(TITLE, ("MiB/s", "drive put MiB/s", "ratio"))
        rates: dict[str, list[float]] = {"put": [], "bound": [], "unbound": []}
        for number in range(rounds):
            paths = self._files(files)
            order = [
                ("put", self._put(paths)),
                ("bound", self._bare(paths, bound=True)),
                ("unbound", self._bare(paths, bound=False)),
            ]
            for name, side in order[number % 3 :] + order[: number % 3]:
                self._check()
                # What was written before would be flushed while this side is measured.
                os.sync()
                began = time.perf_counter()
                side()
                rates[name].append(files * SIZE / MIB / (time.perf_counter() - began))
            for path in paths:
                path.unlink()
        for name, title in ROWS.items():
            section.add(title, rates[name], rates["put"], ratios(rates["put"], rates[name]))
        return section

    def _files(self, count: int) -> list[Path]:
        folder = self._folder / "files"
        folder.mkdir(parents=True, exist_ok=True)
        paths = [folder / f"{number}.bin" for number in range(count)]
        for path in paths:
            path.write_bytes(os.urandom(SIZE))
        return paths

    def _put(self, paths: Sequence[Path]) -> Callable[[], None]:
        folder = f"/{time.time_ns()}"
        drive = [sys.executable, "-m", "remotedrive_client"]
        command = [*drive, "put", *map(str, paths), "--to", folder]

        def put() -> None:
            done = subprocess.run(
                command, env=self._environment, capture_output=True, text=True, check=False
            )
            if done.returncode != 0:
                raise LoadError(f"drive put: {done.stderr}")

        return put

    def _bare(self, paths: Sequence[Path], *, bound: bool) -> Callable[[], None]:
        service = Client(self._service.url, self._service.token)
        begun: list[dict[str, Any]] = []
        for path in paths:
            announcement = Bytes.of(path.read_bytes()).announcement(path.name)
            if not bound:
                del announcement["checksum"]
            begun.append(service.call("POST", "/files/init-upload", announcement))
        service.close()
        thread = local()

        def send(path: Path, upload: dict[str, Any]) -> None:
            url = upload["presigned_put_url"]
            if not hasattr(thread, "store"):
                thread.store = Client(url)
            thread.store.put(url, path.read_bytes(), upload["headers"])

        def send_all() -> None:
            with ThreadPoolExecutor(JOBS) as pool:
                for _ in pool.map(send, paths, begun):
                    pass

        return send_all
