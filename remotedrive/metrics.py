"""What the service counts and measures, for Prometheus; `docx/operations.md` explains each metric.

Every label has few values: none comes from a path, a name or a person. Where several workers serve,
they count together (`metric_files.py`), and any of them that can answers for all; elsewhere, as in
a command, the counts are the process's own. One count takes about 2 microseconds, one
observation 4.
"""

from __future__ import annotations

import logging
import struct
import threading
import time

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, values
from prometheus_client.multiprocess import MultiProcessCollector

from remotedrive import metric_files

CONTENT_TYPE = prometheus_client.exposition.CONTENT_TYPE_PLAIN_0_0_4
SAME_SECONDS = 1.0
"""Seconds for which a text is given again: making it takes milliseconds, and anyone may ask."""
METHODS = frozenset({"GET", "HEAD", "POST", "PATCH", "DELETE"})
"""Others are counted as `other`."""
NOT_ASKED = "not-asked"

_logger = logging.getLogger(__name__)
_folder = metric_files.folder()
# Whatever the library found in the environment.
values.ValueClass = values.MutexValue
if _folder is not None:
    try:
        _number = metric_files.take_number(_folder)
    except OSError as error:
        _logger.error("This worker cannot make the files in which it counts: %s", error)
        _folder = None
    else:
        values.ValueClass = values.MultiProcessValue(  # type: ignore[no-untyped-call]
            process_identifier=lambda: _number
        )

prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]
REGISTRY = CollectorRegistry()

HTTP_REQUESTS = Counter(
    "remotedrive_http_requests_total",
    "Requests that were answered.",
    ["route", "method", "status"],
    registry=REGISTRY,
)
HTTP_SECONDS = Histogram(
    "remotedrive_http_request_duration_seconds",
    "Time from the head of a request to its whole response.",
    ["route"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
    registry=REGISTRY,
)
CONNECTIONS_REFUSED = Counter(
    "remotedrive_connections_refused_total",
    "Connections refused before a request was read, by the code of the problem.",
    ["code"],
    registry=REGISTRY,
)
UPLOADS_STARTED = Counter(
    "remotedrive_uploads_started_total", "Uploads that were begun.", registry=REGISTRY
)
UPLOADS_COMMITTED = Counter(
    "remotedrive_uploads_committed_total", "Uploads that became versions.", registry=REGISTRY
)
UPLOADS_FAILED = Counter(
    "remotedrive_uploads_failed_total",
    "Uploads that were not begun or not committed, by step and the code of the problem.",
    ["step", "code"],
    registry=REGISTRY,
)
COMMITTED_BYTES = Counter(
    "remotedrive_committed_bytes_total", "Bytes of the versions committed.", registry=REGISTRY
)
STORE_CALLS = Counter(
    "remotedrive_store_calls_total",
    "Calls of the object store, by operation and result.",
    ["operation", "result"],
    registry=REGISTRY,
)
STORE_SECONDS = Histogram(
    "remotedrive_store_call_duration_seconds",
    "Time of a call of the object store, with the wait for its turn.",
    ["operation"],
    buckets=(0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
    registry=REGISTRY,
)
STORE_BREAKERS_OPEN = Gauge(
    "remotedrive_store_breakers_open",
    "Workers that do not ask the object store for now.",
    multiprocess_mode="livesum",
    registry=REGISTRY,
)
THREADS = Gauge(
    "remotedrive_threads",
    "Requests that can be under way at the same moment.",
    multiprocess_mode="livesum",
    registry=REGISTRY,
)
THREADS_BUSY = Gauge(
    "remotedrive_threads_busy",
    "Requests that threads have begun.",
    multiprocess_mode="livesum",
    registry=REGISTRY,
)
REQUESTS_WAITING = Gauge(
    "remotedrive_requests_waiting",
    "Requests that wait for a thread.",
    multiprocess_mode="livesum",
    registry=REGISTRY,
)
WORKERS = Gauge(
    "remotedrive_workers",
    "Worker processes that serve.",
    multiprocess_mode="livesum",
    registry=REGISTRY,
)
WORKER_STARTS = Counter(
    "remotedrive_worker_starts_total", "Starts of worker processes.", registry=REGISTRY
)
THROTTLED = Counter(
    "remotedrive_throttled_total",
    "Requests answered 429 because a limit was reached, by limit.",
    ["scope"],
    registry=REGISTRY,
)
CACHE_FAILURES = Counter(
    "remotedrive_cache_failures_total",
    "Requests let through uncounted because the cache did not answer.",
    registry=REGISTRY,
)

_requests: dict[tuple[str, str, int], Counter] = {}
_request_seconds: dict[str, Histogram] = {}
_store_calls: dict[tuple[str, str], Counter] = {}
_store_seconds: dict[str, Histogram] = {}
"""The children of some metrics: looking one up by `labels()` costs as much as counting."""


def request_ended(*, route: str, method: str, status: int, seconds: float) -> None:
    """Count a request that was answered."""
    try:
        requests = _requests[route, method, status]
        durations = _request_seconds[route]
    except KeyError:
        known = method if method in METHODS else "other"
        requests = HTTP_REQUESTS.labels(route, known, str(status))
        durations = _request_seconds[route] = HTTP_SECONDS.labels(route)
        if known == method:
            _requests[route, method, status] = requests
    requests.inc()
    durations.observe(seconds)


def store_call_ended(*, operation: str, result: str, seconds: float) -> None:
    """Count a call of the store; `NOT_ASKED` is the result of one that was not made."""
    try:
        calls = _store_calls[operation, result]
        durations = _store_seconds[operation]
    except KeyError:
        calls = _store_calls[operation, result] = STORE_CALLS.labels(operation, result)
        durations = _store_seconds[operation] = STORE_SECONDS.labels(operation)
    calls.inc()
    if result != NOT_ASKED:
        durations.observe(seconds)


class _Text:
    """Makes the text, one thread at a time, and gives the last one again for a moment."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._made: tuple[float, bytes] = float("-inf"), b""

    def get(self) -> bytes:
        with self._lock:
            at, text = self._made
            if time.monotonic() - at >= SAME_SECONDS:
                text = _text()
                self._made = time.monotonic(), text
            return text


def _text() -> bytes:
    if not metric_files.is_one_of_several():
        return prometheus_client.generate_latest(REGISTRY)
    if _folder is None:
        raise OSError("this worker does not count together with the others")
    metric_files.forget_dead(_folder)
    registry = CollectorRegistry()
    MultiProcessCollector(  # type: ignore[no-untyped-call]
        registry, path=str(_folder)
    )
    try:
        return prometheus_client.generate_latest(registry)
    except (struct.error, RuntimeError) as error:
        raise ValueError("a file of counts is too short") from error


_text_made = _Text()


def text() -> bytes:
    """Return all metrics of all workers in Prometheus' text format, at most `SAME_SECONDS` old.

    Raises OSError where the files of the workers are gone, or this one has none, ValueError where
    they are unreadable.
    """
    return _text_made.get()
