"""`manage.py bootstrap_store`: what it makes, that it changes nothing again, and how it fails."""

from __future__ import annotations

import io
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from botocore.exceptions import ClientError
from django.core.management import CommandError, call_command

from files.store.client import BucketState
from tests.support.object_store import address, make_s3, make_store
from tests.support.tcp_proxy import TcpProxy

pytestmark = pytest.mark.usefixtures("store")


def bootstrap() -> list[str]:
    """Run the command; return the lines it says."""
    said = io.StringIO()
    call_command("bootstrap_store", stdout=said)
    return said.getvalue().splitlines()


@pytest.fixture
def bucket(settings: Any) -> Iterator[str]:
    """The name of a bucket that is not there yet, in the settings too."""
    settings.MINIO_BUCKET = f"bootstrap-{uuid.uuid4()}"
    yield settings.MINIO_BUCKET
    client = make_s3()
    for found in client.list_object_versions(Bucket=settings.MINIO_BUCKET).get("Versions", []):
        client.delete_object(
            Bucket=settings.MINIO_BUCKET, Key=found["Key"], VersionId=found["VersionId"]
        )
    client.delete_bucket(Bucket=settings.MINIO_BUCKET)


@pytest.fixture
def upload_key(settings: Any) -> tuple[str, str]:
    """A key pair for uploads that the store does not know yet, in the settings too."""
    settings.MINIO_UPLOAD_ACCESS_KEY = f"up-{uuid.uuid4().hex[:12]}"
    settings.MINIO_UPLOAD_SECRET_KEY = uuid.uuid4().hex
    return settings.MINIO_UPLOAD_ACCESS_KEY, settings.MINIO_UPLOAD_SECRET_KEY


@pytest.fixture
def on_minio() -> bool:
    """Whether the store of the settings is MinIO, by MinIO's own liveness check."""
    host, port = address()
    answer = httpx.get(f"http://{host}:{port}/minio/health/live", trust_env=False)
    return bool(answer.headers.get("Server") == "MinIO")


def refused(call: Callable[..., Any], **arguments: Any) -> bool:
    """Say whether the store refuses `call` for want of a permission."""
    try:
        call(**arguments)
    except ClientError as error:
        return bool(error.response["ResponseMetadata"]["HTTPStatusCode"] == 403)
    return False


def test_the_bucket_is_made_and_keeps_versions(bucket: str) -> None:
    said = bootstrap()
    assert said[:2] == [f"bucket {bucket}: made", f"versioning of {bucket}: turned on"]
    assert make_store(bucket=bucket).bucket_state() == BucketState(exists=True, versioned=True)


def test_running_it_again_changes_nothing_and_says_so(bucket: str) -> None:
    bootstrap()
    said = bootstrap()
    assert said[:2] == [f"bucket {bucket}: there", f"versioning of {bucket}: on"]
    assert make_store(bucket=bucket).bucket_state() == BucketState(exists=True, versioned=True)


def test_versioning_is_turned_on_in_a_bucket_that_is_there(bucket: str) -> None:
    make_s3().create_bucket(Bucket=bucket)
    said = bootstrap()
    assert said[:2] == [f"bucket {bucket}: there", f"versioning of {bucket}: turned on"]


def test_a_store_without_cors_of_its_own_is_no_failure(bucket: str) -> None:
    assert [line for line in bootstrap() if line.startswith(f"CORS of {bucket}: ")]


def test_without_an_upload_key_it_says_which_key_signs(settings: Any, bucket: str) -> None:
    settings.MINIO_UPLOAD_ACCESS_KEY = settings.MINIO_UPLOAD_SECRET_KEY = None
    assert bootstrap()[-1].startswith("upload key: none is set")


def test_the_upload_key_may_put_under_uploads_and_do_nothing_else(
    bucket: str, upload_key: tuple[str, str], on_minio: bool
) -> None:
    said = bootstrap()[-1]
    if not on_minio:
        assert "no MinIO admin API" in said
        return
    assert said == (
        f"upload key {upload_key[0]}: policy {bucket}-uploads made, user made, policy attached"
    )
    theirs, place = make_s3(*upload_key), {"Bucket": bucket, "Key": "uploads/a"}
    theirs.put_object(**place, Body=b"data")
    upload = theirs.create_multipart_upload(**place)["UploadId"]
    theirs.upload_part(**place, UploadId=upload, PartNumber=1, Body=b"data")
    make_s3().abort_multipart_upload(**place, UploadId=upload)
    assert refused(theirs.get_object, **place)
    assert refused(theirs.head_object, **place)
    assert refused(theirs.delete_object, **place)
    assert refused(theirs.list_objects_v2, Bucket=bucket)
    assert refused(theirs.put_object, Bucket=bucket, Key="elsewhere/a", Body=b"data")
    assert refused(theirs.copy_object, **place, CopySource=place)


def test_the_upload_key_is_kept_and_its_secret_follows_the_settings(
    bucket: str, upload_key: tuple[str, str], on_minio: bool, settings: Any
) -> None:
    first = bootstrap()[-1]
    if not on_minio:
        assert bootstrap()[-1] == first
        return
    assert bootstrap()[-1] == f"upload key {upload_key[0]}: there"
    settings.MINIO_UPLOAD_SECRET_KEY = uuid.uuid4().hex
    assert bootstrap()[-1] == f"upload key {upload_key[0]}: secret set"
    theirs = make_s3(upload_key[0], settings.MINIO_UPLOAD_SECRET_KEY)
    theirs.put_object(Bucket=bucket, Key="uploads/a", Body=b"data")
    assert refused(make_s3(*upload_key).put_object, Bucket=bucket, Key="uploads/a", Body=b"data")


@pytest.mark.parametrize("fault", ["refuse", "hold"])
def test_a_store_that_does_not_answer_is_one_sentence(settings: Any, fault: str) -> None:
    settings.STORE_TIMEOUT = 1
    with TcpProxy(address()) as proxy:
        settings.MINIO_ENDPOINT = proxy.endpoint
        getattr(proxy, fault)()
        with pytest.raises(CommandError, match=r"^The store at http://\S+ does not answer"):
            bootstrap()


def test_a_wrong_key_is_one_sentence(settings: Any) -> None:
    settings.MINIO_SECRET_KEY = "wrong"
    with pytest.raises(CommandError, match="refused") as raised:
        bootstrap()
    assert "wrong" not in str(raised.value)
