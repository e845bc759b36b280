"""The PowerShell scripts, by the grammar of the language: no machine of the tests can run them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import tree_sitter_powershell
from tree_sitter import Language, Node, Parser

from scripts.lib import local_environment

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = sorted((ROOT / "scripts").glob("*.ps1"))
RUN = ROOT / "scripts" / "run.ps1"
LANGUAGE = Language(tree_sitter_powershell.language())
COMMANDS = {
    *("Set-StrictMode", "Split-Path", "Get-FileHash", "Test-Path", "Get-Content", "Set-Content"),
    *("Get-Command", "Where-Object", "ForEach-Object", "New-Object", "New-Item", "Out-Null"),
    *("Push-Location", "Pop-Location", "Write-Output", "Invoke-WebRequest", "Start-Sleep"),
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


def run() -> Node:
    return tree(RUN.read_bytes())


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


def test_it_takes_a_port_and_a_folder() -> None:
    block = next(nodes(run(), "param_block"))
    parameters = [texts(each, "variable")[0] for each in nodes(block, "script_parameter")]
    assert parameters == ["$Port", "$Data"]


def test_it_serves_with_the_flags_that_the_document_gives() -> None:
    document = (ROOT / "docx" / "deployment.md").read_text(encoding="utf-8")
    command = re.search(r"-m (uvicorn .*)", document)
    assert command is not None
    words = command[1].split()
    for flag, value in (("--port", "$Port"), ("--workers", "1")):
        words[words.index(flag) + 1] = value
    literals = [text.strip("'\"") for text in texts(run(), "string_literal")]
    begin = literals.index("--host")
    assert literals[begin : begin + len(words) - 2] == words[2:]
    assert words[1] in literals


def test_its_env_file_names_what_that_of_the_other_command_names() -> None:
    names = local_environment.SETTINGS
    listed = next(
        each
        for each in nodes(run(), "assignment_expression")
        if (each.text or b"").startswith(b"$Settings")
    )
    assert {text.strip("'") for text in texts(listed, "string_literal")} == set(names)


def test_every_setting_that_a_script_names_is_one_of_the_service() -> None:
    document = (ROOT / "docx" / "deployment.md").read_text(encoding="utf-8")
    for script in SCRIPTS:
        named = set(re.findall(r"\b(?:JWT|MINIO|DATA|SECRET)_[A-Z_]*[A-Z]\b", script.read_text()))
        ours = {name for name in named if not re.match("MINIO_(ROOT|BROWSER)", name)}
        assert ours
        assert {name for name in ours if f"`{name}`" not in document} == set()
