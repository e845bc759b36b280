"""The service without metrics and without a line for each request, to measure what they cost.

`python -m benchmarks.unobserved --port=PORT` serves as `python -m remotedrive` does.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from typing import Any

import uvicorn
from prometheus_client import Counter, Gauge, Histogram

from remotedrive.__main__ import UVICORN


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    port: int = parser.parse_args().port
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "remotedrive.settings")
    _observe_nothing()
    uvicorn.run("remotedrive.asgi:application", port=port, **UVICORN)


def _observe_nothing() -> None:
    from remotedrive import metrics, request_notes
    from remotedrive.http import logs

    replaced: list[tuple[Any, str, Callable[..., Any]]] = [
        *((kind, "inc", _nothing) for kind in (Counter, Gauge)),
        (Histogram, "observe", _nothing),
        (metrics, "request_ended", _nothing),
        (metrics, "store_call_ended", _nothing),
        (request_notes, "add_database", _nothing),
        (request_notes, "add_store", _nothing),
        (logs, "route_of", lambda match: ""),
        (logs, "note", _nothing),
        (logs, "write_request", _nothing),
    ]
    for place, name, replacement in replaced:
        setattr(place, name, replacement)


def _nothing(*arguments: Any, **named: Any) -> None:
    pass


if __name__ == "__main__":
    main()
