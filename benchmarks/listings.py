"""Listings of users with few and with very many files, one request at a time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from urllib.parse import urlencode, urlsplit

import psycopg

from benchmarks import rows
from benchmarks.client import Client
from benchmarks.report import Section, ratios
from benchmarks.rows import COMMON, RARE

_MIDDLE = "a page in the middle"
_FILTERS = {
    "first page": {},
    "by name, one found": {"name": "{middle}"},
    "by name, none found": {"name": "no-such-name"},
    "by type, one of 100 found": {"content_type": COMMON},
    "by type, one found": {"content_type": RARE},
    "by type, none found": {"content_type": "video/*"},
    "by time": {"created_before": "{time}"},
    "empty trash": {"trashed": "true"},
}
QUERIES = (*_FILTERS, _MIDDLE)
"""What is asked of each user's files."""


class Listings:
    """Measures the service at `url` with users of its own, whom `token` makes tokens for."""

    def __init__(
        self, url: str, database: str, token: Callable[[str], str], check: Callable[[], None]
    ) -> None:
        self._url = url
        self._database = database
        self._token = token
        self._check = check

    def section(self, counts: tuple[int, ...], requests: int) -> Section:
        """Return milliseconds of each query at each count of files, and ratios to the first."""
        clients = {count: self._user_with(count) for count in counts}
        rows.analyze(self._database)
        paths = {count: dict(self._paths(client, count)) for count, client in clients.items()}
        columns = [f"{count:,} ms" for count in counts]
        columns += [f"ratio {count:,}" for count in counts[1:]]
        section = Section("listings of one user's files", columns)
        for name in paths[counts[0]]:
            self._check()
            here = {count: paths[count][name] for count in counts}
            taken = _measure(clients, here, requests)
            more = [ratios(taken[count], taken[counts[0]]) for count in counts[1:]]
            section.add(name, *taken.values(), *more)
        for client in clients.values():
            client.close()
        return section

    def _user_with(self, count: int) -> Client:
        """Make a user with so many files; the first request makes the user."""
        subject = f"owner-of-{count}"
        client = Client(self._url, self._token(subject))
        client.call("GET", "/files")
        self._check()
        with psycopg.connect(self._database) as connection:
            rows.add_files(connection, subject, count)
        return client

    def _paths(self, client: Client, count: int) -> Iterator[tuple[str, str]]:
        """Yield each query of a user with so many files."""
        middle = client.call("GET", f"/files?{urlencode({'name': rows.name_of(count // 2)})}")
        values = {"middle": rows.name_of(count // 2), "time": middle["results"][0]["created_at"]}
        for name, query in _FILTERS.items():
            given = {key: value.format(**values) for key, value in query.items()}
            yield name, f"/files?{urlencode(given)}"
        page = client.call("GET", f"/files?{urlencode({'created_before': values['time']})}")
        # The cursor alone, without the filter that led to the place.
        cursor = dict(part.split("=", 1) for part in urlsplit(page["next"]).query.split("&"))
        yield _MIDDLE, f"/files?cursor={cursor['cursor']}"


def _measure(
    clients: Mapping[int, Client], paths: Mapping[int, str], requests: int
) -> dict[int, list[float]]:
    """Send each path so often, the counts in turn; return milliseconds."""
    taken: dict[int, list[float]] = {count: [] for count in clients}
    for number in range(requests + 1):
        for count, client in clients.items():
            start = time.perf_counter()
            client.call("GET", paths[count])
            if number:  # The first one warms the caches.
                taken[count].append((time.perf_counter() - start) * 1000)
    return taken
