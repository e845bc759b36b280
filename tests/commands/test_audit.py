"""`manage.py audit`: what it counts, what it calls wrong, and that it changes nothing."""

from __future__ import annotations

import json
import uuid
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.conf import settings as in_use
from django.core.management import CommandError, call_command
from django.utils import timezone
from pytest_django.fixtures import Settings

from files.models import File, FileVersion, User
from files.services import auditing, quotas
from files.store import deletion
from tests.support.client import Client, put
from tests.support.garbage import stored
from tests.support.object_store import make_s3
from tests.support.ports import free_port

pytest_plugins = ["tests.support.garbage_fixtures"]
pytestmark = [pytest.mark.usefixtures("bucket"), pytest.mark.django_db]


def audit() -> tuple[int, dict[str, Any], str]:
    """Return the exit status, what was printed as JSON, and the lines of what is wrong."""
    out, said, status = StringIO(), StringIO(), 0
    try:
        call_command("audit", "--json", stdout=out, stderr=said)
    except SystemExit as end:
        status = int(str(end.code))
    return status, json.loads(out.getvalue()), said.getvalue()


def numbers(found: dict[str, Any]) -> dict[str, int]:
    """Return the number of object versions of each kind, without ages."""
    return {
        kind: sum(each["objects"] for each in ages.values())
        for kind, ages in found["objects"].items()
    }


def delete(version: FileVersion) -> None:
    make_s3().delete_object(
        Bucket=in_use.MINIO_BUCKET, Key=version.key, VersionId=version.store_version_id
    )


def test_each_object_version_is_of_one_kind(owner: Client) -> None:
    file = owner.upload(b"first")
    owner.upload(b"second", file_id=file["fileId"])
    begun = owner.init(b"in one part", multipart=True)
    put(begun["parts"][0]["presigned_put_url"], b"in one part")
    assert owner.commit(begun["key"], b"in one part").status == 201
    assert owner.delete(f"/files/{file['fileId']}/versions/1").status == 204
    owner.put(b"in flight")
    aborted = owner.put(b"aborted")
    assert owner.delete(f"/uploads/{aborted['upload_id']}").status == 204
    late = owner.put(b"late")
    owner.commit(late["key"], b"late")
    assert put(late["presigned_put_url"], b"late").status_code == 200
    make_s3().put_object(
        Bucket=in_use.MINIO_BUCKET, Key=f"uploads/2020/01/01/{uuid.uuid4()}", Body=b"nobody's"
    )
    before, rows = stored(), list(FileVersion.objects.order_by("pk").values())
    status, found, said = audit()
    assert (status, found["wrong"], said) == (0, {}, "")
    assert numbers(found) == {"pinned": 3, "waiting": 3, "in_flight": 1, "unknown": 1}
    assert found["objects"]["in_flight"]["day"]["bytes"] == len(b"in flight")
    assert stored() == before
    assert list(FileVersion.objects.order_by("pk").values()) == rows


def test_a_version_whose_bytes_are_gone_is_missing(owner: Client) -> None:
    owner.upload(b"here")
    gone = owner.upload(b"gone")
    version = FileVersion.objects.get(file=gone["fileId"])
    delete(version)
    for age in (timedelta(), timedelta(hours=1)):
        FileVersion.objects.update(created_at=timezone.now() - age)
        status, found, said = audit()
        assert (status, found["wrong"]) == (1, {"missing": 1})
        assert version.key in said


def test_a_commit_meanwhile_does_not_hide_a_missing_version(
    owner: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deletion, "_PAGE", 1)
    for _ in range(3):
        owner.put(b"a page of the list")
    owner.upload(b"gone")
    version = FileVersion.objects.get()
    delete(version)
    FileVersion.objects.update(created_at=timezone.now() - timedelta(hours=1))
    lines: list[str] = []
    committed: list[str] = []

    def progress(number: int) -> None:
        if not committed:
            committed.append(owner.upload(b"meanwhile")["key"])

    # The clock here is a minute ahead of the one that dates commits.
    run = auditing.Audit(
        now=timezone.now() + timedelta(minutes=1), say=lines.append, progress=progress
    )
    auditing.audit(run=run)
    assert run.wrong == {"missing": 1}
    assert version.key in lines[0]
    # MinIO's list is as things were when it began.
    assert sum(run.objects.values()) in (3, 4)


def test_a_purged_version_whose_bytes_are_gone_is_not_missing(owner: Client) -> None:
    gone = owner.upload(b"gone")
    version = FileVersion.objects.get()
    owner.delete(f"/files/{gone['fileId']}?permanent=true")
    delete(version)
    assert audit()[:2] == (0, {**audit()[1], "wrong": {}})


def test_another_size_or_etag_in_the_store_differs(owner: Client) -> None:
    owner.upload(b"abc")
    owner.upload(b"gone")
    delete(FileVersion.objects.latest("created_at"))
    FileVersion.objects.update(etag="another")
    assert audit()[1]["wrong"] == {"differs": 1, "missing": 1}


def test_rows_that_contradict_each_other_are_wrong(owner: Client) -> None:
    file = owner.upload(b"abc")
    File.objects.update(size=4)
    status, found, said = audit()
    assert (status, found["wrong"]) == (1, {"file-and-newest-version": 1})
    assert file["fileId"] in said
    File.objects.update(size=3)
    FileVersion.objects.update(version=2)
    assert audit()[1]["wrong"] == {"file-and-newest-version": 1, "version-numbers": 1}


def test_a_corrupt_version_is_wrong(owner: Client) -> None:
    owner.upload(b"abc")
    FileVersion.objects.update(integrity="corrupt")
    File.objects.update(integrity="corrupt")
    assert audit()[1]["wrong"] == {"corrupt": 1}


def test_counters_that_are_not_the_sums_are_wrong(owner: Client) -> None:
    quotas.set_quota(user_id=owner.user.pk, quota_bytes=1000)
    owner.upload(b"abc")
    owner.put(b"abcd")
    assert audit()[1]["wrong"] == {}
    User.objects.filter(pk=owner.user.pk).update(bytes_reserved=3)
    status, found, said = audit()
    assert (status, found["wrong"]) == (1, {"quota": 1})
    assert "3 used, 3 reserved, but 3 and 4 in rows" in said


def test_a_store_that_does_not_answer_ends_it_with_2(owner: Client, settings: Settings) -> None:
    settings.MINIO_ENDPOINT = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(CommandError, match="the store does not answer") as error:
        call_command("audit", stdout=StringIO())
    assert error.value.returncode == 2
