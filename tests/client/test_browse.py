"""What is in the drive: listed, moved, copied, removed, brought back, shared."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from tests.support.drive import Person


@pytest.fixture
def filled(person: Person, tmp_path: Path) -> Person:
    """Somebody with /A/one.txt, /A/B/two.txt and /three.txt."""
    (tmp_path / "A" / "B").mkdir(parents=True)
    for name in ("A/one.txt", "A/B/two.txt", "three.txt"):
        path = tmp_path / name
        path.write_bytes(path.name.encode())
    person.drive("put", "-r", tmp_path / "A", tmp_path / "three.txt")
    return person


def names(person: Person, *arguments: str) -> list[str]:
    return person.drive("ls", *arguments).out.splitlines()


def test_a_folder_is_listed(filled: Person) -> None:
    assert names(filled) == ["A/", "three.txt"]
    assert names(filled, "/A") == ["B/", "one.txt"]
    assert names(filled, "A/one.txt") == ["one.txt"]
    assert names(filled, "-r") == ["A/", "A/B/", "A/B/two.txt", "A/one.txt", "three.txt"]
    line = filled.drive("ls", "-l", "/three.txt").out.split()
    assert (line[0], line[1], line[4], line[6]) == ("9", "B", "v1", "three.txt")
    filled.drive("ls", "/C", status=3)
    filled.drive("ls", "/A/../A", status=2)


def test_a_tree_is_drawn(filled: Person) -> None:
    assert filled.drive("tree").out.splitlines() == [
        "/",
        "├── A/",
        "│   ├── B/",
        "│   │   └── two.txt",
        "│   └── one.txt",
        "└── three.txt",
        "2 folders, 3 files",
    ]


def test_folders_are_made(filled: Person) -> None:
    filled.drive("mkdir", "/X/Y", status=3)
    filled.drive("mkdir", "-p", "/X/Y")
    filled.drive("mkdir", "-p", "/X/Y")
    output = filled.drive("mkdir", "/X/Y", status=5)
    assert "(request " in output.err
    assert names(filled, "/X") == ["Y/"]


def test_things_are_moved_and_renamed(filled: Person) -> None:
    filled.drive("mv", "/three.txt", "/A/B")
    filled.drive("mv", "/A/B", "/Bee")
    filled.drive("mv", "/Bee/two.txt", "/Bee/2.txt")
    filled.drive("mv", "/Bee/2.txt", "/")
    assert names(filled, "-r") == ["2.txt", "A/", "A/one.txt", "Bee/", "Bee/three.txt"]
    filled.drive("mv", "/2.txt", "/A/one.txt", status=2)
    filled.drive("mv", "/2.txt", "/A", "/new", status=3)


def test_things_are_copied(filled: Person) -> None:
    filled.drive("cp", "/three.txt", "/A/3.txt")
    filled.drive("cp", "/A", "/C", status=2)
    filled.drive("cp", "-r", "/A", "/C")
    assert names(filled, "-r", "/C") == ["3.txt", "B/", "B/two.txt", "one.txt"]


def test_things_go_to_the_trash_and_come_back(filled: Person) -> None:
    filled.drive("rm", "/A", status=2)
    filled.drive("rm", "-r", "/A", "/three.txt")
    assert names(filled) == []
    assert [each["path"] for each in filled.json("trash")] == ["A", "three.txt"]
    filled.drive("restore", "A")
    filled.drive("restore", "nothing", status=3)
    assert names(filled) == ["A/"]
    assert filled.json("trash", "--empty", "--yes") == []
    assert filled.json("trash") == []
    filled.drive("rm", "-r", "--permanent", "--yes", "/A")
    assert filled.json("trash") == []


def test_versions_are_listed_and_brought_back(filled: Person, tmp_path: Path) -> None:
    (tmp_path / "three.txt").write_bytes(b"more")
    filled.drive("put", tmp_path / "three.txt")
    assert [each["version"] for each in filled.json("versions", "/three.txt")] == [2, 1]
    assert filled.json("restore", "/three.txt", "--version", "1")["version"] == 3
    assert filled.api.read(filled.json("ls", "/three.txt")[0]["id"]) == b"three.txt"


def test_changes_are_shown(filled: Person) -> None:
    *_, last, cursor = filled.drive("changes", "--json").out.splitlines()
    assert '"kind": "file-created"' in last
    after = cursor.removeprefix('{"next": ').removesuffix("}")
    assert filled.drive("changes", "--after", after).out == f"next: {after}\n"
    process = filled.start("changes", "--follow", "--interval", "0.2", "--after", after)
    filled.drive("mkdir", "/New")
    assert process.stdout is not None
    assert "folder-created" in process.stdout.readline()
    process.stop(2)
    assert process.returncode == 130


def test_a_file_is_shared(filled: Person, tmp_path: Path) -> None:
    made = filled.json("share", "create", "/three.txt", "--expires", "2h", "--max-downloads", "3")
    with httpx.Client(trust_env=False) as anonymous:
        assert anonymous.get(made["url"]).json()["filename"] == "three.txt"
    (listed,) = filled.json("share", "ls", "/three.txt")
    assert (listed["id"], listed["max_downloads"]) == (made["id"], 3)
    assert not listed.keys() & {"token", "url"}
    password = tmp_path / "password"
    password.write_text("secret\n")
    edit = ("share", "edit", made["id"])
    locked = filled.json(*edit, "--password-file", password, "--expires", "none")
    assert (locked["password_required"], locked["expires_at"]) == (True, None)
    opened = filled.json(*edit, "--no-password", "--max-downloads", "none")
    assert (opened["password_required"], opened["max_downloads"]) == (False, None)
    filled.drive(*edit, status=2)
    filled.drive(*edit, "--expires", "soon", status=2)
    assert filled.json("share", "rm", made["id"]) == {"revoked": [made["id"]]}
    assert filled.json("share", "ls")[0]["revoked_at"] is not None
    assert filled.drive("share", "create", "/three.txt").out.startswith(filled.server.url)
