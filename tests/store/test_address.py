"""Stores by host, below a path, and with temporary keys: tried on real ones."""

from __future__ import annotations

import json
import os
import re
import secrets
import tempfile
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from django.conf import settings as in_use
from minio.credentials.credentials import Credentials
from minio.credentials.providers import AssumeRoleProvider
from pytest_django.fixtures import Settings

from files.exceptions import StoreUnavailableError
from files.store import credentials, sdk, signing
from files.store.client import ObjectStore
from files.store.config import StoreConfig
from scripts.lib.processes import answers, free_port
from scripts.lib.servers import minio_command, minio_path, minio_settings
from tests.support.client import fetch, sha256
from tests.support.client import put as put_to
from tests.support.doctor import doctor
from tests.support.issuer import KeyServer, key_server
from tests.support.names import localhost_names
from tests.support.object_store import make_store
from tests.support.process import Process
from tests.support.store import make_bucket

__all__ = ["key_server", "localhost_names"]

DATA = b"Where is it kept?"


@pytest.mark.usefixtures("store")
def test_a_store_below_a_path_takes_what_is_signed_with_the_path() -> None:
    # To the store, the path below which this "store" is, is a bucket, and the bucket a folder.
    below = f"{in_use.MINIO_ENDPOINT}/{in_use.MINIO_BUCKET}"
    store = make_store(bucket="inner", endpoint=below)
    config = replace(StoreConfig.from_settings(), bucket="inner", public_endpoint=below)
    key = f"uploads/{uuid.uuid4()}"
    presigner = signing.download_presigner(config)()
    signed = presigner.put(key, size=len(DATA), checksum=None, expires_in=60)
    assert signed.url.startswith(f"{below}/inner/{key}?")
    assert put_to(signed.url, DATA).status_code == 200
    found = store.head(key)
    assert found is not None
    # By the SDK.
    assert store.sha256(key, version_id=found.version_id) == sha256(DATA)
    upload_id = store.create_multipart(key)
    part = presigner.part(key, upload_id=upload_id, part_number=1, size=len(DATA), expires_in=60)
    assert put_to(part.url, DATA).status_code == 200
    store.abort_multipart(key, upload_id=upload_id)
    outside = make_store().head(f"inner/{key}")
    assert outside is not None
    assert outside.version_id == found.version_id


@pytest.mark.once
@pytest.mark.parametrize("virtual", [False, True])
@pytest.mark.parametrize(
    "endpoint", ["https://gw.example/s3", "https://s3.amazonaws.com", "http://store.example:9000"]
)
def test_the_sdk_calls_the_urls_that_botocore_calls(endpoint: str, virtual: bool) -> None:
    config = replace(
        StoreConfig.from_settings(), endpoint=endpoint, virtual=virtual, bucket="drive"
    )
    theirs = boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name=config.region,
        aws_access_key_id="a",
        aws_secret_access_key="b",
        config=Config(s3={"addressing_style": "virtual" if virtual else "path"}),
    )
    called: list[str] = []

    def keep(request: AWSRequest, **_options: Any) -> None:
        called.append(str(request.url))

    theirs.meta.events.register("request-created.s3", keep)
    theirs.meta.events.register("before-send.s3", lambda **_options: _NoAnswer())
    theirs.get_bucket_versioning(Bucket="drive")
    theirs.get_object_tagging(Bucket="drive", Key="a/b c")
    url = sdk.client(config, connections=1)._base_url.build
    bucket = url(
        method="GET", region="x", bucket_name="drive", query_params={"versioning": ""}
    ).geturl()
    object_ = url(
        method="GET",
        region="x",
        bucket_name="drive",
        object_name="a/b c",
        query_params={"tagging": ""},
    ).geturl()
    assert [bucket, object_] == [f"{url}=" if "=" not in url else url for url in called]


class _NoAnswer:
    """An empty answer, so that botocore connects to nobody."""

    status_code = 200
    headers: dict[str, str] = {}
    content = b"<a/>"
    text = "<a/>"


# A MinIO of the test's own


@pytest.fixture(scope="module")
def minio() -> Iterator[dict[str, str]]:
    """The settings of a MinIO that takes buckets before the host `localhost`."""
    if not minio_path().exists():
        pytest.skip("MinIO is not built; scripts/test --full builds it")
    port, access_key, secret_key = free_port(), secrets.token_hex(8), secrets.token_hex(20)
    with tempfile.TemporaryDirectory(prefix="remotedrive-", ignore_cleanup_errors=True) as folder:
        environment = (
            os.environ | minio_settings(access_key, secret_key) | {"MINIO_DOMAIN": "localhost"}
        )
        process = Process(minio_command(minio_path(), Path(folder), port), environment=environment)
        try:
            process.wait_until(lambda: answers(port, "/minio/health/ready"))
            yield {
                "MINIO_ENDPOINT": f"http://localhost:{port}",
                "MINIO_PUBLIC_ENDPOINT": f"http://localhost:{port}",
                "MINIO_ACCESS_KEY": access_key,
                "MINIO_SECRET_KEY": secret_key,
                "MINIO_UPLOAD_ACCESS_KEY": secrets.token_hex(7),
                "MINIO_UPLOAD_SECRET_KEY": secrets.token_hex(20),
                "MINIO_BUCKET": "remotedrive",
            }
        finally:
            process.end()


@pytest.fixture
def at_minio(minio: dict[str, str], settings: Settings, localhost_names: None) -> Iterator[None]:
    for name, value in minio.items():
        setattr(settings, name, value)
    signing._uploads.cache_clear()
    signing._downloads.cache_clear()
    make_bucket()
    yield
    signing._uploads.cache_clear()
    signing._downloads.cache_clear()


def without_token(url: str) -> str:
    return re.sub("&X-Amz-Security-Token=[^&]+", "", url)


def temporary_keys(settings: Settings) -> Credentials:
    """Return keys with a token, for an hour, of the store's STS."""
    return AssumeRoleProvider(
        sts_endpoint=settings.MINIO_ENDPOINT,
        access_key=settings.MINIO_ACCESS_KEY,
        secret_key=settings.MINIO_SECRET_KEY,
        duration_seconds=3600,
    ).retrieve()


@pytest.fixture
def role(
    at_minio: None,
    key_server: KeyServer,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> Iterator[None]:
    """A role whose keys have a token and an end, and no keys in the settings."""
    found, name = temporary_keys(settings), f"{uuid.uuid4()}.json"
    document = {
        "AccessKeyId": found.access_key,
        "SecretAccessKey": found.secret_key,
        "Token": found.session_token,
        "Expiration": f"{found.expiration:%Y-%m-%dT%H:%M:%SZ}",
    }
    key_server.write(name, json.dumps(document))
    settings.MINIO_ACCESS_KEY = settings.MINIO_SECRET_KEY = None
    settings.MINIO_UPLOAD_ACCESS_KEY = settings.MINIO_UPLOAD_SECRET_KEY = None
    settings.MINIO_CREDENTIALS = "chain"
    monkeypatch.setenv("HOME", str(tmp_path))
    for variable in ("ACCESS_KEY_ID", "ACCESS_KEY", "WEB_IDENTITY_TOKEN_FILE"):
        monkeypatch.delenv(f"AWS_{variable}", raising=False)
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", key_server.url(name))
    credentials._role_credentials.cache_clear()
    signing._uploads.cache_clear()
    signing._downloads.cache_clear()
    yield
    credentials._role_credentials.cache_clear()


def own_store() -> ObjectStore:
    return ObjectStore(StoreConfig.from_settings(), concurrency=4)


class TestOnOwnMinIO:
    pytestmark = [pytest.mark.slow, pytest.mark.once, pytest.mark.usefixtures("at_minio")]

    def test_with_the_bucket_before_the_host_everything_that_doctor_asks_is_so(
        self, settings: Settings
    ) -> None:
        settings.MINIO_ADDRESSING = "virtual"
        signing._uploads.cache_clear()
        make_bucket()
        report = doctor("--json")
        assert (report.status, report.names("fail"), report.names("note")) == (0, set(), set())
        assert "http://remotedrive.localhost:" in report.findings["bucket"].detail
        assert "http://remotedrive.localhost:" in report.findings["upload"].detail
        signed = signing.uploads().put("uploads/a", size=1, checksum=None, expires_in=60)
        assert signed.url.startswith("http://remotedrive.localhost:")

    def test_a_bucket_is_made_before_the_host(self, settings: Settings) -> None:
        settings.MINIO_ADDRESSING, settings.MINIO_BUCKET = "virtual", "another-one"
        make_bucket()
        assert own_store().bucket_state().versioned

    def test_temporary_keys_open_the_store_with_their_token_and_not_without(
        self, settings: Settings
    ) -> None:
        found = temporary_keys(settings)
        settings.MINIO_ACCESS_KEY, settings.MINIO_SECRET_KEY = found.access_key, found.secret_key
        settings.MINIO_UPLOAD_ACCESS_KEY = settings.MINIO_UPLOAD_SECRET_KEY = None
        with pytest.raises(StoreUnavailableError):
            own_store().bucket_state()
        settings.MINIO_SESSION_TOKEN = found.session_token
        signing._uploads.cache_clear()
        signing._downloads.cache_clear()
        store, key = own_store(), f"uploads/{uuid.uuid4()}"
        assert store.bucket_state().exists
        url = signing.uploads().put(key, size=len(DATA), checksum=None, expires_in=60).url
        assert put_to(without_token(url), DATA).status_code == 403
        assert put_to(url, DATA).status_code == 200
        kept = store.head(key)
        assert kept is not None
        assert store.sha256(key, version_id=kept.version_id) == sha256(DATA)
        report = doctor("--json")
        # MinIO carries out copies for a key that may read.
        assert report.names("fail") == {"copy"}
        assert report.names("note") == {"credentials", "upload key"}

    def test_the_token_of_a_role_comes_with_what_is_signed_and_with_what_is_asked(
        self, role: None
    ) -> None:
        store, key = own_store(), f"uploads/{uuid.uuid4()}"
        put = signing.uploads().put(key, size=len(DATA), checksum=None, expires_in=900).url
        assert put_to(without_token(put), DATA).status_code == 403
        assert put_to(put, DATA).status_code == 200
        kept = store.head(key)
        assert kept is not None
        assert store.sha256(key, version_id=kept.version_id) == sha256(DATA)
        get = signing.downloads().get(
            key,
            version_id=kept.version_id,
            content_type="text/plain",
            disposition="attachment",
            expires_in=900,
        )
        assert fetch(without_token(get.url)).status_code == 403
        assert fetch(get.url).content == DATA
