"""What is shown of rows and results, against the serializers that document it, byte for byte."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from django.db.models import Model
from django.utils import timezone
from django.utils.functional import lazystr
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail
from rest_framework.renderers import JSONRenderer

from files.api import rows
from files.api.change_serializers import ChangeSerializer, ChangesSerializer
from files.api.folder_serializers import FolderSerializer
from files.api.renderers import OrjsonRenderer
from files.api.rows import Shape
from files.api.serializers import (
    DownloadSerializer,
    FileSerializer,
    FileVersionSerializer,
    UsageSerializer,
)
from files.api.share_serializers import ShareEventSerializer, ShareSerializer
from files.api.upload_serializers import (
    CommitSerializer,
    ReceivedPartSerializer,
    SignedUploadSerializer,
    UploadSerializer,
)
from files.models import (
    Change,
    File,
    FileVersion,
    Folder,
    Integrity,
    Share,
    ShareEvent,
    Upload,
    User,
)
from files.services.changes import ChangesPage
from files.services.commits import CommitResult
from files.services.downloads import Download
from files.services.folders import placed
from files.services.quotas import Usage
from files.services.uploads import PresignedPart, SignedUpload
from files.store.client import ReceivedPart
from files.store.presign import PresignedURL
from tests.support.rows import make_file

WHOLE = datetime(2026, 1, 31, 12, tzinfo=UTC)
FRACTION = datetime(2026, 1, 31, 12, 0, 0, 1200, tzinfo=UTC)
NAME = 'Été "日本" 🙂\\\u200e<a>.txt'


def written(shown: Any) -> bytes:
    return OrjsonRenderer().render(shown)


def documented(serializer: serializers.BaseSerializer[Any]) -> bytes:
    return bytes(JSONRenderer().render(serializer.data))


@pytest.fixture
def user(db: None) -> User:
    return User.objects.create_user("owner", subject="идп|7")


@pytest.fixture
def file(user: User) -> File:
    return make_file(user, NAME, created_at=FRACTION, versions=2)


@pytest.fixture
def share(user: User, file: File) -> Share:
    return Share.objects.create(file=file, created_by=user, token_digest="1", permission="read")


def make_files(user: User) -> None:
    make_file(user, "trashed", created_at=WHOLE)
    folder = Folder.objects.create(user=user, name=NAME)
    changes = {"updated_at": FRACTION, "deleted_at": timezone.now(), "folder": folder}
    File.objects.filter(name="trashed").update(integrity=Integrity.CORRUPT, **changes)


def make_versions(file: File, share: Share) -> None:
    newest = file.versions.get(version=2)
    FileVersion.objects.filter(pk=newest.pk).update(
        created_by=None, share=share, purged_at=timezone.now()
    )


def make_uploads(user: User, file: File) -> None:
    common = {"user": user, "filename": NAME, "content_type": "text/plain", "commit_by": WHOLE}
    parts = {"multipart_id": "id", "part_size": 16 << 20}
    Upload.objects.create(key="plain", size=0, **common)
    folder = Folder.objects.get(user=user)
    Upload.objects.create(key="bound", size=1, checksum="sha256:0", folder=folder, **common)
    for size in ((16 << 20) - 1, 16 << 20, (16 << 20) + 1):
        Upload.objects.create(key=f"multipart {size}", size=size, **common, **parts)
    Upload.objects.create(key="aborted", size=1, state="aborted", **common)
    version = file.versions.get(version=2)
    Upload.objects.create(
        key="committed", size=1, state="committed", file=file, file_version=version, **common
    )


def make_shares(user: User, file: File) -> None:
    Share.objects.create(
        file=file,
        created_by=user,
        token_digest="2",
        permission="write",
        expires_at=WHOLE,
        password="hash",
        max_downloads=7,
        download_count=3,
        revoked_at=FRACTION,
        last_used_at=WHOLE,
    )


def make_events(share: Share) -> None:
    ShareEvent.objects.create(share=share, what="downloaded", version=3, address="10.0.0.0")
    ShareEvent.objects.create(share=share, at=WHOLE, what="refused", reason="throttled", count=9)


def make_changes(user: User, file: File, share: Share) -> None:
    of_file = {"file_id": file.pk, "version": 2}
    Change.objects.create(user=user, seq=1, kind="file-created", by_user=user, **of_file)
    Change.objects.create(user=user, seq=2, kind="version-added", by_share_id=share.pk, **of_file)
    Change.objects.create(user=user, seq=3, at=WHOLE, kind="folder-purged", folder_id=uuid4())


@pytest.mark.parametrize(
    ("model", "shape", "serializer"),
    [
        (File, rows.FILE, FileSerializer),
        (FileVersion, rows.VERSION, FileVersionSerializer),
        (Upload, rows.UPLOAD, UploadSerializer),
        (Share, rows.SHARE, ShareSerializer),
        (ShareEvent, rows.EVENT, ShareEventSerializer),
        (Change, rows.CHANGE, ChangeSerializer),
    ],
)
def test_a_row_is_shown_as_its_serializer_says(
    user: User,
    file: File,
    share: Share,
    model: type[Model],
    shape: Shape,
    serializer: type[serializers.BaseSerializer[Any]],
) -> None:
    make_files(user)
    make_versions(file, share)
    make_uploads(user, file)
    make_shares(user, file)
    make_events(share)
    make_changes(user, file, share)
    found = list(model._default_manager.order_by("pk"))
    assert len(found) > 1
    for instance in found:
        expected = documented(serializer(instance))
        (row,) = model._default_manager.filter(pk=instance.pk).values(*shape.columns)
        assert written(shape.show(row)) == expected
        assert written(shape.of(instance)) == expected
    # Every column that may be null is, and is not, in some of the rows.
    for field in model._meta.concrete_fields:
        if field.null and field.attname in shape.columns:
            assert {getattr(each, field.attname) is None for each in found} == {True, False}, field


def test_folders_and_what_a_path_leads_to_are_shown_as_their_serializers_say(
    user: User, file: File
) -> None:
    top = Folder.objects.create(user=user, name=NAME, created_at=WHOLE, updated_at=FRACTION)
    inner = Folder.objects.create(user=user, name="b", parent=top, deleted_at=WHOLE)
    for chain in ([top], [top, inner]):
        folder = placed(chain)
        expected = documented(FolderSerializer(folder))
        assert written(rows.folder(folder)) == expected
        assert written(rows.found(folder)) == b'{"folder":' + expected + b"}"
    assert rows.found(file) == {"file": rows.FILE.of(file)}
    assert rows.found(None) == {"folder": None}


@pytest.mark.parametrize("headers", [{}, {"If-None-Match": "*"}])
@pytest.mark.parametrize("parts", [None, 0, 2])
def test_a_signed_upload_is_shown_as_its_serializer_says(
    parts: int | None, headers: dict[str, str]
) -> None:
    url = PresignedURL("https://store/a?b=c&d", headers, WHOLE)
    upload = Upload(key="uploads/a", size=20 << 20)
    if parts is None:
        signed = SignedUpload(upload, url, (), FRACTION)
    else:
        upload.multipart_id, upload.part_size = "id", 16 << 20
        each = tuple(PresignedPart(number + 1, url) for number in range(parts))
        signed = SignedUpload(upload, None, each, WHOLE)
    assert written(rows.signed_upload(signed)) == documented(SignedUploadSerializer(signed))


@pytest.mark.parametrize("at", [WHOLE, FRACTION])
def test_results_are_shown_as_their_serializers_say(at: datetime) -> None:
    file = File(name=NAME)
    version = FileVersion(
        file=file,
        version=1 << 62,
        key="uploads/a",
        size=(1 << 63) - 1,
        content_type='a/b; c="d\\"e"',
        checksum="sha256:0",
        integrity=Integrity.READ,
        created_at=at,
    )
    committed = CommitResult(version, file, created=True)
    assert written(rows.commit(committed)) == documented(CommitSerializer(committed))
    signed = Download(version, "https://store/a?b=c&d", at)
    assert written(rows.download(signed)) == documented(DownloadSerializer(signed))
    person = User(username="owner", subject="идп|7", email="a@b.example", created_at=at)
    for quota in (None, 0, 1 << 62):
        usage = Usage(person, files=3, bytes_used=1 << 62, bytes_reserved=0, quota_bytes=quota)
        assert written(rows.usage(usage)) == documented(UsageSerializer(usage))
    feed = ChangesPage([], next=1 << 62, has_more=True)
    assert written(rows.changes(feed)) == documented(ChangesSerializer(feed))
    part = ReceivedPart(part_number=1, size=5, etag="e")
    assert written(rows.received_part(part)) == documented(ReceivedPartSerializer(part))


# The renderer


@pytest.mark.parametrize(
    "data",
    [
        None,
        {},
        {"text": 'é \x7f \x00 \b\t\n\f\r\x1f "\\/ 🙂'},
        {"at": [WHOLE, FRACTION, timezone.now()], "id": uuid4()},
        {"numbers": [0, -1, 1 << 63, 1.5, True, None]},
        {"text": [lazystr("lazy"), ErrorDetail("error", "code"), Integrity.STORE]},
    ],
)
def test_json_is_written_as_rest_framework_writes_it(data: Any) -> None:
    expected = JSONRenderer().render(data)
    assert written(data) == expected
    assert OrjsonRenderer().render(data, "application/json", {}) == expected
    indented = "application/json; indent=4"
    assert OrjsonRenderer().render(data, indented, {}) == JSONRenderer().render(data, indented, {})


def test_what_json_cannot_write_is_an_error_or_null() -> None:
    for wrong in ("\ud800", object()):
        with pytest.raises((TypeError, ValueError)):
            written({"wrong": wrong})
    assert json.loads(written({"wrong": float("nan")})) == {"wrong": None}
