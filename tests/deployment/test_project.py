"""The project's papers: dependencies from one source, one version, checks that agree."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

from scripts.lib import test as test_script

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
LOCAL = PROJECT["dependency-groups"]["local"]
DEV = [name for name in PROJECT["dependency-groups"]["dev"] if isinstance(name, str)]
SERVICE = PROJECT["project"]["dependencies"]

pytestmark = pytest.mark.once


def normalized(requirement: str) -> str:
    name = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert name
    return re.sub(r"[-_.]+", "-", name[0]).lower()


def pinned(path: str) -> set[str]:
    lines = (ROOT / path).read_text(encoding="utf-8").splitlines()
    found = {normalized(line) for line in lines if re.match(r"[A-Za-z0-9]", line)}
    assert all("==" in line for line in lines if re.match(r"[A-Za-z0-9]", line))
    return found


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("requirements.txt", SERVICE),
        ("requirements-local.txt", SERVICE + LOCAL),
        ("requirements-dev.txt", SERVICE + LOCAL + DEV),
    ],
)
def test_each_pinned_list_has_what_the_project_names(path: str, names: list[str]) -> None:
    text = (ROOT / path).read_text(encoding="utf-8")
    missing = {normalized(name) for name in names} - pinned(path)
    assert not missing, f"scripts/lock adds {missing} to {path}"
    for requirement in map(Requirement, names):
        version = re.search(
            rf"^{normalized(requirement.name)}(?:\[\w+\])?==(\S+)", text, re.M | re.I
        )
        assert version, requirement
        assert requirement.specifier.contains(version[1]), f"scripts/lock moves {requirement.name}"
    assert "--hash=sha256:" in text


def test_the_services_list_has_no_test_tool_and_no_embedded_store() -> None:
    others = {normalized(name) for name in LOCAL + DEV}
    assert not pinned("requirements.txt") & others
    assert "requirements.txt" in (ROOT / "Dockerfile").read_text(encoding="utf-8")


def test_the_changelog_has_the_version_or_says_that_it_is_not_released() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    versions = re.findall(r"^## \[([^\]]+)\]", changelog, re.MULTILINE)
    assert versions[0] == "Unreleased"
    assert versions[1] == PROJECT["project"]["version"]


def test_pre_commit_runs_the_fast_checks_of_the_test_command() -> None:
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    hooks = {hook["name"] for repo in config["repos"] for hook in repo["hooks"]}
    checks = set(test_script._checks())
    assert hooks <= checks
    assert {"ruff check", "ruff format", "mypy", "lint-imports"} <= hooks
