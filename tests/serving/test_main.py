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
    monkeypatch.setattr(uvicorn, "run", lambda app, **given: options.update(given, app=app))
    return options


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", ["remotedrive", *arguments])
    command.main()


@pytest.mark.parametrize(("environment", "workers"), [({}, 1), ({"WEB_CONCURRENCY": "3"}, 3)])
def test_it_serves_this_machine_with_as_many_workers_as_the_environment_says(
    monkeypatch: pytest.MonkeyPatch,
    started: dict[str, Any],
    environment: dict[str, str],
    workers: int,
) -> None:
    monkeypatch.delenv("WEB_CONCURRENCY", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    run(monkeypatch)
    config = uvicorn.Config(**started | {"log_config": None})
    assert (config.host, config.port, config.workers) == ("127.0.0.1", 8000, workers)
    assert started.items() >= command.UVICORN.items()


def test_arguments_come_before_the_environment(
    monkeypatch: pytest.MonkeyPatch, started: dict[str, Any]
) -> None:
    monkeypatch.setenv("WEB_CONCURRENCY", "3")
    run(monkeypatch, "--workers", "2", "--host", "0.0.0.0", "--port", "81")
    config = uvicorn.Config(**started | {"log_config": None})
    assert (config.host, config.port, config.workers) == ("0.0.0.0", 81, 2)


@pytest.mark.parametrize(
    "arguments", [["--port", "0"], ["--port", "65536"], ["--workers", "x"], ["--reload"]]
)
def test_an_invalid_argument_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch,
    started: dict[str, Any],
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
) -> None:
    with pytest.raises(SystemExit) as exit_status:
        run(monkeypatch, *arguments)
    assert exit_status.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("python -m remotedrive: ")
    assert started == {}
