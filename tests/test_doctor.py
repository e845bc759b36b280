"""What `manage.py doctor` finds in the store of the settings, and in one that lacks something.

Where the store itself cannot be made to lack it, the service signs less than it should: what then
gets through is what a store without that defence would let through.
"""

from __future__ import annotations

import io
import json
import uuid
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from pytest_django import Settings

from files import store_checks, store_doctor
from files.presign import PresignedURL, Presigner
from files.store_doctor import CHECKS, Doctor, Finding
from files.store_probe import PREFIX, Probe, Reply, StoreAccess
from tests.support.clock_proxy import store_with_clock_off
from tests.support.store import EmbeddedStore
from tests.tcp_proxy import TcpProxy
from tests.test_object_store import address, s3, unversioned

__all__ = ["s3", "unversioned"]

pytestmark = pytest.mark.usefixtures("store")

NAMES = [check.name for check in CHECKS]
FORBIDDEN = (
    b"HTTP/1.1 403 Forbidden\r\nContent-Length: 27\r\n\r\n<Code>InvalidRequest</Code>"  # and closes
)


@dataclass
class Report:
    """What the command printed and its exit status."""

    status: int
    text: str

    @property
    def findings(self) -> dict[str, Finding]:
        return {check["name"]: Finding(**check) for check in json.loads(self.text)["checks"]}

    def names(self, status: str) -> set[str]:
        return {name for name, found in self.findings.items() if found.status == status}


def doctor(*arguments: str, only: str | None = None) -> Report:
    """Run the command; with `only`, with no more than these checks of it, to be quick."""
    out = io.StringIO()
    status = 0
    with pytest.MonkeyPatch.context() as patch:
        if only is not None:
            wanted = [check for check in CHECKS if check.name in only.split(", ")]
            patch.setattr(store_doctor, "CHECKS", wanted)
        try:
            call_command("doctor", *arguments, stdout=out)
        except SystemExit as end:
            status = int(str(end.code))
    return Report(status, out.getvalue())


def left_behind(s3: Any, bucket: str) -> list[str]:
    """Versions, delete markers and multipart uploads under the doctor's prefix."""
    listed = s3.list_object_versions(Bucket=bucket, Prefix=PREFIX)
    versions = listed.get("Versions", []) + listed.get("DeleteMarkers", [])
    begun = s3.list_multipart_uploads(Bucket=bucket).get("Uploads", [])
    return [found["Key"] for found in versions + begun if found["Key"].startswith(PREFIX)]


@pytest.fixture(autouse=True)
def nothing_left(s3: Any, settings: Settings) -> Iterator[None]:
    bucket = settings.MINIO_BUCKET
    before = left_behind(s3, bucket)
    yield
    assert left_behind(s3, bucket) == before


@pytest.fixture
def proxy() -> Iterator[TcpProxy]:
    with TcpProxy(address()) as proxy:
        yield proxy


@pytest.fixture
def bucket(s3: Any, settings: Settings) -> str:
    """A versioned bucket of the test's own, in place of that of the settings."""
    name = f"doctor-{uuid.uuid4()}"
    s3.create_bucket(Bucket=name)
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    settings.MINIO_BUCKET = name
    settings.MINIO_UPLOAD_ACCESS_KEY = settings.MINIO_UPLOAD_SECRET_KEY = None
    return name


def test_the_store_of_the_settings_has_what_the_service_relies_on(
    store: EmbeddedStore | None, settings: Settings
) -> None:
    report = doctor("--json")
    assert list(report.findings) == NAMES
    own_key = settings.MINIO_UPLOAD_ACCESS_KEY is not None
    if store is not None:
        assert (report.status, report.names("fail")) == (0, set())
        assert report.names("note") == {"attestation", "copy", "upload key"}
    elif own_key:
        assert (report.status, report.names("fail"), report.names("note")) == (0, set(), set())
    else:
        assert (report.status, report.names("fail")) == (1, {"copy"})


def test_the_json_says_each_finding_and_what_it_means() -> None:
    report = doctor("--json")
    whole = json.loads(report.text)
    assert whole.keys() == {"ok", "checks"}
    assert whole["ok"] is (report.status == 0)
    for check in whole["checks"]:
        assert check.keys() == {"name", "status", "detail", "meaning"}
        assert check["status"] in ("ok", "note", "fail")
        assert (check["meaning"] is None) is (check["status"] == "ok")


def test_the_table_has_a_line_for_each_finding_and_marks_it(settings: Settings) -> None:
    settings.MINIO_UPLOAD_ACCESS_KEY = settings.MINIO_ACCESS_KEY
    settings.MINIO_UPLOAD_SECRET_KEY = settings.MINIO_SECRET_KEY
    report = doctor()
    assert report.status == 1
    lines = report.text.splitlines()
    assert [line[2:14].strip() for line in lines if line[0] in "✔✘–"] == NAMES
    assert "✔ pinned " in report.text
    assert "✘ upload key " in report.text
    assert lines[-1].startswith("✔ CORS ")


@pytest.mark.parametrize(("encoding", "mark"), [("ascii", b"ok "), ("utf-8", "✔ ".encode())])
def test_a_console_gets_what_it_can_show(
    monkeypatch: pytest.MonkeyPatch, encoding: str, mark: bytes
) -> None:
    monkeypatch.setattr(store_doctor, "CHECKS", CHECKS[:1])
    raw = io.BytesIO()
    console = io.TextIOWrapper(raw, encoding=encoding)
    call_command("doctor", stdout=console)
    console.flush()
    assert raw.getvalue().startswith(mark)


@pytest.mark.parametrize("how", ["refuse", "hold"])
def test_a_store_that_is_down_is_said_at_once_and_nothing_else_is_asked(
    proxy: TcpProxy, settings: Settings, how: str
) -> None:
    settings.MINIO_ENDPOINT = settings.MINIO_PUBLIC_ENDPOINT = proxy.endpoint
    settings.STORE_TIMEOUT = 1
    getattr(proxy, how)()
    report = doctor("--json")
    assert (report.status, list(report.findings)) == (1, ["store"])
    assert f"{proxy.endpoint} does not answer" in report.findings["store"].detail
    assert proxy.requests <= 1


def test_a_public_endpoint_that_leads_nowhere_is_found(proxy: TcpProxy, settings: Settings) -> None:
    proxy.refuse()
    settings.MINIO_PUBLIC_ENDPOINT = proxy.endpoint
    report = doctor("--json")
    assert (report.status, report.names("fail")) == (1, {"upload"})
    assert list(report.findings)[-1] == "upload"


def test_a_public_endpoint_that_leads_to_another_store_is_found(
    proxy: TcpProxy, settings: Settings
) -> None:
    proxy.answer(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", only=b"PUT")
    settings.MINIO_PUBLIC_ENDPOINT = proxy.endpoint
    report = doctor("--json")
    assert (report.status, report.names("fail")) == (1, {"upload"})
    assert "different stores" in str(report.findings["upload"].meaning)


@pytest.mark.parametrize("minutes", [10, -10])
def test_a_clock_that_is_ten_minutes_off_is_found(settings: Settings, minutes: int) -> None:
    with store_with_clock_off(address(), timedelta(minutes=minutes)) as endpoint:
        settings.MINIO_ENDPOINT = endpoint
        report = doctor("--json", only="clock, upload")
    clock = report.findings["clock"]
    assert (report.status, clock.status) == (1, "fail")
    assert ("ahead of" if minutes > 0 else "behind") in clock.detail
    assert report.findings["upload"].status == "ok", "the rest is still asked"


def test_a_clock_that_is_a_minute_off_is_worth_a_note(settings: Settings) -> None:
    with store_with_clock_off(address(), timedelta(minutes=1)) as endpoint:
        settings.MINIO_ENDPOINT = endpoint
        assert "clock" in doctor("--json", only="clock").names("note")


def test_a_wrong_key_and_a_missing_bucket_are_found(settings: Settings) -> None:
    name, settings.MINIO_BUCKET = settings.MINIO_BUCKET, f"none-{uuid.uuid4()}"
    report = doctor("--json")
    assert (report.status, list(report.findings)[-1]) == (1, "bucket")
    assert "no bucket" in report.findings["bucket"].detail
    settings.MINIO_BUCKET, settings.MINIO_SECRET_KEY = name, "another-secret-key"
    report = doctor("--json")
    assert (report.status, list(report.findings)[-1]) == (1, "bucket")
    assert "403 SignatureDoesNotMatch" in report.findings["bucket"].detail


def test_a_bucket_that_keeps_no_versions_is_found(unversioned: str, settings: Settings) -> None:
    settings.MINIO_BUCKET = unversioned
    report = doctor("--json")
    assert (report.status, report.names("fail")) == (1, {"versioning"})


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
    assert store_checks._deletes_versions(xml.encode()) is deletes


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
    monkeypatch.setattr(store_checks, "_forged", lambda url: url)
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
    ) -> Reply:
        return put(self, signed, store_checks._DATA)

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


def test_what_was_made_is_removed_after_failures_and_no_secret_is_shown(
    proxy: TcpProxy, settings: Settings, s3: Any
) -> None:
    settings.MINIO_PUBLIC_ENDPOINT = proxy.endpoint
    proxy.answer(FORBIDDEN, only=b"GET")
    report = doctor("--json", only="download, overrides, pinned")
    assert {"download", "overrides", "pinned"} == report.names("fail")
    assert "403 InvalidRequest" in report.findings["download"].detail
    secrets = {settings.MINIO_SECRET_KEY, settings.MINIO_ACCESS_KEY, "Signature=", "X-Amz", PREFIX}
    assert [secret for secret in secrets if secret in report.text] == []


def test_what_was_made_is_removed_when_it_is_stopped_in_the_middle(
    s3: Any, settings: Settings
) -> None:
    access = StoreAccess(
        endpoint=settings.MINIO_ENDPOINT,
        public_endpoint=settings.MINIO_PUBLIC_ENDPOINT,
        region=settings.MINIO_REGION,
        bucket=settings.MINIO_BUCKET,
        access_key=settings.MINIO_ACCESS_KEY,
        secret_key=settings.MINIO_SECRET_KEY,
        upload_access_key=settings.MINIO_UPLOAD_ACCESS_KEY,
        upload_secret_key=settings.MINIO_UPLOAD_SECRET_KEY,
        timeout=settings.STORE_TIMEOUT,
    )
    with closing(Doctor(access, origin="https://example.org").run()) as findings:
        for finding in findings:
            if finding.name == "pinned":
                break
        assert left_behind(s3, settings.MINIO_BUCKET) != []
    assert left_behind(s3, settings.MINIO_BUCKET) == []


def test_a_multipart_upload_that_cannot_be_completed_is_aborted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Probe, "complete_multipart", lambda _self, _key: False)
    assert "multipart" in doctor("--json", only="multipart").names("fail")


def test_the_document_explains_every_check(settings: Settings) -> None:
    text = (settings.BASE_DIR / "docx" / "doctor.md").read_text(encoding="utf-8")
    explained = [line.split("|")[1].strip() for line in text.splitlines() if line[:2] == "| "]
    assert explained == ["check", "---", *NAMES]
