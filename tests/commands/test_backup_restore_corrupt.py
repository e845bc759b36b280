"""`restore_objects` of what was found corrupt: its copy takes its place, if that is good."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command

from files.models import File, FileVersion, Integrity
from tests.support.backups import (
    RESTORED,
    back_up,
    bucket,
    pins,
    restore,
)
from tests.support.client import Client
from tests.support.object_store import make_s3

pytest_plugins = ["tests.support.backup_fixtures", "tests.support.garbage_fixtures"]
pytestmark = [pytest.mark.usefixtures("store"), pytest.mark.django_db]


def _spoil(key: str, data: bytes) -> None:
    """Let what is pinned under `key` be these bytes, and be found corrupt."""
    made = make_s3().put_object(Bucket=bucket(), Key=key, Body=data)
    FileVersion.objects.filter(key=key).update(store_version_id=made["VersionId"])
    with pytest.raises(SystemExit):
        call_command("verify_checksums", "--all", stdout=StringIO())
    assert FileVersion.objects.get(key=key).integrity == Integrity.CORRUPT


@pytest.mark.parametrize("data", [b"OTHER", b"of another size"])
def test_a_version_found_corrupt_is_restored_from_its_copy(
    owner: Client, files: dict[str, bytes], folder: Path, data: bytes
) -> None:
    back_up(folder)
    *_, other = files
    _spoil(other, data)
    status, said = restore(folder)
    assert (status, said.startswith(RESTORED.format(3, 1, 2))) == (0, True), said
    file = File.objects.get(key_current=other)
    assert file.integrity != Integrity.CORRUPT
    assert owner.read(str(file.pk)) == b"other"


def test_a_version_found_corrupt_without_a_good_copy_is_named_and_left_as_it_is(
    files: dict[str, bytes], folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    back_up(folder)
    *_, other = files
    _spoil(other, b"OTHER")
    before = pins()
    (folder / other).write_bytes(b"OTHER")
    assert restore(folder)[0] == 1
    (folder / other).unlink()
    assert restore(folder)[0] == 1
    named = "".join(capfd.readouterr())
    assert f"({other}) with other bytes in the folder" in named
    assert f"({other}) missing in the folder" in named
    assert pins() == before


def test_a_version_found_corrupt_that_reads_right_now_keeps_its_pin_and_is_good_again(
    files: dict[str, bytes], folder: Path
) -> None:
    folder.mkdir()
    FileVersion.objects.update(integrity=Integrity.CORRUPT)
    File.objects.update(integrity=Integrity.CORRUPT)
    before = {key: pin[0] for key, pin in pins().items()}
    status, said = restore(folder)
    assert (status, said.startswith(RESTORED.format(3, 0, 3))) == (0, True), said
    assert {key: pin[0] for key, pin in pins().items()} == before
    assert {pin[2] for pin in pins().values()} == {Integrity.READ}
    assert {file.integrity for file in File.objects.all()} == {Integrity.READ}
