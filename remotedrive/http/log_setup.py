"""Sets up logging (Django's `LOGGING_CONFIG`), and writes its lines."""

from __future__ import annotations

import logging.config
import sys
import threading
from types import TracebackType
from typing import Any

_logger = logging.getLogger("remotedrive")
_PIPE_BYTES = 4096
"""What several processes may write to one pipe at once, each undivided (POSIX, PIPE_BUF, on Linux).
"""
_HELD_MAX = 500


class LineHandler(logging.StreamHandler[Any]):
    """Writes records to standard error, and those that may wait together.

    Each write of its own lets other threads run first, which costs more than the line itself.
    """

    def __init__(self) -> None:
        super().__init__()
        self._held: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self._held.append(record)
        if not getattr(record, "may_wait", False) or len(self._held) >= _HELD_MAX:
            self.flush()

    def flush(self) -> None:
        self.acquire()
        try:
            held, self._held = self._held, []
            text = ""
            for record in held:
                line = self._formatted(record)
                if text and len(text) + len(line) > _PIPE_BYTES:
                    self._write(text, record)
                    text = ""
                text += line
            if text:
                self._write(text, held[-1])
        finally:
            self.release()

    def _formatted(self, record: logging.LogRecord) -> str:
        try:
            return self.format(record) + self.terminator
        except Exception:
            self.handleError(record)
            return ""

    def _write(self, text: str, record: logging.LogRecord) -> None:
        try:
            self.stream.write(text)
            self.stream.flush()
        except Exception:
            self.handleError(record)


def configure(config: dict[str, Any]) -> None:
    """Configure logging; what nobody caught, and warnings, are logged, too."""
    # No line shows them, and each record would look them up.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
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
