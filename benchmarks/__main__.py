"""Starts the servers, measures, prints the tables, and stops all that it started.

`benchmarks/run` runs this in the environment that `benchmarks/install.py` makes.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.client_puts import ClientPuts
from benchmarks.comparison import Comparison
from benchmarks.contenders import SERVICE, Servers
from benchmarks.listings import Listings
from benchmarks.load import CONNECTIONS, LoadError, ensure_wrk
from benchmarks.options import Options, parse
from benchmarks.report import Section, write_json
from benchmarks.uploads import Uploads
from scripts.lib.processes import DiedError, Processes, StoppedError
from scripts.lib.setup import say

END_SECONDS = 15


def main() -> int:
    """Return the exit status: 0 only when everything was measured."""
    options = parse()
    processes = Processes()
    with tempfile.TemporaryDirectory(prefix="remotedrive-") as name:
        servers = None
        try:
            ensure_wrk(processes)
            servers = Servers(processes, Path(name))
            print(_introduction(options), flush=True)
            _run(processes, servers, options, Path(name))
        except StoppedError:
            return 130
        except (DiedError, LoadError) as error:
            say(str(error))
            if servers is not None:
                say(servers.log())
            return 1
        finally:
            processes.end_all(seconds=END_SECONDS)
    return 0


def _run(processes: Processes, servers: Servers, options: Options, folder: Path) -> None:
    """Measure, and print each table when it is complete."""
    sections = []
    try:
        for section in _measure(processes, servers, options, folder):
            print(section.text(), flush=True)
            sections.append(section)
    except LoadError:
        # A signal to the whole group ends the servers, too, and is the reason then.
        processes.wait_for(lambda: True)
        raise
    if options.json is not None:
        write_json(options.json, sections)


def _measure(
    processes: Processes, servers: Servers, options: Options, folder: Path
) -> Iterator[Section]:
    def check() -> None:
        """Stop here after a signal, or when a server has ended."""
        processes.wait_for(lambda: True)

    contenders = servers.start()
    comparison = Comparison(processes, contenders, servers.databases, options, folder)
    yield from comparison.sections()
    service = contenders[SERVICE]
    yield Uploads(service, check).section(small=options.small_uploads, large=options.large_uploads)
    puts = ClientPuts(service, folder, check)
    yield puts.section(files=options.put_files, rounds=options.rounds)
    listings = Listings(service.url, servers.databases[SERVICE], servers.token, check)
    yield listings.section(options.listings, options.listing_requests)


def _introduction(options: Options) -> str:
    length = f"{options.requests} requests" if options.seconds is None else f"{options.seconds} s"
    return (
        f"{CONNECTIONS} connections, rounds of {length} in turn, medians of"
        f" {options.rounds}; each server is one process unless it says otherwise.\n"
        "CPU: of the server's processes for one request. Ratio: this service's figure divided by"
        " the row's.\nThe peers were written for this comparison, but for giftless, which keeps no"
        " rows and asks the store (HEAD)\nbefore it signs. Whole uploads: throughput, and its ratio"
        " to the bare PUT's. Listings: one request at a time,\nthe ratio to the fewest files.\n"
    )


if __name__ == "__main__":
    sys.exit(main())
