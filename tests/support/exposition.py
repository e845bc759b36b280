"""What `/metrics` says, as numbers."""

from __future__ import annotations

import time
from collections.abc import Callable

from prometheus_client.parser import text_string_to_metric_families

from remotedrive.metrics import SAME_SECONDS
from tests.support.process import START_SECONDS, wait_for
from tests.support.server import Server


class Metrics:
    """The samples of one text."""

    def __init__(self, text: str) -> None:
        self.samples = [
            sample for family in text_string_to_metric_families(text) for sample in family.samples
        ]

    def total(self, name: str, **labels: str) -> float:
        """Return the sum of the samples of this name that have these labels; 0 of none."""
        return sum(
            sample.value
            for sample in self.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )

    def values(self, name: str, label: str) -> set[str]:
        """Return the values that a label has in the samples of this name."""
        return {sample.labels[label] for sample in self.samples if sample.name == name}


def scraped(server: Server) -> Metrics:
    """Return what a service says now: not a text that it made before."""
    time.sleep(SAME_SECONDS)
    answer = server.http.get("/metrics")
    assert answer.status_code == 200, answer.text
    return Metrics(answer.text)


def wait_until(
    server: Server, holds: Callable[[Metrics], bool], *, seconds: float = START_SECONDS
) -> None:
    """Return once `holds` is true of what the service says."""

    def is_so() -> bool:
        return holds(Metrics(server.http.get("/metrics").text))

    wait_for(is_so, seconds=seconds)
