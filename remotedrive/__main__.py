"""Serves: `python -m remotedrive [--host HOST] [--port PORT] [--workers N]`.

The one place that says how uvicorn is started. Django is imported by the workers, not here.
"""

from __future__ import annotations

import argparse
from typing import Any, NoReturn

import uvicorn

UVICORN: dict[str, Any] = {
    "http": "remotedrive.serving.protocol:Protocol",
    "lifespan": "on",
    "access_log": False,
    "server_header": False,
    # `TRUSTED_PROXIES` says which proxies are believed; see `remotedrive/asgi.py`.
    "proxy_headers": False,
    "timeout_graceful_shutdown": 4,
    "timeout_worker_healthcheck": 30,
}
"""The options of every service, whatever its address and application; times are in seconds."""


def main() -> None:
    """Serve until a signal ends it; exits with 2 and one sentence when an argument is invalid."""
    parser = _Parser(prog="python -m remotedrive", description="Serve Remote Drive.")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    parser.add_argument("--port", type=_port, default=8000, help="port to listen on (%(default)s)")
    # Without the argument uvicorn reads the environment.
    workers = "server processes; $WEB_CONCURRENCY, or 1, when not given"
    parser.add_argument("--workers", type=_workers, help=workers)
    options = parser.parse_args()
    uvicorn.run(
        "remotedrive.asgi:application",
        host=options.host,
        port=options.port,
        workers=options.workers,
        **UVICORN,
    )


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}.\n")


def _port(text: str) -> int:
    return _number(text, 65535)


def _workers(text: str) -> int:
    return _number(text, 64)


def _number(text: str, at_most: int) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= at_most):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 to {at_most}")
    return int(text)


if __name__ == "__main__":
    main()
