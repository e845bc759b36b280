"""docx/client.md: its session typed as it stands, and its library example."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.drive import Person, contents
from tests.support.process import ROOT

_ADDRESS = "http://127.0.0.1:8000"
PAGE = (ROOT / "docx" / "client.md").read_text(encoding="utf-8")


def block(language: str) -> str:
    """Return the first block of the page in this language."""
    found = re.search(rf"```{language}\n(.*?)```", PAGE, re.S)
    assert found is not None
    return found[1]


@pytest.fixture
def folder(person: Person, tmp_path: Path) -> Path:
    folder = tmp_path / "typed"
    folder.mkdir()
    (folder / "token").write_text(person.token)
    (folder / "report.pdf").write_bytes(b"report")
    return folder


@pytest.mark.slow
def test_the_session_works_as_it_stands(person: Person, folder: Path, tmp_path: Path) -> None:
    command = tmp_path / "bin" / "drive"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m remotedrive_client "$@"\n')
    command.chmod(0o755)
    typed = block("sh")
    assert _ADDRESS in typed
    done = subprocess.run(
        ["sh", "-eux", "-c", typed.replace(_ADDRESS, person.server.url)],
        cwd=folder,
        env=person.environment | {"PATH": f"{command.parent}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert (folder / "earlier" / "b.jpg").read_text() == "sunset\n"
    assert contents(folder / "restored") == contents(folder / "photos")
    assert person.token not in done.stdout + done.stderr


def test_the_library_example_works(
    person: Person,
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(folder)
    exec(block("python").replace(_ADDRESS, person.server.url), {"token": person.token})
    assert capsys.readouterr().out == "6\n"
    assert contents(folder / "copies") == {"report.pdf": b"report"}
