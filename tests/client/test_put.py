"""`drive put`: what arrives, what is not sent again, and what is refused."""

from __future__ import annotations

import os
import sqlite3
import unicodedata
from pathlib import Path
from typing import Literal

import pytest

from remotedrive_client import announcing, local, uploads
from remotedrive_client.retries import Stop
from tests.client.conftest import Proxied
from tests.support.client import sha256
from tests.support.drive import Person
from tests.support.tcp_proxy import response

_FORMS: tuple[Literal["NFC"], Literal["NFD"]] = ("NFC", "NFD")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    tree = tmp_path / "tree"
    (tree / "inner" / "deep").mkdir(parents=True)
    (tree / "one.txt").write_bytes(b"one")
    (tree / "empty").write_bytes(b"")
    (tree / "inner" / "two.pdf").write_bytes(b"two")
    (tree / "inner" / "deep" / "größe.bin").write_bytes(bytes(range(256)) * 1000)
    return tree


def test_what_is_missing_is_named_and_the_rest_arrives(person: Person, tree: Path) -> None:
    output = person.drive("put", tree / "nothing", tree / "one.txt", status=8)
    assert output.err == f"drive: {tree / 'nothing'} cannot be read: No such file or directory.\n"
    assert [file["name"] for file in person.files()] == ["one.txt"]


def test_a_folder_needs_r(person: Person, tree: Path) -> None:
    output = person.drive("put", tree, status=2)
    assert output.err == f"drive: {tree} is a folder; -r uploads it with all in it.\n"


@pytest.mark.parametrize("recursive", [False, True])
def test_only_regular_files_are_read(person: Person, tree: Path, recursive: bool) -> None:
    os.mkfifo(tree / "inner" / "pipe")
    if recursive:
        person.drive("put", "-r", tree)
        assert len(person.files()) == 4
    else:
        output = person.drive("put", tree / "inner" / "pipe", "/dev/zero", status=8)
        assert output.err.count("is not a regular file.") == 2


def test_only_unfinished_downloads_are_left_out(person: Person, tree: Path) -> None:
    (tree / "paper.part").write_bytes(b"a name of one's own")
    (tree / "one.txt.0123456789abcdef.part").write_bytes(b"o")
    person.drive("sync", tree, "/Up")
    person.drive("sync", tree, "/Up", "--delete")
    names = {file["name"] for file in person.files()}
    assert names == {"one.txt", "empty", "two.pdf", "größe.bin", "paper.part"}


@pytest.mark.parametrize(
    "where", ["local.checksum", "uploads.send", "multipart.PartSender.planned"]
)
def test_an_error_that_nobody_foresaw_ends_the_command(
    person: Person, tree: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(announcing, "MULTIPART_ABOVE", 0)
    monkeypatch.setattr(f"remotedrive_client.{where}", fail)
    output = person.drive("put", "-r", tree, status=1)
    assert output.err.startswith("drive: This is a defect of the client: ZeroDivisionError in ")


def test_a_state_that_cannot_be_used_is_said(person: Person, tree: Path) -> None:
    person.drive("put", tree / "empty")
    with sqlite3.connect(person.config / "state.sqlite3") as database:
        database.execute("DROP TABLE uploads")
        database.execute("CREATE TABLE uploads (path, target, at)")
    output = person.drive("put", tree / "one.txt", status=8)
    assert "state.sqlite3 cannot be used: no such column" in output.err


def test_two_files_cannot_get_one_name(person: Person, tree: Path) -> None:
    other = tree / "inner" / "one.txt"
    other.write_bytes(b"other")
    output = person.drive("put", tree / "one.txt", other, status=2)
    assert "would get the same name" in output.err
    assert len(person.files()) == 1


def test_a_name_that_the_service_refuses_is_said_with_its_reason(
    person: Person, tree: Path
) -> None:
    (tree / "a\\b").write_bytes(b"")
    result = person.json("put", tree / "a\\b", status=2)[0]
    assert (result["outcome"], result["error"]["code"]) == ("failed", "invalid")
    assert "filename" in result["error"]["message"]
    assert result["error"]["request_id"]


def test_a_name_that_is_no_text_is_refused(person: Person, tree: Path) -> None:
    path = os.fsencode(tree) + b"/\xff"
    with open(path, "wb"):
        output = person.drive("put", "-r", tree, status=2)
    assert "not valid UTF-8" in output.err
    assert len(person.files()) == 4


def test_a_folder_arrives_with_all_that_is_in_it(person: Person, tree: Path) -> None:
    results = person.json("put", "-r", tree, "--to", "/New/Place")
    assert {result["outcome"] for result in results} == {"created"}
    listed = person.json("ls", "-r", "/New/Place")
    assert [each["path"] for each in listed if each["kind"] == "file"] == [
        "tree/empty",
        "tree/inner/deep/größe.bin",
        "tree/inner/two.pdf",
        "tree/one.txt",
    ]
    types = {each["name"]: each["content_type"] for each in listed if each["kind"] == "file"}
    assert types["two.pdf"] == "application/pdf"
    assert types["empty"] == "application/octet-stream"
    for each in person.files():
        local_file = next(tree.rglob(each["name"]))
        assert each["checksum"] == sha256(local_file.read_bytes())


def test_files_that_waited_while_enough_was_begun_arrive_too(
    person: Person, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "ENOUGH_BYTES", 0)
    monkeypatch.setattr(uploads, "BATCH", 4)
    for number in range(20):
        (tmp_path / f"{number}.txt").write_bytes(b"x" * number)
    person.drive("put", *tmp_path.glob("*.txt"), "--jobs", "1")
    assert sorted(file["size"] for file in person.files()) == list(range(20))


def test_the_same_bytes_are_not_sent_again(person: Person, tree: Path) -> None:
    person.drive("put", "-r", tree)
    before = person.files()
    results = person.json("put", "-r", tree)
    assert {result["outcome"] for result in results} == {"unchanged"}
    assert person.files() == before


def test_other_bytes_under_a_name_are_its_next_version(person: Person, tree: Path) -> None:
    (first,) = person.json("put", tree / "one.txt")
    (tree / "one.txt").write_bytes(b"more")
    (second,) = person.json("put", tree / "one.txt")
    assert (second["outcome"], second["file_id"]) == ("new-version", first["file_id"])
    assert second["version"] == 2
    assert person.api.read(first["file_id"], 1) == b"one"
    assert person.api.read(first["file_id"]) == b"more"


def test_a_file_can_be_the_next_version_of_another(person: Person, tree: Path) -> None:
    (first,) = person.json("put", tree / "one.txt", "--to", "/A")
    (second,) = person.json("put", tree / "inner" / "two.pdf", "--as-version-of", "/A/one.txt")
    assert (second["file_id"], second["version"]) == (first["file_id"], 2)
    assert [file["name"] for file in person.files()] == ["one.txt"]
    person.drive("put", tree / "one.txt", tree / "empty", "--as-version-of", "/A", status=2)
    person.drive("put", tree / "one.txt", "--as-version-of", "/B", status=3)


def test_a_decomposed_name_finds_the_composed_one(person: Person, tmp_path: Path) -> None:
    composed, decomposed = (unicodedata.normalize(form, "né.txt") for form in _FORMS)
    for name, content in ((composed, b"1"), (decomposed, b"2")):
        path = tmp_path / name
        path.write_bytes(content)
        person.drive("put", path)
    (file,) = person.files()
    assert (file["name"], file["version"]) == (composed, 2)


def test_no_log_has_a_presigned_url_in_it(
    person: Person, proxied: Proxied, tree: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO", "httpx"):
        person.drive("put", tree / "one.txt")
    assert f"PUT {proxied.proxy.endpoint}" in caplog.text
    assert "X-Amz" not in caplog.text


def test_the_store_is_told_the_checksum_before_it_gets_the_bytes(
    proxied: Proxied, tmp_path: Path
) -> None:
    person = Person(proxied.server, tmp_path)
    (tmp_path / "bound").write_bytes(b"bound")
    proxied.proxy.received = []
    person.drive("put", tmp_path / "bound")
    (head,) = proxied.proxy.received
    proxied.proxy.received = None
    assert b"x-amz-checksum-sha256: " in head
    assert b"If-None-Match: *" in head


def test_a_file_that_changes_while_it_is_read_is_refused(
    person: Person, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "log"
    path.write_bytes(bytes(3 << 20))
    snapshot_read = local.Snapshot.read

    def read(self: local.Snapshot, start: int, size: int) -> object:
        for chunk in snapshot_read(self, start, size):
            with path.open("r+b") as file:
                file.write(b"x")
            yield chunk

    monkeypatch.setattr(local.Snapshot, "read", read)
    output = person.drive("put", path, status=8)
    assert output.err == f"drive: {path} changed while it was read; it was not uploaded.\n"
    assert person.files() == []
    assert person.pending() == []


@pytest.mark.parametrize("at", [0, 40 << 20])
def test_a_large_file_that_changes_between_its_parts_is_refused(
    proxied: Proxied, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    monkeypatch.setattr(announcing, "MULTIPART_ABOVE", 20 << 20)
    person = Person(proxied.server, tmp_path)
    path = tmp_path / "database"
    path.write_bytes(bytes(41 << 20))
    proxied.proxy.answer(response("503 Slow Down"), times=1)
    wait = Stop.wait

    def change(self: Stop, seconds: float) -> None:
        with path.open("r+b") as file:
            file.seek(at)
            file.write(b"x")
        wait(self, seconds)

    monkeypatch.setattr(Stop, "wait", change)
    person.drive("put", path, status=8)
    assert person.files() == []
    assert person.pending() == []
