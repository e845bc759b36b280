"""`restore_objects`: the bytes of a backup come back into a bucket."""

from __future__ import annotations

import uuid
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import DEFAULT_DB_ALIAS, connection
from pytest_django.fixtures import Settings

from files.models import File, FileVersion, Integrity, Upload
from files.services import backups, verification
from files.services.backups import Outcome
from files.store.client import object_store
from tests.support.backups import (
    RESTORED,
    back_up,
    bucket,
    pins,
    restore,
    rot,
    without_versions,
)
from tests.support.client import Client, fetch, sha256
from tests.support.garbage import LATER, collect, stored
from tests.support.object_store import make_s3
from tests.support.tcp_proxy import TcpProxy

pytest_plugins = ["tests.support.backup_fixtures", "tests.support.garbage_fixtures"]
pytestmark = [pytest.mark.usefixtures("store"), pytest.mark.django_db]

BAD_REQUEST = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"


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


def test_versions_that_share_their_bytes_share_them_again(
    owner: Client, folder: Path, request: pytest.FixtureRequest
) -> None:
    first = owner.upload(b"first")
    owner.post(f"/files/{first['fileId']}/versions/1/restore")
    purged = owner.upload(b"purged")
    back_up(folder)
    owner.delete(f"/files/{purged['fileId']}?permanent=true")
    request.getfixturevalue("lost")
    assert restore(folder)[1].startswith(RESTORED.format(2, 1, 1))
    assert owner.read(first["fileId"], 1) == owner.read(first["fileId"], 2) == b"first"
    assert len(make_s3().list_object_versions(Bucket=bucket())["Versions"]) == 1


def test_what_was_purged_and_collected_after_a_dump_is_there_again(
    owner: Client, folder: Path, request: pytest.FixtureRequest
) -> None:
    request.getfixturevalue("bucket")
    purged, file_id = owner.upload(b"purged"), owner.upload(b"first")["fileId"]
    owner.upload(b"second", file_id=file_id)
    models: tuple[Any, ...] = (File, FileVersion, Upload)
    dump = [(model, list(model.objects.all())) for model in models]
    assert back_up(folder)[0] == 0
    owner.delete(f"/files/{purged['fileId']}?permanent=true")
    owner.delete(f"/files/{file_id}/versions/1")
    collect(after=LATER)
    assert len(stored()) == 1
    for model, _ in reversed(dump):
        model.objects.all()._raw_delete(DEFAULT_DB_ALIAS)
    for model, rows in dump:
        model.objects.bulk_create(rows)
    assert restore(folder)[1].startswith(RESTORED.format(3, 2, 1))
    assert owner.read(purged["fileId"]) == b"purged"
    assert [owner.read(file_id, version) for version in (1, 2)] == [b"first", b"second"]


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
    listed = make_s3().list_object_versions(Bucket=bucket())
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
    keys = [row["Key"] for row in make_s3().list_object_versions(Bucket=bucket())["Versions"]]
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
    store_proxy.cut(0, only=f"PUT /{bucket()}/{first}".encode())
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
    # It knows the rows from before, and looks again before it stores anything.
    assert [copy.outcome for copy in slow] == [Outcome.PRESENT, Outcome.PRESENT]
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


def test_a_file_that_cannot_be_read_is_named_and_the_rest_is_restored(
    disaster: dict[str, bytes],
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    first, before = next(iter(disaster)), pins()
    rot(folder / first, monkeypatch)
    status, said = restore(folder)
    assert (status, said.startswith(RESTORED.format(3, 2, 0))) == (1, True), said
    assert f"({first}) unreadable in the folder" in "".join(capfd.readouterr())
    assert pins()[first] == before[first]


def test_large_objects_of_other_bytes_are_not_made(
    owner: Client, folder: Path, request: pytest.FixtureRequest
) -> None:
    key = owner.upload(bytes(17 << 20))["key"]
    assert back_up(folder)[0] == 0
    request.getfixturevalue("lost")
    before = pins()
    (folder / key).write_bytes(bytes((17 << 20) - 1) + b"!")
    status, said = restore(folder)
    assert (status, "1 with other bytes in the folder" in said) == (1, True), said
    assert pins() == before
    s3 = make_s3()
    assert "Versions" not in s3.list_object_versions(Bucket=bucket())
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket())


def test_what_is_pinned_was_checked_when_it_was_sent(
    owner: Client, folder: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = owner.upload(bytes(17 << 20))["key"]
    assert back_up(folder)[0] == 0
    request.getfixturevalue("lost")
    opens = Path.open
    opened: list[Path] = []

    def open_it(self: Path, *arguments: Any, **options: Any) -> Any:
        if opened:
            with opens(self, "r+b") as file:
                file.write(b"changed meanwhile")
        opened.append(self)
        return opens(self, *arguments, **options)

    monkeypatch.setattr(Path, "open", open_it)
    assert restore(folder)[0] == 0
    version = FileVersion.objects.get()
    assert opened == [folder / key]
    assert object_store().sha256(key, version_id=version.store_version_id) == version.checksum


@pytest.mark.parametrize(("times", "status"), [(1, 0), (None, 2)])
def test_a_400_on_the_way_to_the_store_changes_no_pin(
    files: dict[str, bytes],
    folder: Path,
    store_proxy: TcpProxy,
    times: int | None,
    status: int,
) -> None:
    back_up(folder)
    before, first = pins(), next(iter(files))
    store_proxy.answer(BAD_REQUEST, times=times, only=f"HEAD /{bucket()}/{first}?".encode())
    assert restore(folder)[0] == status
    assert pins() == before


def test_versions_restored_while_they_are_verified_are_not_called_corrupt(
    disaster: dict[str, bytes], folder: Path
) -> None:
    verifying = verification.verify(verification.due(every=True))
    assert next(verifying).missing
    assert restore(folder)[0] == 0
    assert [found.missing for found in verifying] == [False, False]
    assert Integrity.CORRUPT not in {pin[2] for pin in pins().values()}


def test_a_version_restored_while_it_is_read_is_read_again(
    disaster: dict[str, bytes], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = object_store().sha256

    def read_late(key: str, **options: Any) -> str | None:
        found = read(key, **options)
        monkeypatch.undo()
        assert restore(folder)[0] == 0
        return found

    monkeypatch.setattr(object_store(), "sha256", read_late)
    found = list(verification.verify(verification.due(every=True)))
    assert [each.missing for each in found] == [False] * 3
    assert Integrity.CORRUPT not in {pin[2] for pin in pins().values()}


def test_a_database_that_does_not_answer_stops_a_restore(
    disaster: dict[str, bytes], folder: Path
) -> None:
    with (
        connection.execute_wrapper(without_versions),
        pytest.raises(CommandError, match="the database does not answer; run it again") as stopped,
    ):
        restore(folder)
    assert stopped.value.returncode == 2


def _url(answer: Any) -> str:
    return str(answer["presigned_get_url"])
