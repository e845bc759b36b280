"""Runs the checks of `bucket_checks` and `doctor_checks`, in order, and removes what they left."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Literal

from files.store import transport
from files.store.config import StoreConfig
from files.store.ops import bucket_checks, doctor_checks  # noqa: F401 (declare the checks)
from files.store.ops.examination import (
    DECLARED,
    Check,
    CheckFailedError,
    CheckNotedError,
    Examination,
)
from files.store.ops.probe import PREFIX, Probe, reason

CHECKS = tuple(DECLARED)


@dataclass(frozen=True)
class Finding:
    """One check: what was seen, and, unless it is `ok`, what that means and what to do."""

    name: str
    status: Literal["ok", "fail", "note"]
    detail: str
    meaning: str | None = None


class Doctor:
    """Examines a store; `origins` are those of web pages that would upload to it.

    Raises ValueError for an invalid endpoint or region.
    """

    def __init__(self, config: StoreConfig, *, origins: Sequence[str]) -> None:
        self._timeout = config.timeout
        self._probe = Probe(config)
        self._examination = Examination(self._probe, origins=origins)

    def run(self) -> Generator[Finding, None, None]:
        """Yield one finding after the other, and remove at the end all that was made for them.

        Each takes at most the timeout. A failed check that is essential is the last one.
        """
        try:
            for check in CHECKS:
                finding = self._finding(check)
                yield finding
                if finding.status == "fail" and check.essential:
                    break
        finally:
            left = self._clean_up()
        if left is not None:
            yield left

    def _finding(self, check: Check) -> Finding:
        try:
            with transport.deadline(self._timeout):
                return Finding(check.name, "ok", check.ask(self._examination))
        except CheckFailedError as failed:
            return Finding(check.name, "fail", str(failed), failed.meaning or check.meaning)
        except CheckNotedError as noted:
            return Finding(check.name, "note", str(noted), noted.meaning)
        except Exception as error:
            # Any error: the SDK lets those of ssl, http.client, XML and int() through.
            detail = f"the store did not answer as it should ({reason(error)})"
            return Finding(check.name, "fail", detail, check.meaning)

    def _clean_up(self) -> Finding | None:
        try:
            self._probe.clean_up()
        except Exception as error:
            return Finding(
                "clean-up",
                "note",
                f"could not be done ({reason(error)})",
                f"Throw-away objects are left under {PREFIX}. The service's key must be able to"
                " list and delete object versions, and to abort multipart uploads.",
            )
        return None
