"""The settings, read anew with an environment of the test's own."""

from __future__ import annotations

import ast
import functools
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
SETTINGS = ROOT / "remotedrive" / "settings.py"
SECRET = "a-secret-that-no-message-may-show-" * 2
REQUIRED = {
    "SECRET_KEY": SECRET,
    "JWT_SECRET": SECRET,
    "MINIO_ENDPOINT": "http://localhost:9000",
    "MINIO_ACCESS_KEY": "access",
    "MINIO_SECRET_KEY": SECRET,
}
Load = Callable[..., dict[str, Any]]


@functools.cache
def names_read() -> set[str]:
    """Return the names that the settings ask the environment for."""
    found = set()
    for node in ast.walk(ast.parse(SETTINGS.read_text())):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and ast.unparse(node.func.value) in ("_env", "os.environ")
            and isinstance(node.args[0], ast.Constant)
        ):
            found.add(str(node.args[0].value))
    return found


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Load:
    """Read the settings anew, with `REQUIRED` and what is given in the environment; None: not."""

    def run(**changes: str | None) -> dict[str, Any]:
        for name in names_read():
            monkeypatch.delenv(name, raising=False)
        for name, value in (REQUIRED | {"DATA_DIR": str(tmp_path)} | changes).items():
            if value is not None:
                monkeypatch.setenv(name, value)
        return runpy.run_path(str(SETTINGS))

    return run
