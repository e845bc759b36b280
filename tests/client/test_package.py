"""The client as people install it: a wheel in an empty environment, driven there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.support.documents import commands
from tests.support.drive import SECRETS
from tests.support.process import ROOT
from tests.support.server import Server

pytestmark = [pytest.mark.slow, pytest.mark.once]

_ADDRESS = "http://127.0.0.1:8000"
_MINT = ".venv/bin/python manage.py mint_jwt alice --create"


def run(*command: str | Path, **options: object) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, **options)  # type: ignore[call-overload]
    assert done.returncode == 0, done.stdout + done.stderr
    output: str = done.stdout + done.stderr
    return output


def test_the_wheel_has_the_package_and_nothing_else(tmp_path: Path) -> None:
    run(sys.executable, "-m", "pip", "wheel", "--no-deps", "-w", tmp_path, ROOT / "client")
    (wheel,) = tmp_path.glob("remotedrive_client-*-py3-none-any.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0].split("-")[0] for name in names} == {"remotedrive_client"}
    assert "remotedrive_client/py.typed" in names


def test_the_readme_leads_from_an_empty_environment_to_a_file(
    server: Server, tmp_path: Path
) -> None:
    typed = commands("README.md", "Use the command line client")
    assert _ADDRESS in typed
    assert _MINT in typed
    shutil.copytree(ROOT / "client", tmp_path / "client")
    shutil.copy(ROOT / "README.md", tmp_path)
    (tmp_path / "token").write_text(server.token("alice"))
    typed = typed.replace(_ADDRESS, server.url).replace(_MINT, "cat token")
    environment = {
        name: value for name, value in os.environ.items() if name.startswith(("PIP_", "PATH"))
    }
    config = {"DRIVE_CONFIG_DIR": str(tmp_path / "config"), "HOME": str(tmp_path)}
    output = run("sh", "-eux", "-c", typed, cwd=tmp_path, env=environment | config)
    assert (tmp_path / "var" / "copy" / "README.md").read_bytes() == (
        tmp_path / "README.md"
    ).read_bytes()
    assert not [secret for secret in SECRETS if secret in output]
    version = run(tmp_path / "var" / "drive" / "bin" / "drive", "--version")
    assert version == "drive, version 0.1.0\n"
