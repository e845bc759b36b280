"""`manage.py doctor`: what it says, whom it reaches, and that it leaves nothing behind."""

from __future__ import annotations

import io
import json
import uuid
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from pytest_django import Settings

from files.store.config import StoreConfig
from files.store.ops import doctor as store_doctor
from files.store.ops.doctor import CHECKS, Doctor
from files.store.ops.probe import PREFIX, Probe
from tests.support.clock_proxy import store_with_clock_off
from tests.support.doctor import doctor, left_behind, nothing_left
from tests.support.object_store import address
from tests.support.store import EmbeddedStore
from tests.support.tcp_proxy import TcpProxy

__all__ = ["nothing_left"]

pytest_plugins = ["tests.support.store_fixtures"]
pytestmark = pytest.mark.usefixtures("store")

NAMES = [check.name for check in CHECKS]
FORBIDDEN = (
    b"HTTP/1.1 403 Forbidden\r\nContent-Length: 27\r\n\r\n<Code>InvalidRequest</Code>"  # and closes
)


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
    assert left_behind(s3, settings.MINIO_BUCKET) == []


def test_what_was_made_is_removed_when_it_is_stopped_in_the_middle(
    s3: Any, settings: Settings
) -> None:
    config = StoreConfig.from_settings()
    with closing(Doctor(config, origins=["https://example.org"]).run()) as findings:
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


def test_the_document_has_the_checks_as_they_are() -> None:
    rows = "".join(
        f"| {check.name}{'*' if check.essential else ''} | {check.question} | {check.meaning} |\n"
        for check in CHECKS
    )
    table = f"| check | what must be so | otherwise |\n| --- | --- | --- |\n{rows}"
    page = (Path(__file__).resolve().parents[2] / "docx" / "doctor.md").read_text(encoding="utf-8")
    assert table in page, f"docx/doctor.md must have this table:\n\n{table}"
