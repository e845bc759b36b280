"""The service beside its peers: alternating rounds under the same load."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import cycle, islice
from pathlib import Path
from uuid import UUID

import psycopg

from benchmarks import operations, rows
from benchmarks.client import Client
from benchmarks.contenders import (
    OBSERVED,
    SERVICE,
    TWO_WORKERS,
    UNOBSERVED,
    USER,
    Contender,
)
from benchmarks.load import LoadError, Measured, Request, load
from benchmarks.operations import COMMIT, COMPARED, DOWNLOAD, INIT_UPLOAD, LIST
from benchmarks.options import Options
from benchmarks.report import Section, ratios
from scripts.lib.processes import Processes

FILES = 1_000
"""Files of the user in each database, to list and download."""
COLUMNS = ("requests/s", "p50 ms", "p99 ms", "CPU ms", "rate ratio", "CPU ratio")
OBSERVATION = f"{INIT_UPLOAD}, metrics and log"
_LAYER = "the server layer alone, /problems/invalid"


@dataclass(frozen=True)
class Comparison:
    """Measures contenders in turn. `databases` are the URLs of those that keep rows."""

    processes: Processes
    contenders: Mapping[str, Contender]
    databases: Mapping[str, str]
    options: Options
    folder: Path

    def sections(self) -> Iterator[Section]:
        """Yield one section for each operation, then those of this service alone.

        A ratio is the service's figure divided by the row's.
        """
        ids = {name: self._add_files(url) for name, url in self.databases.items()}
        steady: dict[str, Callable[[Contender], list[Request]]] = {
            INIT_UPLOAD: operations.init_uploads,
            DOWNLOAD: lambda each: operations.downloads(each, ids.get(each.name, [])),
            LIST: lambda each: operations.listings(),
        }
        for operation, prepare in steady.items():
            yield self._compare(operation, COMPARED[operation], prepare)
        yield self._compare(COMMIT, COMPARED[COMMIT], self._commits, once=True)
        yield self._compare(
            f"{INIT_UPLOAD}, more workers",
            (SERVICE, TWO_WORKERS),
            operations.init_uploads,
        )
        yield self._in_short_rounds()._compare(
            OBSERVATION,
            (OBSERVED, UNOBSERVED),
            operations.init_uploads,
        )
        yield self._compare(
            _LAYER,
            (SERVICE,),
            lambda each: [Request("GET", "/problems/invalid")],
        )
        yield self._batches()

    def _in_short_rounds(self) -> Comparison:
        """Return what measures as long in rounds of a second: for what hardly differs."""
        options = self.options
        if options.seconds is None:
            return self
        rounds = options.rounds * options.seconds
        return replace(self, options=replace(options, rounds=rounds, seconds=1))

    def _batches(self) -> Section:
        """Return the files a second of batches, one after another, beside those of single calls."""
        service = self.contenders[SERVICE]
        section = Section("batches", ("a second", "one by one", "ratio"))
        client = Client(service.url, service.token)

        def batch(path: str, member: str, requests: Sequence[Request]) -> float:
            items = [json.loads(request.body) for request in requests]
            began = time.perf_counter()
            results = client.call("POST", f"{path}/batch", {member: items})["results"]
            seconds = time.perf_counter() - began
            if failed := [each for each in results if "key" not in each]:
                raise LoadError(f"{SERVICE}: a batch: {failed[0]}")
            return len(items) / seconds

        for operation, path, member, prepare in (
            (INIT_UPLOAD, "/files/init-upload", "uploads", self._begins),
            (COMMIT, "/files/commit", "commits", self._commits),
        ):
            together, single = [], []
            for _ in range(self.options.rounds):
                together.append(batch(path, member, prepare(service)))
                single.append(self._load(SERVICE, prepare(service), None).rate)
            section.add(operation, together, single, ratios(together, single))
        client.close()
        return section

    def _begins(self, contender: Contender) -> list[Request]:
        return _repeated(operations.init_uploads(contender), self.options.commits)

    def _add_files(self, url: str) -> list[UUID]:
        with psycopg.connect(url) as connection:
            rows.add_files(connection, USER, FILES)
            ids = rows.ids_of_files(connection, USER)
        rows.analyze(url)
        return ids

    def _commits(self, contender: Contender) -> list[Request]:
        return operations.commits(contender, self.options.commits)

    def _compare(
        self,
        title: str,
        names: Sequence[str],
        prepare: Callable[[Contender], list[Request]],
        *,
        once: bool = False,
    ) -> Section:
        """Load each contender in turn, round after round. The ratios are those to the first one.

        `once`: send what was prepared, each request exactly once.
        """
        measured: dict[str, list[Measured]] = {name: [] for name in names}
        if not once:
            for name in names:
                self._load(name, self._some(prepare(self.contenders[name])), None)
        for _ in range(self.options.rounds):
            for name in names:
                requests, seconds = prepare(self.contenders[name]), self.options.seconds
                if not once and seconds is None:
                    requests = self._some(requests)
                measured[name].append(self._load(name, requests, None if once else seconds))
        section = Section(title, COLUMNS)
        mine = measured[names[0]]
        for name, figures in measured.items():
            rate, cpu = [each.rate for each in figures], [each.cpu for each in figures]
            section.add(
                name,
                rate,
                [each.p50 for each in figures],
                [each.p99 for each in figures],
                cpu,
                ratios([each.rate for each in mine], rate),
                ratios([each.cpu for each in mine], cpu),
            )
        return section

    def _some(self, requests: Sequence[Request]) -> list[Request]:
        """Return as many requests as the options say, the given ones over and over."""
        return _repeated(requests, self.options.requests)

    def _load(self, name: str, requests: Sequence[Request], seconds: int | None) -> Measured:
        contender = self.contenders[name]
        if contender.signal is not None:
            os.kill(contender.pid, contender.signal)
        try:
            return load(
                self.processes,
                requests,
                url=contender.url,
                token=contender.token,
                pid=contender.pid,
                seconds=seconds,
                folder=self.folder,
            )
        except LoadError as error:
            raise LoadError(f"{name}: {error}") from None


def _repeated(requests: Sequence[Request], count: int) -> list[Request]:
    return list(islice(cycle(requests), count))
