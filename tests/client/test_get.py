"""`drive get`: whole files under their names, and nothing else."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path

import pytest

from remotedrive_client.downloads import Downloader
from remotedrive_client.planning import is_windows_name
from tests.client.conftest import Proxied
from tests.support.client import sha256
from tests.support.drive import Person, contents
from tests.support.tcp_proxy import response

DATA = os.urandom(1 << 20)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


def part_of(out: Path, data: bytes = DATA) -> Path:
    return out / f"a.txt.{sha256(data).removeprefix('sha256:')[:16]}.part"


def test_what_is_not_there_is_said(person: Person, out: Path) -> None:
    output = person.drive("get", "/nothing", "-o", out, status=3)
    assert output.err == "drive: /nothing is not in the drive.\n"
    assert not out.exists()


def test_a_folder_needs_r(person: Person, out: Path) -> None:
    person.drive("mkdir", "/Folder")
    output = person.drive("get", "/Folder", "-o", out, status=2)
    assert "-r downloads it with all in it" in output.err


def test_a_local_file_is_not_replaced_without_force(person: Person, out: Path) -> None:
    person.api.upload(DATA)
    out.mkdir()
    (out / "a.txt").write_bytes(b"mine")
    output = person.drive("get", "/a.txt", "-o", out, status=5)
    assert output.err == f"drive: {out / 'a.txt'} exists; --force replaces it.\n"
    assert contents(out) == {"a.txt": b"mine"}
    person.drive("get", "/a.txt", "-o", out, "--force")
    assert contents(out) == {"a.txt": DATA}


def test_a_local_file_that_came_meanwhile_is_not_replaced(
    person: Person, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    person.api.upload(DATA)
    name = Downloader._name

    def meanwhile(self: Downloader, *arguments: object) -> None:
        (out / "a.txt").write_bytes(b"mine")
        name(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(Downloader, "_name", meanwhile)
    person.drive("get", "/a.txt", "-o", out, status=5)
    assert contents(out) == {"a.txt": b"mine", part_of(out).name: DATA}


def test_a_file_comes_by_path_or_id_with_its_time(person: Person, out: Path) -> None:
    file_id = person.api.upload(DATA)["fileId"]
    (result,) = person.json("get", file_id, "-o", out)
    assert (result["outcome"], result["checksum"]) == ("created", sha256(DATA))
    assert contents(out) == {"a.txt": DATA}
    version = person.api.get(f"/files/{file_id}/versions/1")["created_at"]
    written = (out / "a.txt").stat().st_mtime
    assert written == pytest.approx(datetime.fromisoformat(version).timestamp(), abs=0.001)
    (result,) = person.json("get", "/a.txt", "-o", out)
    assert result["outcome"] == "unchanged"


def test_an_older_version_comes_when_asked_for(person: Person, out: Path) -> None:
    file_id = person.api.upload(DATA)["fileId"]
    person.api.upload(b"new", file_id=file_id)
    person.drive("get", "/a.txt", "-o", out, "--version", "1")
    assert contents(out) == {"a.txt": DATA}
    person.drive("get", "/a.txt", "-o", out, "--version", "3", status=3)


def test_a_folder_comes_with_all_that_is_in_it(person: Person, out: Path, tmp_path: Path) -> None:
    (tmp_path / "tree" / "inner").mkdir(parents=True)
    (tmp_path / "tree" / "one").write_bytes(DATA)
    (tmp_path / "tree" / "inner" / "empty").write_bytes(b"")
    person.drive("put", "-r", tmp_path / "tree", "--to", "/Up")
    person.drive("get", "-r", "/Up/tree", "-o", out)
    assert contents(out) == {"tree/one": DATA, "tree/inner/empty": b""}


def test_a_download_that_was_cut_goes_on_where_it_was(
    person: Person, proxied: Proxied, out: Path
) -> None:
    person.api.upload(DATA)
    out.mkdir()
    part_of(out).write_bytes(DATA[:700_000])
    proxied.proxy.received = []
    proxied.proxy.cut(100_000, times=1)
    person.drive("get", "/a.txt", "-o", out)
    first, second = proxied.proxy.received
    proxied.proxy.received = None
    assert b"Range: bytes=700000-\r\n" in first
    assert b"If-Range: " in second
    assert contents(out) == {"a.txt": DATA}


def test_bytes_of_another_version_are_never_continued(person: Person, out: Path) -> None:
    file_id = person.api.upload(DATA)["fileId"]
    out.mkdir()
    part_of(out).write_bytes(DATA[:1000])
    person.api.upload(b"new", file_id=file_id)
    person.drive("get", "/a.txt", "-o", out)
    assert (out / "a.txt").read_bytes() == b"new"


@pytest.mark.parametrize("left", [b"x" * 1000, b"x" * len(DATA), b"x" * 2 * len(DATA)])
def test_a_damaged_part_is_read_again(person: Person, out: Path, left: bytes) -> None:
    person.api.upload(DATA)
    out.mkdir()
    part_of(out).write_bytes(left)
    person.drive("get", "/a.txt", "-o", out)
    assert contents(out) == {"a.txt": DATA}


def test_other_bytes_than_the_version_has_get_no_name(
    person: Person, proxied: Proxied, out: Path
) -> None:
    person.api.upload(b"right")
    proxied.proxy.answer(response("200 OK", b"wrong"))
    output = person.drive("get", "/a.txt", "-o", out, status=9)
    assert "do not have the checksum of version 1; nothing was kept" in output.err
    assert contents(out) == {}


def test_an_expired_url_is_replaced(person: Person, proxied: Proxied, out: Path) -> None:
    person.api.upload(DATA)
    refusal = b"<Error><Code>AccessDenied</Code></Error>"
    proxied.proxy.answer(response("403 Forbidden", refusal), times=2)
    person.drive("get", "/a.txt", "-o", out)
    assert contents(out) == {"a.txt": DATA}


def test_nothing_is_written_through_a_symbolic_link(
    person: Person, out: Path, tmp_path: Path
) -> None:
    person.drive("mkdir", "/F/G", "-p")
    (tmp_path / "one").write_bytes(b"one")
    person.drive("put", tmp_path / "one", "--to", "/F/G")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (out / "F").mkdir(parents=True)
    (out / "F" / "G").symlink_to(elsewhere)
    output = person.drive("get", "-r", "/F", "-o", out, status=8)
    assert "is a symbolic link" in output.err
    output = person.drive("get", "-r", "/F/G", "-o", out / "F", status=8)
    assert "is a symbolic link" in output.err
    assert contents(elsewhere) == {}
    plan = person.json("sync", out, "/", "--delete", "--dry-run")
    assert [(step["do"], step["path"]) for step in plan["steps"]] == [("delete", "F/G/one")]


@pytest.mark.parametrize("name", ["a:b", "nul", "COM1.txt", "aux .c", "end.", "end "])
def test_windows_takes_no_such_name(name: str) -> None:
    assert not is_windows_name(name)


@pytest.mark.parametrize("name", ["null", "a.nul", ".hidden", "com10", "größe.txt"])
def test_windows_takes_other_names(name: str) -> None:
    assert is_windows_name(name)
