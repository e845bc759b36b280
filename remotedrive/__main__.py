"""Serves: `python -m remotedrive [--host HOST] [--port PORT] [--workers N]`.

The one place that says how uvicorn is started. Only the workers set up Django; the process that
starts them reads the settings, for its log.
"""

from __future__ import annotations

import argparse
import logging.config
import os
from contextlib import nullcontext
from typing import Any, NoReturn

import uvicorn
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from remotedrive.metric_files import shared_folder

UVICORN: dict[str, Any] = {
    "http": "remotedrive.serving.protocol:Protocol",
    "lifespan": "on",
    # The lines of the process that starts the workers: that one has died, for instance.
    "log_level": "info",
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
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "remotedrive.settings")
    try:
        log_config = settings.LOGGING
    except ImproperlyConfigured as error:
        parser.exit(3, f"{parser.prog}: {error}.\n")
    logging.config.dictConfig(log_config)
    several = uvicorn.Config("", workers=options.workers, log_config=None).workers > 1
    # A single one counts in its memory.
    with shared_folder() if several else nullcontext():
        uvicorn.run(
            "remotedrive.asgi:application",
            host=options.host,
            port=options.port,
            workers=options.workers,
            log_config=log_config,
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
