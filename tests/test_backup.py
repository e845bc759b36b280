"""`backup_objects` and `restore_objects`: the bytes go to a folder, and come back into a bucket."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from pytest_django.fixtures import Settings

from files.models import File, FileVersion, Integrity
from files.object_store import NotWritten, store
from files.services import backups, signing
from files.services.backups import Outcome
from tests.support.client import Client, fetch, sha256
from tests.support.store import make_bucket
from tests.tcp_proxy import TcpProxy
from tests.test_object_store import make_s3

pytestmark = [pytest.mark.usefixtures("store"), pytest.mark.django_db]

BACKED_UP = "{} versions, {} copied, {} there before"
RESTORED = "{} versions, {} restored, {} there before"


def run(command: str, folder: Path, *options: str) -> tuple[int, str]:
    """Run the command; return its exit status and what it printed."""
    out = StringIO()
    try:
        call_command(command, str(folder), *options, stdout=out)
    except SystemExit as stop:
        return int(str(stop.code)), out.getvalue()
    return 0, out.getvalue()


def back_up(folder: Path, *options: str) -> tuple[int, str]:
    return run("backup_objects", folder, *options)


def restore(folder: Path) -> tuple[int, str]:
    return run("restore_objects", folder)


def files_in(folder: Path) -> dict[str, bytes]:
    """Return all that is in the folder, those names too that begin with a dot."""
    found = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


def pins() -> dict[str, tuple[str, str, str]]:
    """Return what each row says of its object, by key."""
    rows = FileVersion.objects.values_list("key", "store_version_id", "etag", "integrity")
    return {key: rest for key, *rest in rows}  # type: ignore[misc]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "objects"


@pytest.fixture
def files(owner: Client) -> dict[str, bytes]:
    """Three versions of two files, by key: the second version is empty."""
    first = owner.upload(b"first")
    second = owner.upload(b"", file_id=first["fileId"])
    other = owner.upload(b"other", filename="b.txt")
    return {first["key"]: b"first", second["key"]: b"", other["key"]: b"other"}


@pytest.fixture
def lost(settings: Settings) -> Iterator[str]:
    """From its first use on, the settings name a new bucket; gives the name of the old one."""
    old = settings.MINIO_BUCKET
    settings.MINIO_BUCKET = f"restored-{uuid.uuid4()}"
    new = settings.MINIO_BUCKET
    make_bucket()
    client = make_s3()
    _forget_signers()
    yield old
    _forget_signers()
    for found in client.list_object_versions(Bucket=new).get("Versions", []):
        client.delete_object(Bucket=new, Key=found["Key"], VersionId=found["VersionId"])
    client.delete_bucket(Bucket=new)


@pytest.fixture
def disaster(
    files: dict[str, bytes], folder: Path, request: pytest.FixtureRequest
) -> dict[str, bytes]:
    """The three versions are backed up, and the bucket is another one now, with nothing in it."""
    assert back_up(folder)[0] == 0
    request.getfixturevalue("lost")
    return files


def test_every_version_is_copied_under_its_key(
    owner: Client, files: dict[str, bytes], folder: Path
) -> None:
    trashed = owner.upload(b"in the trash")
    assert owner.delete(f"/files/{trashed['fileId']}").status == 204
    status, said = back_up(folder)
    assert (status, said.startswith(BACKED_UP.format(4, 4, 0))) == (0, True), said
    assert files_in(folder) == files | {trashed["key"]: b"in the trash"}


def test_the_bytes_copied_are_those_of_the_pinned_version(owner: Client, folder: Path) -> None:
    begun = owner.put(b"pinned")
    owner.commit(begun["key"], b"pinned")
    make_s3().put_object(Bucket=_bucket(), Key=begun["key"], Body=b"later!")
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
    make_s3().delete_object(Bucket=_bucket(), Key=gone, VersionId=version_id)
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
        only=f"GET /{_bucket()}/{damaged}".encode(),
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
    store_proxy.cut(1 << 20, only=f"GET /{_bucket()}/{key}".encode())
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
        pytest.raises(NotWritten, match="No space left"),
    ):
        store().sha256(key, version_id=version_id, into=full)


def test_everything_is_downloadable_by_every_route_after_a_restore(
    owner: Client, anonymous: Client, disaster: dict[str, bytes], folder: Path
) -> None:
    file = File.objects.get(version_current=2)
    share = owner.post("/shares", {"file_id": str(file.pk), "permission": "read"})
    before = pins()
    assert fetch(_url(owner.get(f"/files/{file.pk}/versions/1/download"))).status_code == 404
    status, said = restore(folder)
    assert (status, said.startswith(RESTORED.format(3, 3, 0))) == (0, True), said
    assert owner.read(str(file.pk)) == b""
    assert owner.read(str(file.pk), 1) == b"first"
    assert owner.read(str(File.objects.get(version_current=1).pk)) == b"other"
    redirected = owner.get(f"/files/{file.pk}/download?redirect=true")
    assert fetch(redirected.headers["Location"]).content == b""
    shared = anonymous.get(f"/s/{share['token']}/download")
    answer = fetch(_url(shared))
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["Content-Type"] == "text/plain"
    assert all(pin[0] != before[key][0] for key, pin in pins().items())
    out = StringIO()
    call_command("verify_checksums", "--all", stdout=out)
    assert out.getvalue() == "3 versions checked, 0 corrupt\n"
    third = owner.upload(b"third", file_id=str(file.pk))
    assert (third["version"], owner.read(str(file.pk))) == (3, b"third")


def test_a_restored_checksum_is_the_store_s_where_it_attests_it_and_declared_elsewhere(
    disaster: dict[str, bytes], folder: Path, attests: bool
) -> None:
    restore(folder)
    expected = Integrity.STORE if attests else Integrity.DECLARED
    assert {integrity for *_, integrity in pins().values()} == {expected}
    assert {file.integrity for file in File.objects.all()} == {expected}


def test_a_second_restore_does_nothing(
    disaster: dict[str, bytes], folder: Path, store_proxy: TcpProxy
) -> None:
    restore(folder)
    before, requests = pins(), store_proxy.requests
    assert restore(folder) == (0, restore(folder)[1])
    assert restore(folder)[1].startswith(RESTORED.format(3, 0, 3))
    assert pins() == before
    # The state of the bucket, and whether each version is there.
    assert store_proxy.requests == requests + 3 * 4
    listed = make_s3().list_object_versions(Bucket=_bucket())
    assert len(listed["Versions"]) == 3


def test_a_version_that_the_store_has_is_never_pinned_anew(
    files: dict[str, bytes], folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    back_up(folder)
    first = next(iter(files))
    (folder / first).write_bytes(b"longer than it was")
    FileVersion.objects.filter(key=first).update(size=18, checksum=sha256(b"longer than it was"))
    before = pins()
    status, said = restore(folder)
    assert (status, said.startswith(RESTORED.format(3, 0, 2))) == (1, True), said
    assert f"({first}) in the store with another size" in "".join(capfd.readouterr())
    assert pins() == before


def test_what_is_missing_or_wrong_in_the_folder_is_named_and_the_rest_is_restored(
    owner: Client, disaster: dict[str, bytes], folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    first, second, other = disaster
    before = pins()
    (folder / first).unlink()
    (folder / other).write_bytes(b"OTHER")
    status, said = restore(folder)
    assert (status, said.startswith(RESTORED.format(3, 1, 0))) == (1, True), said
    named = "".join(capfd.readouterr())
    assert f"({first}) missing in the folder" in named
    assert f"({other}) with other bytes in the folder" in named
    assert {key for key, pin in pins().items() if pin != before[key]} == {second}
    keys = [row["Key"] for row in make_s3().list_object_versions(Bucket=_bucket())["Versions"]]
    assert keys == [second], "nothing that is wrong is put into the store"
    (folder / first).write_bytes(b"first")
    (folder / other).write_bytes(b"other")
    assert restore(folder)[1].startswith(RESTORED.format(3, 2, 1))


def test_what_the_store_does_not_take_keeps_its_pin_and_is_restored_by_a_later_run(
    disaster: dict[str, bytes],
    folder: Path,
    store_proxy: TcpProxy,
    capfd: pytest.CaptureFixture[str],
) -> None:
    first, before = next(iter(disaster)), pins()
    # All the same as if the connection were lost half way: nobody knows what the store has.
    store_proxy.cut(0, only=f"PUT /{_bucket()}/{first}".encode())
    status, said = restore(folder)
    assert (status, said.startswith(RESTORED.format(3, 2, 0))) == (2, True), said
    assert f"({first}) not taken by the store" in "".join(capfd.readouterr())
    assert pins()[first] == before[first]
    store_proxy.pass_on()
    assert restore(folder)[1].startswith(RESTORED.format(3, 1, 2))


def test_a_large_object_is_restored_in_parts(
    owner: Client, folder: Path, request: pytest.FixtureRequest
) -> None:
    data = b"".join(bytes([number]) * (1 << 20) for number in range(16)) + b"tail!"
    committed = owner.upload(data)
    assert back_up(folder)[0] == 0
    request.getfixturevalue("lost")
    assert restore(folder)[0] == 0
    version = FileVersion.objects.get()
    assert version.etag.endswith("-2")
    assert version.integrity == Integrity.DECLARED
    assert owner.read(committed["fileId"]) == data


@pytest.mark.parametrize(
    "foreign", ["1795453028.58962", "019aaf00-0000-4000-8000-000000000000", "3sL4kqtJlcpXroDTDmJ"]
)
def test_a_pin_of_another_kind_of_store_is_one_that_is_not_there(
    owner: Client, files: dict[str, bytes], folder: Path, foreign: str
) -> None:
    back_up(folder)
    FileVersion.objects.update(store_version_id=foreign)
    assert restore(folder)[1].startswith(RESTORED.format(3, 3, 0))
    assert owner.read(str(File.objects.get(version_current=2).pk), 1) == b"first"


def test_a_version_that_was_corrupt_is_good_again_when_its_copy_is_older_than_that(
    owner: Client, disaster: dict[str, bytes], folder: Path
) -> None:
    FileVersion.objects.update(integrity=Integrity.CORRUPT)
    File.objects.update(integrity=Integrity.CORRUPT)
    assert restore(folder)[0] == 0
    file = File.objects.get(version_current=2)
    assert owner.read(str(file.pk)) == b""
    assert file.integrity != Integrity.CORRUPT


def test_of_two_restores_at_the_same_time_one_pins(
    disaster: dict[str, bytes], folder: Path
) -> None:
    slow = backups.restore(folder=folder)
    assert next(slow).outcome == Outcome.DONE
    assert restore(folder)[1].startswith(RESTORED.format(3, 2, 1))
    before = pins()
    # It knows the rows from before.
    assert [copy.outcome for copy in slow] == [Outcome.DONE, Outcome.DONE]
    assert pins() == before


def test_without_a_bucket_that_keeps_versions_nothing_is_restored(
    files: dict[str, bytes], folder: Path, settings: Settings
) -> None:
    back_up(folder)
    settings.MINIO_BUCKET = f"restored-{uuid.uuid4()}"
    with pytest.raises(CommandError, match="run bootstrap_store first"):
        restore(folder)
    with pytest.raises(CommandError, match="has no such bucket"):
        back_up(folder / "again")
    client = make_s3()
    client.create_bucket(Bucket=settings.MINIO_BUCKET)
    with pytest.raises(CommandError, match="run bootstrap_store first"):
        restore(folder)
    assert "Contents" not in client.list_objects_v2(Bucket=settings.MINIO_BUCKET)
    client.delete_bucket(Bucket=settings.MINIO_BUCKET)


def test_a_folder_that_is_not_there_is_named(folder: Path) -> None:
    with pytest.raises(CommandError, match=f"{folder} is not a folder"):
        restore(folder)


def _bucket() -> str:
    return str(settings.MINIO_BUCKET)


def _forget_signers() -> None:
    """Let URLs be signed for the bucket that the settings name now."""
    signing.uploads.cache_clear()
    signing.downloads.cache_clear()


def _url(answer: Any) -> str:
    return str(answer["presigned_get_url"])
