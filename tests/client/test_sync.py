"""`drive sync`: one side made like the other."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from remotedrive_client import local
from tests.support.drive import Person, contents

FILES = {"one": b"one", "inner/two": b"two", "inner/deep/three": b"three"}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    tree = tmp_path / "tree"
    past = time.time() - 60
    for name, content in FILES.items():
        path = tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        os.utime(path, (past, past))
    return tree


def remote(person: Person, folder: str = "/Up") -> set[str]:
    return {each["path"] for each in person.json("ls", "-r", folder) if each["kind"] == "file"}


def test_what_is_missing_is_said(person: Person, tree: Path) -> None:
    person.drive("sync", tree / "nothing", "/Up", status=8)
    person.drive("sync", tree, "/Up", "--down", status=3)


def test_a_file_on_one_side_and_a_folder_on_the_other_is_refused(
    person: Person, tree: Path
) -> None:
    person.drive("mkdir", "-p", "/Up/one")
    output = person.drive("sync", tree, "/Up", status=2)
    assert output.err == "drive: one is a file on one side and a folder on the other.\n"
    assert remote(person) == set()


def test_a_dry_run_changes_nothing(person: Person, tree: Path) -> None:
    plan = person.json("sync", tree, "/Up", "--dry-run")
    assert {(step["do"], step["path"]) for step in plan["steps"]} == {
        ("add", name) for name in FILES
    }
    assert person.json("ls") == []


def test_up_sends_what_differs_and_deletes_only_if_told(person: Person, tree: Path) -> None:
    person.drive("sync", tree, "/Up")
    assert remote(person) == set(FILES)
    (tree / "one").write_bytes(b"ONE")
    (tree / "inner" / "two").unlink()
    (tree / "new").write_bytes(b"new")
    plan = person.json("sync", tree, "/Up")
    assert {(step["do"], step["path"]) for step in plan["steps"]} == {
        ("replace", "one"),
        ("add", "new"),
    }
    assert plan["alike"] == 1
    assert remote(person) == {*FILES, "new"}
    plan = person.json("sync", tree, "/Up", "--delete")
    assert [(step["do"], step["path"]) for step in plan["steps"]] == [("delete", "inner/two")]
    assert remote(person) == {"one", "new", "inner/deep/three"}
    assert [each["name"] for each in person.json("trash")] == ["two"]
    (one,) = [file for file in person.files() if file["name"] == "one"]
    assert one["version"] == 2


def test_down_writes_what_differs_and_deletes_only_if_told(
    person: Person, tree: Path, tmp_path: Path
) -> None:
    person.drive("sync", tree, "/Up")
    down = tmp_path / "down"
    person.drive("sync", down, "/Up", "--down")
    assert contents(down) == FILES
    (down / "one").write_bytes(b"other")
    (down / "extra").mkdir()
    (down / "extra" / "file").write_bytes(b"extra")
    person.drive("sync", down, "/Up", "--down")
    assert contents(down) == FILES | {"extra/file": b"extra"}
    person.drive("sync", down, "/Up", "--down", "--delete")
    assert contents(down) == FILES
    assert not (down / "extra").exists()


def test_files_that_have_not_changed_are_not_read_again(
    person: Person, tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    person.drive("sync", tree, "/Up")
    monkeypatch.setattr(local.Snapshot, "open", None)
    assert person.json("sync", tree, "/Up")["alike"] == 3
