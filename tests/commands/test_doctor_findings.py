"""What `manage.py doctor` finds in a store that lacks something.

Where the store itself cannot be made to lack it, the service signs less than it should: what then
gets through is what a store without that defence would let through.
"""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest
from pytest_django import Settings

from files.store.ops import doctor_checks, examination, lifecycle
from files.store.ops.probe import Probe, StoreResponse
from files.store.presign import PresignedURL, Presigner
from tests.support.doctor import doctor, nothing_left
from tests.support.store import EmbeddedStore
from tests.support.tcp_proxy import TcpProxy

__all__ = ["nothing_left"]

pytest_plugins = ["tests.support.store_fixtures"]
pytestmark = pytest.mark.usefixtures("store")


@pytest.fixture
def bucket(s3: Any, settings: Settings) -> str:
    """A versioned bucket of the test's own, in place of that of the settings."""
    name = f"doctor-{uuid.uuid4()}"
    s3.create_bucket(Bucket=name)
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    settings.MINIO_BUCKET = name
    settings.MINIO_UPLOAD_ACCESS_KEY = settings.MINIO_UPLOAD_SECRET_KEY = None
    return name


@pytest.mark.parametrize(
    ("status", "prefix", "found"),
    [
        ("Enabled", "", "fail"),
        ("Enabled", "uploads/2026/", "fail"),
        ("Enabled", "up", "fail"),
        ("Enabled", "elsewhere/", "ok"),
        ("Disabled", "", "ok"),
    ],
)
def test_a_rule_that_deletes_noncurrent_versions_is_found(
    store: EmbeddedStore | None, s3: Any, bucket: str, status: str, prefix: str, found: str
) -> None:
    if store is not None:
        pytest.skip("the embedded store has no lifecycle rules")
    rule = {
        "ID": "rule",
        "Status": status,
        "Filter": {"Prefix": prefix},
        "NoncurrentVersionExpiration": {"NoncurrentDays": 30},
    }
    s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": [rule]})
    report = doctor("--json", only="lifecycle")
    assert report.findings["lifecycle"].status == found
    assert report.status == (1 if found == "fail" else 0)


@pytest.mark.parametrize(
    ("rule", "deletes"),
    [
        ("<NoncurrentVersionExpiration><NewerNoncurrentVersions>1", True),
        ("<Filter><Tag><Key>a</Key></Tag></Filter><NoncurrentVersionExpiration>", True),
        ("<Prefix>uploads/</Prefix><NoncurrentVersionExpiration>", True),
        ("<Filter><And><Prefix>a/</Prefix></And></Filter><NoncurrentVersionExpiration>", False),
        ("<Expiration><Days>1</Days><ExpiredObjectAllVersions>true", True),
        ("<DelMarkerExpiration><Days>1", True),
        ("<Expiration><Days>1", False),
        ("<NoncurrentVersionTransition><NoncurrentDays>1", False),
    ],
)
@pytest.mark.parametrize("namespace", ["", ' xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'])
def test_a_rule_is_read_whatever_else_it_says(rule: str, deletes: bool, namespace: str) -> None:
    names = [part.partition(">")[0] for part in rule.split("<") if part]
    left_open = [name for name in names if f"/{name}" not in names and name[0] != "/"]
    xml = (
        f"<LifecycleConfiguration{namespace}><Rule><Status>Enabled</Status>{rule}"
        + "".join(f"</{name}>" for name in reversed(left_open))
        + "</Rule></LifecycleConfiguration>"
    )
    assert lifecycle.deletes_versions(xml.encode()) is deletes


def test_a_bucket_that_anyone_may_read_is_found(
    store: EmbeddedStore | None, s3: Any, bucket: str
) -> None:
    if store is not None:
        pytest.skip("the embedded store has no bucket policies")
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": "*",
                "Action": "s3:GetObject",
                "Resource": f"arn:aws:s3:::{bucket}/*",
            }
        ],
    }
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy))
    assert "signature" in doctor("--json", only="signature").names("fail")


def test_a_store_that_takes_any_signature_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor_checks, "_forged", lambda url: url)
    assert "signature" in doctor("--json", only="signature").names("fail")


def test_a_store_that_looks_at_no_header_of_a_put_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def put(self: Presigner, key: str, *, expires_in: int, **_options: Any) -> PresignedURL:
        return self.presign("PUT", key, expires_in=expires_in)

    def part(
        self: Presigner, key: str, *, upload_id: str, expires_in: int, **_options: Any
    ) -> PresignedURL:
        query = {"partNumber": "1", "uploadId": upload_id}
        return self.presign("PUT", key, expires_in=expires_in, query=query)

    monkeypatch.setattr(Presigner, "put", put)
    monkeypatch.setattr(Presigner, "part", part)
    report = doctor("--json", only="length, checksum, once, multipart")
    assert report.status == 1
    assert {"length", "checksum", "multipart"} == report.names("fail")
    assert "once" in report.names("note")


def test_a_store_that_keeps_other_bytes_whatever_the_checksum_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    put = Probe.put

    def put_what_is_let_through(
        self: Probe, signed: PresignedURL, _body: bytes, **_headers: str
    ) -> StoreResponse:
        return put(self, signed, examination.DATA)

    monkeypatch.setattr(Probe, "put", put_what_is_let_through)
    assert {"checksum", "algorithm"} == doctor("--json", only="checksum, algorithm").names("fail")


def test_a_store_that_gives_the_newest_version_as_it_was_sent_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def get(self: Presigner, key: str, *, expires_in: int, **_options: Any) -> PresignedURL:
        return self.presign("GET", key, expires_in=expires_in)

    monkeypatch.setattr(Presigner, "get", get)
    report = doctor("--json", only="download, overrides, pinned")
    assert {"overrides", "pinned"} == report.names("fail")
    assert report.findings["download"].status == "ok"


def test_an_upload_key_that_can_read_is_found(settings: Settings) -> None:
    settings.MINIO_UPLOAD_ACCESS_KEY = settings.MINIO_ACCESS_KEY
    settings.MINIO_UPLOAD_SECRET_KEY = settings.MINIO_SECRET_KEY
    report = doctor("--json", only="upload key")
    assert (report.status, "upload key" in report.names("fail")) == (1, True)


def test_a_store_that_copies_for_the_signing_key_is_found(
    store: EmbeddedStore | None, settings: Settings
) -> None:
    settings.MINIO_UPLOAD_ACCESS_KEY = settings.MINIO_UPLOAD_SECRET_KEY = None
    report = doctor("--json", only="copy, upload key")
    # The embedded store refuses, MinIO does not.
    assert report.findings["copy"].status == ("fail" if store is None else "note")
    assert report.findings["upload key"].status == "note"
    assert report.status == (1 if store is None else 0)


@pytest.mark.parametrize(
    ("preflight", "status"),
    [
        ("204 No Content|Origin: *|Methods: GET, PUT|Headers: *", "ok"),
        ("200 OK|Origin: https://example.org|Methods: *|Headers: HEADERS, range", "ok"),
        ("403 Forbidden|Origin: *|Methods: PUT|Headers: *", "note"),
        ("204 No Content|Origin: https://elsewhere.org|Methods: PUT|Headers: *", "note"),
        ("204 No Content|Origin: *|Methods: GET|Headers: *", "note"),
        ("204 No Content|Origin: *|Methods: PUT|Headers: if-none-match", "note"),
        ("204 No Content|Methods: PUT|Headers: *", "note"),
    ],
)
def test_a_store_that_does_not_let_pages_upload_is_worth_a_note(
    proxy: TcpProxy, settings: Settings, preflight: str, status: str
) -> None:
    names = "If-None-Match, x-amz-checksum-algorithm, x-amz-checksum-sha256"
    answer = preflight.replace("HEADERS", names).replace("|", "\r\nAccess-Control-Allow-")
    settings.MINIO_PUBLIC_ENDPOINT = proxy.endpoint
    settings.PUBLIC_URL = None
    proxy.answer(f"HTTP/1.1 {answer}\r\n\r\n".encode(), only=b"OPTIONS")
    report = doctor("--json", only="CORS")
    assert (report.status, report.findings["CORS"].status) == (0, status)


def test_the_store_must_let_pages_of_every_allowed_origin_upload(
    proxy: TcpProxy, settings: Settings
) -> None:
    settings.MINIO_PUBLIC_ENDPOINT = proxy.endpoint
    settings.PUBLIC_URL = "https://drive.example"
    settings.CORS_ALLOWED_ORIGINS = ["https://uploads.example"]
    allowed = "Origin: https://drive.example\r\nAccess-Control-Allow-Methods: PUT"
    headers = f"Access-Control-Allow-{allowed}\r\nAccess-Control-Allow-Headers: *"
    proxy.answer(f"HTTP/1.1 200 OK\r\n{headers}\r\n\r\n".encode(), only=b"OPTIONS")
    found = doctor("--json", only="CORS").findings["CORS"]
    assert found.status == "note"
    assert found.detail.startswith("pages of https://uploads.example may not PUT")
