"""`drive put` again after an earlier one was cut off: the same upload, and only what is missing."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from remotedrive_client import announcing
from remotedrive_client.announcing import Announcer
from remotedrive_client.errors import StoppedError
from remotedrive_client.uploads import Uploader
from tests.client.conftest import Proxied
from tests.support.client import sha256
from tests.support.drive import Person

MIB = 1 << 20
SIZES = [10, pytest.param(33 * MIB, marks=pytest.mark.slow)]
"""Of a file that goes in one PUT, and of one that goes in parts."""


@pytest.fixture
def large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of three parts, made a while ago."""
    monkeypatch.setattr(announcing, "MULTIPART_ABOVE", 20 * MIB)
    path = tmp_path / "large"
    path.write_bytes(os.urandom(MIB) * 33)
    age(path)
    return path


def age(path: Path) -> None:
    """Make it a file that was written a while ago, whose checksum is remembered."""
    past = time.time() - 60
    os.utime(path, (past, past))


def test_what_was_sent_and_not_committed_is_not_sent_again(
    person: Person, proxied: Proxied, tmp_path: Path
) -> None:
    path = tmp_path / "small"
    path.write_bytes(b"small")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Announcer, "commit", _stopped)
        person.drive("put", path, status=130)
    assert len(person.pending()) == 1
    asked = proxied.proxy.requests
    person.drive("put", path)
    assert proxied.proxy.requests == asked
    assert person.pending() == []
    assert [file["version"] for file in person.files()] == [1]


def test_a_commit_whose_answer_was_lost_is_there_once(person: Person, tmp_path: Path) -> None:
    path = tmp_path / "small"
    path.write_bytes(b"small")
    commit = Announcer.commit

    def lost(self: Announcer, items: list[announcing.Item]) -> None:
        commit(self, items)
        self._state.keep([items[0].pending])
        raise StoppedError("cut")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Announcer, "commit", lost)
        person.drive("put", path, status=130)
    (result,) = person.json("put", path)
    assert result["outcome"] == "unchanged"
    assert [file["version"] for file in person.files()] == [1]


def test_an_init_upload_whose_answer_was_lost_is_begun_once(person: Person, tmp_path: Path) -> None:
    path = tmp_path / "small"
    path.write_bytes(b"small")
    begin_one = Announcer._begin_one

    def lost(self: Announcer, *arguments: str) -> None:
        begin_one(self, *arguments)  # type: ignore[arg-type]
        raise StoppedError("cut")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Announcer, "_begin_one", lost)
        person.drive("put", path, status=130)
    (pending,) = person.pending()
    person.drive("put", path)
    shown = person.api.get(f"/uploads/{pending['upload_id']}")
    assert (shown["state"], shown["fileId"]) == ("committed", person.files()[0]["id"])


def test_uploads_that_a_killed_batch_began_are_gone_on_with(person: Person, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    for name in ("a/same", "b/same", "b/other"):
        path = tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(path.name.encode())
    batch = Announcer._batch

    def lost(self: Announcer, *arguments: object, **options: object) -> None:
        batch(self, *arguments, **options)  # type: ignore[arg-type]
        raise StoppedError("cut")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Announcer, "_batch", lost)
        patch.setattr(Uploader, "_messages", all_messages)
        person.drive("put", "-r", tree, status=130)
    begun = person.pending()
    assert len(begun) == 3
    person.drive("put", "-r", tree)
    states = {person.api.get(f"/uploads/{each['upload_id']}")["state"] for each in begun}
    assert (states, person.pending()) == ({"committed"}, [])
    assert {each["path"] for each in person.json("ls", "-r", "/tree")} == {
        *("a", "b", "a/same", "b/same", "b/other")
    }


def all_messages(uploader: Uploader) -> list[object]:
    """Return all three messages, so that they are begun in one batch."""
    return [uploader._inbox.get() for _ in range(3)]


def test_only_the_missing_parts_are_sent(person: Person, proxied: Proxied, large: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Announcer, "commit", _stopped)
        patch.setattr("remotedrive_client.multipart.PartSender.planned", lambda *_: [1, 3])
        person.drive("put", large, status=130)
    before = proxied.proxy.request_bytes
    person.drive("put", large)
    assert proxied.proxy.request_bytes - before < 17 * MIB
    (file,) = person.files()
    assert file["checksum"] == sha256(large.read_bytes())


@pytest.mark.slow
def test_with_jobs_the_parts_of_a_file_go_at_once(
    person: Person, proxied: Proxied, tmp_path: Path
) -> None:
    large = tmp_path / "large"
    large.write_bytes(os.urandom(MIB) * 65)
    put = ("put", large, "--jobs", "4")
    proxied.proxy.hold(only=b"PUT ")
    asked = proxied.proxy.requests
    process = person.start(*put)
    # No part is answered: four requests are four parts under way.
    process.wait_until(lambda: proxied.proxy.requests == asked + 4)
    process.kill()
    process.wait(timeout=20)
    proxied.proxy.drop()
    proxied.proxy.cut(0, reset=True, times=1, only=b"PUT ")
    person.drive(*put)
    (file,) = person.files()
    assert (file["checksum"], file["version"]) == (sha256(large.read_bytes()), 1)
    assert person.pending() == []


@pytest.mark.parametrize("size", SIZES)
def test_a_file_that_has_changed_since_begins_anew(person: Person, large: Path, size: int) -> None:
    os.truncate(large, size)
    age(large)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Announcer, "commit", _stopped)
        person.drive("put", large, status=130)
    (pending,) = person.pending()
    large.write_bytes(os.urandom(size))
    person.drive("put", large)
    assert person.pending() == []
    assert person.api.get(f"/uploads/{pending['upload_id']}")["state"] == "aborted"
    assert person.files()[0]["checksum"] == sha256(large.read_bytes())


@pytest.mark.parametrize("size", SIZES)
def test_an_upload_that_ended_meanwhile_begins_anew(person: Person, large: Path, size: int) -> None:
    os.truncate(large, size)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Announcer, "commit", _stopped)
        person.drive("put", large, status=130)
    (pending,) = person.pending()
    assert person.api.delete(f"/uploads/{pending['upload_id']}").status == 204
    person.drive("put", large)
    assert [file["version"] for file in person.files()] == [1]


def test_ctrl_c_leaves_one_line_and_a_later_run_resumes(
    person: Person, proxied: Proxied, tmp_path: Path
) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(MIB))
    proxied.proxy.hold()
    asked = proxied.proxy.requests
    process = person.start("put", path)
    process.wait_until(lambda: proxied.proxy.requests > asked)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out, err.strip()) == (130, "", "drive: Interrupted.")
    proxied.proxy.pass_on()
    proxied.proxy.drop()
    (pending,) = person.pending()
    person.drive("put", path)
    shown = person.api.get(f"/uploads/{pending['upload_id']}")
    assert (shown["state"], len(person.files())) == ("committed", 1)


def _stopped(*arguments: object) -> None:
    raise StoppedError("cut")
