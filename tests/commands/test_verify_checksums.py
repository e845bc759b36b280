from __future__ import annotations

import hashlib
import itertools
import subprocess
import sys
from io import StringIO
from typing import Any

import httpx
import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from pytest_django.fixtures import Settings

from files.models import File, FileVersion, Integrity
from files.services import verification
from files.services.versions import settle_integrity
from tests.support.backups import without_versions
from tests.support.client import Client, assert_problem, sha256
from tests.support.server import running
from tests.support.tcp_proxy import TcpProxy

pytestmark = [pytest.mark.usefixtures("store"), pytest.mark.django_db]


def verify(*arguments: str) -> tuple[int, str]:
    """Run the command; return its exit status and what it printed."""
    out = StringIO()
    try:
        call_command("verify_checksums", *arguments, stdout=out)
    except SystemExit as stop:
        return int(str(stop.code)), out.getvalue()
    return 0, out.getvalue()


@pytest.fixture
def declared(owner: Client, settings: Settings) -> Any:
    """A version of which only the client said the checksum."""
    settings.COMMIT_READ_MAX = 0
    return owner.upload(b"bytes" * 1000)


def test_a_version_too_large_to_read_at_commit_is_declared(owner: Client, declared: Any) -> None:
    assert declared["integrity"] == "declared"
    assert owner.get(f"/files/{declared['fileId']}/download")["integrity"] == "declared"


def test_a_declared_version_with_the_right_bytes_becomes_read(owner: Client, declared: Any) -> None:
    assert verify() == (0, "1 versions checked, 0 corrupt\n")
    file = owner.get(f"/files/{declared['fileId']}")
    assert file["integrity"] == file["versions"][0]["integrity"] == "read"
    assert verify() == (0, "0 versions checked, 0 corrupt\n")


def test_a_declared_version_with_other_bytes_is_corrupt_and_never_handed_out(
    owner: Client, settings: Settings
) -> None:
    settings.COMMIT_READ_MAX = 0
    begun = owner.put(b"real")
    committed = owner.commit(begun["key"], b"real", checksum=sha256(b"fake"))
    assert committed.status == 201
    assert verify()[0] == 1
    file_id = committed["fileId"]
    assert owner.get(f"/files/{file_id}")["integrity"] == "corrupt"
    assert_problem(owner.get(f"/files/{file_id}/download"), 409, "corrupt")
    assert_problem(owner.get(f"/files/{file_id}/download?redirect=true"), 409, "corrupt")
    assert_problem(owner.get(f"/files/{file_id}/versions/1/download"), 409, "corrupt")


def test_an_older_version_is_settled_without_touching_the_file(
    owner: Client, declared: Any, settings: Settings
) -> None:
    settings.COMMIT_READ_MAX = 1 << 20
    owner.upload(b"second", file_id=declared["fileId"])
    before = File.objects.get(pk=declared["fileId"])
    assert verify()[0] == 0
    assert FileVersion.objects.get(file=before, version=1).integrity == Integrity.READ
    after = File.objects.get(pk=declared["fileId"])
    assert (after.integrity, after.version_current) == (before.integrity, 2)


def test_all_reads_every_version_again_and_finds_one_that_is_gone(owner: Client) -> None:
    committed = owner.upload(b"here today")
    assert verify()[1].startswith("0 versions")
    assert verify("--all") == (0, "1 versions checked, 0 corrupt\n")
    FileVersion.objects.update(store_version_id=_another_version_id(owner))
    assert verify("--all")[0] == 1
    assert owner.get(f"/files/{committed['fileId']}")["integrity"] == "corrupt"


def test_all_reads_every_version_however_few_are_fetched_at_a_time(
    owner: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verification, "_BATCH", 2)
    for number in range(5):
        owner.upload(b"%d" % number)
    assert verify("--all") == (0, "5 versions checked, 0 corrupt\n")


def _another_version_id(owner: Client) -> str:
    """A version id that the store knows, of another key."""
    other = owner.upload(b"other")
    return FileVersion.objects.get(key=other["key"]).store_version_id


def test_a_version_found_good_again_is_handed_out_again(owner: Client, declared: Any) -> None:
    FileVersion.objects.update(integrity=Integrity.CORRUPT)
    File.objects.update(integrity=Integrity.CORRUPT)
    assert verify("--all")[0] == 0
    assert owner.read(declared["fileId"]) == b"bytes" * 1000


def test_since_and_after_leave_out_what_is_older(owner: Client, declared: Any) -> None:
    version = FileVersion.objects.get()
    assert verify("--since", "2999-01-01")[1].startswith("0 versions")
    assert verify("--after", str(version.pk))[1].startswith("0 versions")
    assert verify("--since", "2020-01-01T00:00:00Z")[1].startswith("1 versions")


def test_a_time_that_cannot_be_is_refused() -> None:
    with pytest.raises(CommandError, match="is not a date"):
        verify("--since", "yesterday")


@pytest.mark.slow
def test_workers_side_by_side_settle_every_version(
    store: object, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with running(tmp_path_factory.mktemp("service"), COMMIT_READ_MAX="0") as server:
        owner = server.client("owner")
        files = [owner.upload(b"%d" % number)["fileId"] for number in range(12)]
        command = [sys.executable, "manage.py", "verify_checksums"]
        workers = [
            subprocess.Popen(command, env=server.environment, stdout=subprocess.PIPE, text=True)
            for _ in range(3)
        ]
        outputs = [worker.communicate(timeout=120)[0] for worker in workers]
        assert [worker.returncode for worker in workers] == [0, 0, 0]
        assert sum(int(output.split()[0]) for output in outputs) >= len(files)
        assert {owner.get(f"/files/{file}")["integrity"] for file in files} == {"read"}


@pytest.mark.slow
@pytest.mark.once
def test_memory_stays_flat_while_256_mib_are_read(
    store: object, tmp_path_factory: pytest.TempPathFactory
) -> None:
    size = 1 << 28
    piece = bytes(1 << 20)
    checksum = hashlib.sha256()
    for _ in range(size // len(piece)):
        checksum.update(piece)
    with running(tmp_path_factory.mktemp("service")) as server:
        owner = server.client("owner")
        begun = owner.init(size=size)
        sent = httpx.put(
            begun["presigned_put_url"],
            content=itertools.repeat(piece, size // len(piece)),
            headers={"Content-Length": str(size)},
            timeout=300,
            trust_env=False,
        )
        assert sent.status_code == 200
        digest = "sha256:" + checksum.hexdigest()
        committed = owner.commit(begun["key"], b"", size=size, checksum=digest)
        assert committed["integrity"] == "declared"
        code = (
            "import re; from django.core.management import execute_from_command_line as run;"
            "run(['manage.py', 'verify_checksums']);"
            "print(re.search(r'VmHWM:\\s*(\\d+) kB', open('/proc/self/status').read())[1])"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], env=server.environment, capture_output=True, check=True
        )
        assert int(done.stdout.split()[-1]) * 1024 < 150 << 20
        assert owner.get(f"/files/{committed['fileId']}")["integrity"] == "read"


def test_a_corrupt_version_found_before_still_fails_the_run(owner: Client, declared: Any) -> None:
    FileVersion.objects.update(integrity=Integrity.CORRUPT)
    assert verify() == (1, "0 versions checked, 1 corrupt\n")
    assert verify("--since", "2999-01-01")[0] == 0


def test_a_version_that_the_store_cannot_read_is_named_and_the_others_are_checked(
    owner: Client, settings: Settings, store_proxy: TcpProxy, capfd: pytest.CaptureFixture[str]
) -> None:
    settings.COMMIT_READ_MAX = 0
    files = [owner.upload(b"%d" % number) for number in range(3)]
    damaged = files[1]["key"]
    store_proxy.answer(
        b"HTTP/1.1 503 Slow Down\r\nContent-Length: 0\r\n\r\n",
        only=f"GET /{settings.MINIO_BUCKET}/{damaged}".encode(),
    )
    assert verify() == (2, "3 versions checked, 0 corrupt, 1 unreadable\n")
    assert f"({damaged}) cannot be read" in "".join(capfd.readouterr())
    found = [owner.get(f"/files/{file['fileId']}")["integrity"] for file in files]
    assert found == ["read", "declared", "read"]


def test_a_store_that_is_away_stops_the_run(
    owner: Client, declared: Any, store_proxy: TcpProxy
) -> None:
    store_proxy.refuse()
    with pytest.raises(CommandError, match="the store does not answer") as stopped:
        verify()
    assert stopped.value.returncode == 2
    FileVersion.objects.update(integrity=Integrity.CORRUPT)
    with pytest.raises(CommandError) as stopped:
        verify("--all")
    assert stopped.value.returncode == 1


def test_what_is_found_of_another_object_version_than_the_pinned_one_settles_nothing(
    owner: Client, declared: Any
) -> None:
    stale = FileVersion.objects.get()
    FileVersion.objects.update(store_version_id="restored")
    assert not settle_integrity(version=stale, integrity=Integrity.CORRUPT)
    assert FileVersion.objects.get().integrity == Integrity.DECLARED
    assert File.objects.get().integrity == Integrity.DECLARED


def test_a_database_that_does_not_answer_stops_the_run(owner: Client, declared: Any) -> None:
    with (
        connection.execute_wrapper(without_versions),
        pytest.raises(CommandError, match="the database does not answer; 0 versions") as stopped,
    ):
        verify()
    assert stopped.value.returncode == 2
