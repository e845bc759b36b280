"""PowerShell in scripts and README, held by its grammar: no machine of the tests can run it."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import tree_sitter_powershell
from tree_sitter import Language, Node, Parser

from remotedrive.environment import read_env_file

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = sorted((ROOT / "scripts").glob("*.ps1"))
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```powershell\n(.*?)```", README, re.DOTALL)
LANGUAGE = Language(tree_sitter_powershell.language())
COMMANDS = {
    *("Set-StrictMode", "Get-Command", "ForEach-Object", "New-Object", "Out-Null", "Write-Output"),
    *("Invoke-WebRequest", "Start-Sleep", "New-Item", "Set-Content", "Get-Item", "Get-FileHash"),
    *("Invoke-RestMethod", "ConvertTo-Json"),
}
"""Of those that Windows PowerShell 5.1 has, by their whole names."""

pytestmark = pytest.mark.once


def tree(source: bytes) -> Node:
    return Parser(LANGUAGE).parse(source).root_node


def nodes(node: Node, kind: str) -> Iterator[Node]:
    if node.type == kind:
        yield node
    for child in node.children:
        yield from nodes(child, kind)


def texts(node: Node, kind: str) -> list[str]:
    return [(each.text or b"").decode() for each in nodes(node, kind)]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: str(script.name))
def test_a_script_is_powershell(script: Path) -> None:
    source = script.read_bytes()
    assert not tree(source).has_error
    # Windows PowerShell reads what has no byte order mark in the code page of the machine.
    assert source.isascii()
    assert tree(source.replace(b"}\n", b"\n", 1)).has_error, "the grammar sees what is missing"


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: str(script.name))
def test_a_script_calls_its_own_functions_and_commands_by_their_whole_names(script: Path) -> None:
    root = tree(script.read_bytes())
    named = [name for name in texts(root, "command_name") if name[0].isalpha()]
    known = COMMANDS | set(texts(root, "function_name")) | {"docker"}
    assert named
    assert set(named) - known == set()


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: str(block.split()[0]))
def test_the_readme_has_powershell_of_the_commands_that_5_1_has(block: str) -> None:
    assert block.isascii()
    root = tree(block.encode())
    assert not root.has_error
    named = {name for name in texts(root, "command_name") if name[0].isalpha()}
    assert named - COMMANDS - {"python", "icacls", "curl.exe"} == set()


def test_the_readme_makes_the_file_of_secrets_that_the_service_reads(tmp_path: Path) -> None:
    (code,) = re.findall(r'-c "(.*)" \|', README)
    made = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout
    (tmp_path / "env").write_bytes(made.replace(b"\n", b"\r\n"))
    secrets = read_env_file(tmp_path / "env")
    assert set(secrets) == {"SECRET_KEY", "JWT_SECRET"}
    assert [len(value) for value in secrets.values()] == [64, 64]


def test_every_setting_that_a_script_names_is_one_of_the_service() -> None:
    document = (ROOT / "docx" / "deployment.md").read_text(encoding="utf-8")
    for script in SCRIPTS:
        named = set(re.findall(r"\b(?:JWT|MINIO|DATA|SECRET)_[A-Z_]*[A-Z]\b", script.read_text()))
        ours = {name for name in named if not re.match("MINIO_(ROOT|BROWSER)", name)}
        assert ours
        assert {name for name in ours if f"`{name}`" not in document} == set()
