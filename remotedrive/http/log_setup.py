"""Sets up logging (Django's `LOGGING_CONFIG`); what nobody caught is logged, too."""

from __future__ import annotations

import logging.config
import sys
import threading
from types import TracebackType
from typing import Any

_logger = logging.getLogger("remotedrive")


def configure(config: dict[str, Any]) -> None:
    """Configure logging (Django's LOGGING_CONFIG), and write what nobody caught as a line, too."""
    logging.config.dictConfig(config)
    logging.captureWarnings(True)
    sys.excepthook = _log_uncaught
    threading.excepthook = _log_uncaught_in_thread


def _log_uncaught(
    kind: type[BaseException], error: BaseException, traceback: TracebackType | None
) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, traceback)
        return
    _logger.critical("The process failed", exc_info=(kind, error, traceback))


def _log_uncaught_in_thread(arguments: threading.ExceptHookArgs) -> None:
    if arguments.exc_value is not None:
        _logger.critical(
            "A thread failed",
            exc_info=(arguments.exc_type, arguments.exc_value, arguments.exc_traceback),
        )
