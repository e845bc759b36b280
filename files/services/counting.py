"""What becomes of uploads, for the metrics of the process (`remotedrive/metrics.py`)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from django.db import InterfaceError, OperationalError

from files.exceptions import DriveError
from files.models import FileVersion
from remotedrive import metrics

BEGIN, COMMIT = "begin", "commit"


def begun(count: int = 1) -> None:
    """Count uploads that are in the database."""
    metrics.UPLOADS_STARTED.inc(count)


def committed(version: FileVersion) -> None:
    """Count an upload that became this version; call it after the transaction."""
    metrics.UPLOADS_COMMITTED.inc()
    metrics.COMMITTED_BYTES.inc(version.size)


def failed(step: str, errors: Iterable[Any]) -> None:
    """Count those of the results of a batch that are domain errors."""
    for error in errors:
        if isinstance(error, DriveError):
            metrics.UPLOADS_FAILED.labels(step, error.code).inc()


@contextmanager
def failures(step: str) -> Iterator[None]:
    """Count an exception that leaves this block as a failure of `step`."""
    try:
        yield
    except DriveError as error:
        metrics.UPLOADS_FAILED.labels(step, error.code).inc()
        raise
    except (OperationalError, InterfaceError):
        metrics.UPLOADS_FAILED.labels(step, "unavailable").inc()
        raise
    except Exception:
        metrics.UPLOADS_FAILED.labels(step, "internal-error").inc()
        raise
