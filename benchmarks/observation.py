"""The service, which two signals make do without metrics and the lines of requests, and with them.

`python -m benchmarks.observation --port=PORT` serves as `python -m remotedrive` does. The same
process answers with and without: two processes differ by more than what is measured.
"""

from __future__ import annotations

import argparse
import os
import signal
from typing import Any

import uvicorn

from remotedrive.__main__ import UVICORN

ON, OFF = signal.SIGUSR1, signal.SIGUSR2


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    port: int = parser.parse_args().port
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "remotedrive.settings")
    from django.conf import settings

    _switch()
    application = "remotedrive.asgi:application"
    uvicorn.run(application, port=port, log_config=settings.LOGGING, **UVICORN)


def _switch() -> None:
    from prometheus_client import Counter, Gauge, Histogram

    from remotedrive import metrics, request_notes
    from remotedrive.http import logs

    places: list[tuple[Any, str]] = [
        *((kind, "inc") for kind in (Counter, Gauge)),
        (Histogram, "observe"),
        (metrics, "request_ended"),
        (metrics, "store_call_ended"),
        (request_notes, "add_database"),
        (request_notes, "add_store"),
        (logs, "note"),
        (logs, "write_request"),
    ]
    own = [getattr(place, name) for place, name in places]

    def switch(number: int, frame: object) -> None:
        for (place, name), function in zip(places, own, strict=True):
            setattr(place, name, function if number == ON else _nothing)

    for number in (ON, OFF):
        signal.signal(number, switch)


def _nothing(*arguments: Any, **named: Any) -> None:
    pass


if __name__ == "__main__":
    main()
