"""`backup_objects`: the bytes of all versions go to a folder."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

import pytest
from django.core.management import CommandError
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django.fixtures import Settings

from files.management.progress import total_size
from files.models import FileVersion, Integrity
from files.services import backups
from files.store.client import LocalWriteError, object_store
from tests.support.backups import BACKED_UP, back_up, bucket, files_in, rot, without_versions
from tests.support.client import Client, sha256
from tests.support.object_store import make_s3
from tests.support.tcp_proxy import TcpProxy

pytest_plugins = ["tests.support.backup_fixtures"]
pytestmark = [pytest.mark.usefixtures("store"), pytest.mark.django_db]


def test_every_version_is_copied_under_its_key(
    owner: Client, files: dict[str, bytes], folder: Path
) -> None:
    trashed = owner.upload(b"in the trash")
    assert owner.delete(f"/files/{trashed['fileId']}").status == 204
    status, said = back_up(folder)
    assert (status, said.startswith(BACKED_UP.format(4, 4, 0))) == (0, True), said
    assert files_in(folder) == files | {trashed["key"]: b"in the trash"}


def test_purged_bytes_are_copied_as_long_as_they_are_there(owner: Client, folder: Path) -> None:
    first = owner.upload(b"first")
    second = owner.upload(b"second", file_id=first["fileId"])
    file = owner.upload(b"file")
    owner.delete(f"/files/{first['fileId']}/versions/1")
    owner.delete(f"/files/{file['fileId']}?permanent=true")
    # The bytes of one are gone, and its row does not say so yet.
    pinned = FileVersion.objects.get(key=file["key"])
    make_s3().delete_object(Bucket=bucket(), Key=pinned.key, VersionId=pinned.store_version_id)
    assert back_up(folder)[0] == 0
    assert files_in(folder) == {first["key"]: b"first", second["key"]: b"second"}
    FileVersion.objects.exclude(key=second["key"]).update(collected_at=timezone.now())
    assert back_up(folder)[1].startswith(BACKED_UP.format(1, 0, 1))


def test_versions_that_share_their_bytes_have_one_copy(owner: Client, folder: Path) -> None:
    first = owner.upload(b"first")
    owner.post(f"/files/{first['fileId']}/versions/1/restore")
    assert back_up(folder)[1].startswith(BACKED_UP.format(2, 1, 1))
    assert files_in(folder) == {first["key"]: b"first"}


def test_every_version_is_copied_however_few_are_fetched_at_a_time(
    files: dict[str, bytes], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backups, "_BATCH", 2)
    assert back_up(folder)[1].startswith(BACKED_UP.format(3, 3, 0))
    assert files_in(folder) == files


def test_the_bytes_copied_are_those_of_the_pinned_version(owner: Client, folder: Path) -> None:
    begun = owner.put(b"pinned")
    owner.commit(begun["key"], b"pinned")
    make_s3().put_object(Bucket=bucket(), Key=begun["key"], Body=b"later!")
    assert back_up(folder)[0] == 0
    assert files_in(folder) == {begun["key"]: b"pinned"}


def test_what_was_copied_before_is_not_read_from_the_store_again(
    owner: Client, files: dict[str, bytes], folder: Path, store_proxy: TcpProxy
) -> None:
    back_up(folder)
    before = store_proxy.requests
    assert back_up(folder)[1].startswith(BACKED_UP.format(3, 0, 3))
    assert store_proxy.requests == before
    new = owner.upload(b"new")
    before = store_proxy.requests
    assert back_up(folder)[1].startswith(BACKED_UP.format(4, 1, 3))
    assert store_proxy.requests == before + 1
    assert files_in(folder) == files | {new["key"]: b"new"}


def test_a_copy_of_another_size_is_made_again_and_verify_finds_one_with_other_bytes(
    files: dict[str, bytes], folder: Path
) -> None:
    back_up(folder)
    first, _, other = files
    (folder / first).write_bytes(b"fir")
    (folder / other).write_bytes(b"OTHER")
    assert back_up(folder)[1].startswith(BACKED_UP.format(3, 1, 2))
    assert files_in(folder) == files | {other: b"OTHER"}
    assert back_up(folder, "--verify")[1].startswith(BACKED_UP.format(3, 1, 2))
    assert files_in(folder) == files


def test_what_is_corrupt_or_gone_in_the_store_is_named_and_the_rest_is_copied(
    owner: Client,
    files: dict[str, bytes],
    folder: Path,
    settings: Settings,
    capfd: pytest.CaptureFixture[str],
) -> None:
    settings.COMMIT_READ_MAX = 0
    corrupt = owner.put(b"real")["key"]
    assert owner.commit(corrupt, b"real", checksum=sha256(b"fake")).status == 201
    gone = owner.upload(b"gone")["key"]
    version_id = FileVersion.objects.get(key=gone).store_version_id
    make_s3().delete_object(Bucket=bucket(), Key=gone, VersionId=version_id)
    last = owner.upload(b"last")["key"]
    status, said = back_up(folder)
    assert status == 1
    assert "6 versions, 4 copied, 0 there before, 1 gone from the store, 1 with other" in said
    named = "".join(capfd.readouterr())
    assert f"({gone}) gone from the store" in named
    assert f"({corrupt}) with other bytes in the store" in named
    assert files_in(folder) == files | {last: b"last"}


def test_what_the_store_cannot_read_is_named_and_copied_by_a_later_run(
    files: dict[str, bytes],
    folder: Path,
    store_proxy: TcpProxy,
    capfd: pytest.CaptureFixture[str],
) -> None:
    damaged = next(iter(files))
    store_proxy.answer(
        b"HTTP/1.1 503 Slow Down\r\nContent-Length: 0\r\n\r\n",
        only=f"GET /{bucket()}/{damaged}".encode(),
    )
    assert back_up(folder)[0] == 2
    assert f"({damaged}) not readable by the store" in "".join(capfd.readouterr())
    assert files_in(folder) == {key: data for key, data in files.items() if key != damaged}
    store_proxy.pass_on()
    assert back_up(folder)[0] == 0
    assert files_in(folder) == files


def test_a_copy_that_is_cut_off_leaves_no_half_file(
    owner: Client, folder: Path, store_proxy: TcpProxy
) -> None:
    data = bytes(range(256)) * 8192
    key = owner.upload(data)["key"]
    store_proxy.cut(1 << 20, only=f"GET /{bucket()}/{key}".encode())
    assert back_up(folder)[0] == 2
    assert files_in(folder) == {}
    store_proxy.pass_on()
    assert back_up(folder)[0] == 0
    assert files_in(folder) == {key: data}


def test_a_run_that_is_interrupted_in_a_copy_leaves_no_half_file(
    owner: Client, folder: Path
) -> None:
    key = owner.upload(bytes(3 << 20))["key"]

    def interrupt(_: int) -> None:
        halves = files_in(folder)
        assert list(halves) != [key], "half a file has the name of the whole"
        assert [len(half) for half in halves.values()] < [3 << 20]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        next(backups.back_up(folder=folder, progress=interrupt))
    assert files_in(folder) == {}


def test_a_store_that_is_away_stops_the_run(
    files: dict[str, bytes], folder: Path, store_proxy: TcpProxy
) -> None:
    store_proxy.refuse()
    with pytest.raises(CommandError, match="the store does not answer") as stopped:
        back_up(folder)
    assert stopped.value.returncode == 2


def test_a_folder_that_cannot_be_written_is_named(files: dict[str, bytes], folder: Path) -> None:
    folder.mkdir()
    (folder / "uploads").write_text("in the way")
    with pytest.raises(CommandError, match=f"{folder}/uploads.*run it again") as stopped:
        back_up(folder)
    assert stopped.value.returncode == 2


def test_a_full_disk_is_not_taken_for_a_store_that_is_away(files: dict[str, bytes]) -> None:
    key = next(iter(files))
    version_id = FileVersion.objects.get(key=key).store_version_id
    with (
        open("/dev/full", "wb", buffering=0) as full,
        pytest.raises(LocalWriteError, match="No space left"),
    ):
        object_store().copy(key, version_id=version_id, into=full)


def test_what_is_known_to_be_corrupt_is_named_not_asked_for_and_no_failure(
    files: dict[str, bytes],
    folder: Path,
    store_proxy: TcpProxy,
    capfd: pytest.CaptureFixture[str],
) -> None:
    first, second, other = files
    FileVersion.objects.filter(key=first).update(integrity=Integrity.CORRUPT)
    before = store_proxy.requests
    status, said = back_up(folder)
    assert (status, said.startswith(BACKED_UP.format(3, 2, 0))) == (0, True), said
    assert "1 known to be corrupt" in said
    assert f"({first}) known to be corrupt" in "".join(capfd.readouterr())
    assert store_proxy.requests == before + 2
    assert set(files_in(folder)) == {second, other}


def test_a_copy_from_before_a_version_was_found_corrupt_is_a_copy(
    files: dict[str, bytes], folder: Path
) -> None:
    back_up(folder)
    FileVersion.objects.update(integrity=Integrity.CORRUPT)
    status, said = back_up(folder, "--verify")
    assert (status, said.startswith(BACKED_UP.format(3, 0, 3))) == (0, True), said


def test_a_copy_that_cannot_be_read_is_made_again_by_verify(
    files: dict[str, bytes], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    back_up(folder)
    first = folder / next(iter(files))
    before = first.stat().st_ino
    rot(first, monkeypatch)
    status, said = back_up(folder, "--verify")
    assert (status, said.startswith(BACKED_UP.format(3, 1, 2))) == (0, True), said
    assert first.stat().st_ino != before


def test_a_database_that_does_not_answer_stops_the_run(
    files: dict[str, bytes], folder: Path
) -> None:
    with (
        connection.execute_wrapper(without_versions),
        pytest.raises(CommandError, match="the database does not answer; run it again") as stopped,
    ):
        back_up(folder)
    assert stopped.value.returncode == 2


def test_the_sum_of_all_sizes_is_asked_for_only_where_a_terminal_shows_it(
    files: dict[str, bytes], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with CaptureQueriesContext(connection) as asked:
        assert back_up(folder)[0] == 0
    assert [query["sql"] for query in asked if "SUM(" in query["sql"]] == []
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert total_size(FileVersion.objects.all()) == len(b"firstother")
    with connection.execute_wrapper(without_versions):
        assert total_size(FileVersion.objects.all()) is None


def test_the_folders_are_flushed_to_the_disk_once_a_copy_has_its_name(
    owner: Client, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = owner.upload(b"bytes")["key"]
    flushed: list[int] = []
    flush = os.fsync

    def record(descriptor: int) -> None:
        flush(descriptor)
        found = os.fstat(descriptor)
        if stat.S_ISDIR(found.st_mode) and (folder / key).is_file():
            flushed.append(found.st_ino)

    monkeypatch.setattr(os, "fsync", record)
    assert back_up(folder)[0] == 0
    # One of today's folders, those above it, and the one in which the folder itself was made.
    above = [path for path in (folder / key).parents if path.is_relative_to(folder.parent)]
    assert set(flushed) == {path.stat().st_ino for path in above}
