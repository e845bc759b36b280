"""`deploy/alerts.yml` and the tables of docx/operations.md, held against the metrics there are."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import promql_parser
import pytest
import yaml

from remotedrive import metrics
from remotedrive.http import problems
from tests.support.process import ROOT
from tests.support.routes import routes

pytestmark = pytest.mark.once

DOCUMENT = (ROOT / "docx" / "operations.md").read_text(encoding="utf-8")


def _shown_name(metric: Any) -> str:
    return str(metric._name) + ("_total" if metric._type == "counter" else "")


OF_PROMETHEUS = {"job", "instance"}
LABELS: dict[str, set[str]] = {"up": OF_PROMETHEUS}
"""The labels of each sample that can be asked for."""
METRICS: dict[str, set[str]] = {}
"""The labels of each metric, by the name that the document has."""
for name, metric in metrics.REGISTRY._names_to_collectors.items():
    own = set(metric._labelnames)  # type: ignore[attr-defined]
    if not name.endswith("_created"):
        LABELS[name] = OF_PROMETHEUS | own | ({"le"} if name.endswith("_bucket") else set())
    METRICS[_shown_name(metric)] = own
VALUES = {
    "code": set(problems.CATALOGUE),
    "step": {"begin", "commit"},
    "result": {"ok", "failed", "refused", "not-asked"},
    "operation": {"head"},
    "job": {"remotedrive"},
    "route": {re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", route) for route in routes()},
    "status": {str(each.status) for each in problems.CATALOGUE.values()} | {"500"},
}


def rules() -> list[dict[str, Any]]:
    text = (ROOT / "deploy" / "alerts.yml").read_text(encoding="utf-8")
    return [rule for group in yaml.safe_load(text)["groups"] for rule in group["rules"]]


def parts(expression: str) -> Iterator[Any]:
    found: list[Any] = []

    def visit(node: Any) -> None:
        found.append(node)

    promql_parser.walk(promql_parser.parse(expression), visit)
    yield from found


def wrong(expression: str) -> list[str]:
    """Return what an expression names that there is not."""
    found = []
    known: set[str] = set()
    for node in parts(expression):
        if isinstance(node, promql_parser.VectorSelector):
            labels = LABELS.get(str(node.name))
            if labels is None:
                found.append(f"the metric {node.name}")
                continue
            known |= labels
            for matcher in node.matchers.matchers:
                if matcher.name not in labels:
                    found.append(f"the label {matcher.name} of {node.name}")
                is_pattern = matcher.op in (promql_parser.MatchOp.Re, promql_parser.MatchOp.NotRe)
                for value in matcher.value.split("|") if is_pattern else [matcher.value]:
                    pattern = value if is_pattern else re.escape(value)
                    if not any(re.fullmatch(pattern, each) for each in VALUES[matcher.name]):
                        found.append(f"the {matcher.name} {value}")
    for node in parts(expression):
        modifier = getattr(node, "modifier", None)
        if isinstance(node, promql_parser.AggregateExpr) and modifier is not None:
            found += [f"the label {each}" for each in modifier.labels if each not in known]
    return found


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_an_alert_names_only_what_there_is(rule: dict[str, Any]) -> None:
    assert rule.keys() <= {"alert", "expr", "for", "labels", "annotations"}
    assert rule["labels"]["severity"] in ("critical", "warning", "info")
    assert rule["annotations"]["summary"].endswith(".")
    assert wrong(rule["expr"]) == []
    # A total from before a restart is greater than those after it: only its absence says something.
    assert rule["expr"].count("offset") == rule["expr"].count("unless")
    # What its sentence shows are labels that are left in the result.
    shown = set(re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"]))
    kept = {
        label
        for node in parts(rule["expr"])
        if isinstance(node, promql_parser.AggregateExpr) and node.modifier is not None
        for label in node.modifier.labels
    }
    assert shown <= kept | ({"instance"} if rule["expr"].startswith("up{") else set())


def test_a_deployment_of_many_workers_is_no_alert() -> None:
    (rule,) = (rule for rule in rules() if rule["alert"] == "RemoteDriveWorkersDie")
    names = {
        str(node.name)
        for node in parts(rule["expr"])
        if isinstance(node, promql_parser.VectorSelector)
    }
    assert names == {"remotedrive_worker_starts_total", "remotedrive_workers"}


@pytest.mark.parametrize(
    ("expression", "named"),
    [
        ("remotedrive_nothing > 0", ["the metric remotedrive_nothing"]),
        ("remotedrive_workers_total", ["the metric remotedrive_workers_total"]),
        (
            'remotedrive_workers{route="/docs"}',
            ["the label route of remotedrive_workers"],
        ),
        ('rate(remotedrive_store_calls_total{result=~"ok|bad"}[5m])', ["the result bad"]),
        ("sum by (le) (remotedrive_workers)", ["the label le"]),
    ],
)
def test_the_check_of_alerts_finds_what_there_is_not(expression: str, named: list[str]) -> None:
    assert wrong(expression) == named


def test_every_alert_is_explained() -> None:
    section = DOCUMENT.partition("\n## Alerts\n")[2].partition("\n## ")[0]
    explained = re.findall(r"^\| `(RemoteDrive\w+)` \|", section, re.MULTILINE)
    assert explained == [rule["alert"] for rule in rules()]


def test_the_document_has_every_metric_with_its_labels_and_no_other() -> None:
    section = DOCUMENT.partition("\n## Metrics\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `(remotedrive_\w+)` \|([^|]*)\|", section, re.MULTILINE)
    shown = {
        name: set(re.findall(r"`(\w+)`", re.sub(r"\([^)]*\)", "", labels))) for name, labels in rows
    }
    assert len(shown) == len(rows)
    assert shown == METRICS
