"""Sets up logging (Django's `LOGGING_CONFIG`), and writes its lines."""

from __future__ import annotations

import logging.config
import sys
import threading
from contextlib import nullcontext, suppress
from types import TracebackType
from typing import Any

from remotedrive import metric_files

_logger = logging.getLogger("remotedrive")
_PIPE_BYTES = 4096
"""What several processes may write to one pipe at once, each undivided (POSIX, PIPE_BUF, on Linux).
"""
_HELD_MAX = 500


class LineHandler(logging.StreamHandler[Any]):
    """Writes records to standard error, and those that may wait together.

    Each write of its own lets other threads run first, which costs more than the line itself.
    Of several workers one writes at a time what a pipe would divide.
    """

    def __init__(self) -> None:
        super().__init__()
        self._held: list[logging.LogRecord] = []
        folder = metric_files.folder()
        self._turns = None if folder is None else metric_files.Turns(folder)

    def emit(self, record: logging.LogRecord) -> None:
        self._held.append(record)
        if not getattr(record, "may_wait", False) or len(self._held) >= _HELD_MAX:
            self.flush()

    def flush(self) -> None:
        self.acquire()
        try:
            held, self._held = self._held, []
            text, size = "", 0
            for record in held:
                line = self._formatted(record)
                line_size = _bytes_of(line)
                if text and size + line_size > _PIPE_BYTES:
                    self._write(text, size)
                    text, size = "", 0
                text += line
                size += line_size
            if text:
                self._write(text, size)
        finally:
            self.release()

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """Say that a record cannot be written, with nothing but its template.

        logging would print what was to stand in it, as it is.
        """
        line = self._formatted_failure(record, sys.exc_info()[1])
        self._write(line, _bytes_of(line))

    def _formatted(self, record: logging.LogRecord) -> str:
        try:
            return self.format(record) + self.terminator
        except Exception as error:
            return self._formatted_failure(record, error)

    def _formatted_failure(self, record: logging.LogRecord, error: BaseException | None) -> str:
        template = record.msg if isinstance(record.msg, str) else type(record.msg).__name__
        failure = logging.LogRecord(
            *(_logger.name, logging.ERROR, "", 0),
            "A line of %s cannot be written (%s): %s",
            (record.name, type(error).__name__, template),
            None,
        )
        try:
            return self.format(failure) + self.terminator
        except Exception:
            return ""

    def _write(self, text: str, size: int) -> None:
        turn = nullcontext() if self._turns is None else self._turns.take(alone=size > _PIPE_BYTES)
        # Where standard error fails there is nowhere to say so.
        with suppress(Exception), turn:
            self.stream.write(text)
            self.stream.flush()


def _bytes_of(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode(errors="backslashreplace"))


def configure(config: dict[str, Any]) -> None:
    """Configure logging; what nobody caught, and warnings, are logged, too."""
    # No line shows them, and each record would look them up.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging.config.dictConfig(config)
    logging.captureWarnings(True)
    sys.excepthook = _log_uncaught
    threading.excepthook = _log_uncaught_in_thread
    sys.unraisablehook = _log_unraisable


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


def _log_unraisable(arguments: sys.UnraisableHookArgs) -> None:
    # Not the object in which it came: what it shows of itself is not known.
    if arguments.exc_value is not None:
        _logger.error(
            "An exception could not be raised",
            exc_info=(arguments.exc_type, arguments.exc_value, arguments.exc_traceback),
        )
