"""Files, their backup, and the loss of their bucket: a pytest plugin for the tests of backups."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django.fixtures import Settings

from files.store import signing
from tests.support.backups import back_up
from tests.support.client import Client
from tests.support.object_store import make_s3
from tests.support.store import make_bucket


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


def _forget_signers() -> None:
    """Let URLs be signed for the bucket that the settings name now."""
    signing._uploads.cache_clear()
    signing._downloads.cache_clear()
