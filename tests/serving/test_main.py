"""The command that serves: `python -m remotedrive`."""

from __future__ import annotations

import sys
from typing import Any

import pytest
import uvicorn

from remotedrive import __main__ as command

pytestmark = pytest.mark.once


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What uvicorn was started with."""
    options: dict[str, Any] = {}
    monkeypatch.setattr(uvicorn, "run", lambda _, **given: options.update(given))
    monkeypatch.delenv("WEB_CONCURRENCY", raising=False)
    return options


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", ["remotedrive", *arguments])
    command.main()


def test_it_serves_this_machine_with_one_worker(
    monkeypatch: pytest.MonkeyPatch, started: dict[str, Any]
) -> None:
    run(monkeypatch)
    address = {"host": "127.0.0.1", "port": 8000, "workers": 1}
    assert started == address | command.UVICORN


def test_workers_come_from_the_argument_before_the_environment(
    monkeypatch: pytest.MonkeyPatch, started: dict[str, Any]
) -> None:
    monkeypatch.setenv("WEB_CONCURRENCY", "3")
    run(monkeypatch)
    assert started["workers"] == 3
    run(monkeypatch, "--workers", "2", "--host", "0.0.0.0", "--port", "81")
    assert (started["workers"], started["host"], started["port"]) == (2, "0.0.0.0", 81)


@pytest.mark.parametrize(
    ("arguments", "workers"),
    [
        (["--port", "0"], ""),
        (["--port", "65536"], ""),
        (["--workers", "x"], ""),
        (["--reload"], ""),
        ([], "many"),
    ],
)
def test_an_invalid_argument_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch,
    started: dict[str, Any],
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    workers: str,
) -> None:
    monkeypatch.setenv("WEB_CONCURRENCY", workers)
    with pytest.raises(SystemExit) as exit_status:
        run(monkeypatch, *arguments)
    assert exit_status.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("python -m remotedrive: ")
    assert started == {}
