"""The documents, docstrings and comments against what is there."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.once

ROOT = Path(__file__).resolve().parents[2]
TRACKED = [
    ROOT / name
    for name in subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split("\0")
    if name and (ROOT / name).is_file()
]
PAGES = [path for path in TRACKED if path.suffix == ".md"]
_TEXTS = (".py", ".sh", ".yml", ".yaml", ".toml", ".ps1", ".css", ".js", "")
SOURCES = [path for path in TRACKED if path.suffix in _TEXTS and path.parent.name != "migrations"]
_FOLDERS = (
    r"(?:\.ci|docx|deploy|files|remotedrive|embedded_store|scripts|tests|benchmarks|examples)"
)
_LINK = re.compile(r"\]\((?!https?://|#)([^)#]+)")
_PATH = re.compile(rf"(?<![\w./-]){_FOLDERS}/[\w./-]*\w")


def named(path: Path) -> list[str]:
    """Return the paths of this repository that the text of `path` names."""
    return _PATH.findall(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_and_every_path_of_a_page_leads_somewhere(page: Path) -> None:
    links = [page.parent / link for link in _LINK.findall(page.read_text(encoding="utf-8"))]
    paths = [ROOT / name for name in named(page)]
    assert [str(path) for path in links + paths if not path.exists()] == []


def test_every_path_that_a_source_names_is_there() -> None:
    missing = {
        f"{path.relative_to(ROOT)}: {name}"
        for path in SOURCES
        for name in named(path)
        if not (ROOT / name).exists()
    }
    assert missing == set()


def test_no_test_module_imports_another() -> None:
    imported = re.compile(r"^\s*(?:from|import) tests\.(?:\w+\.)*test_", re.MULTILINE)
    sources = [path for path in TRACKED if path.suffix == ".py"]
    assert [path for path in sources if imported.search(path.read_text(encoding="utf-8"))] == []
