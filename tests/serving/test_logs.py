"""Log lines: the request's id is in each, and nothing that opens a door."""

from __future__ import annotations

import io
import logging
import sys
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.conf import settings

from remotedrive.http import request_id
from remotedrive.http.logs import Formatter, without_secrets
from tests.support.client import Client
from tests.support.tcp_proxy import TcpProxy

TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.s-_ig"
SHARE = "T0ken~with.all-of_them"


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """Everything that is logged from here on, as the service's own handler would write it."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(Formatter("%(levelname)s %(name)s [%(request_id)s] %(message)s"))
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        yield stream
    finally:
        root.removeHandler(handler)
        root.setLevel(level)


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        (f"GET /s/{SHARE} 200", SHARE),
        (f"GET /s/{SHARE}/download?redirect=true 302", SHARE),
        (f"https://drive.example/s/{SHARE}/commit", SHARE),
        (f"Not Found: /s/{SHARE}", SHARE),
        ("GET /s/%54oken%2Fx/download", "oken"),
        (f"GET /s//{SHARE} 404", SHARE),
        (f"GET //s/{SHARE} 404", SHARE),
        (f"GET /s/./{SHARE} 404", SHARE),
        (f"GET /./s/{SHARE} 404", SHARE),
        (f"GET /s/%2f{SHARE} 404", SHARE),
        (f"GET /s/x/{SHARE} 404", SHARE),
        (f"GET /S/{SHARE}/download 404", SHARE),
        (f"Authorization: Bearer {TOKEN}", TOKEN),
        (f"authorization: bearer   {TOKEN}", TOKEN),
        (f"{{'Authorization': 'Bearer {TOKEN}'}}", TOKEN),
        ("http://s3/b/k?X-Amz-Signature=abcdef0123&X-Amz-Date=x", "abcdef0123"),
        ("http://s3/b/k?x-amz-date=x&x-amz-signature=abcdef0123", "abcdef0123"),
        ("http://s3/b/k?X-Amz-Credential=AKIAKEY%2F20260131%2Fus", "AKIAKEY"),
        ("'http://s3/b/k?X-Amz-Security-Token=abcdef0123'", "abcdef0123"),
    ],
)
def test_secrets_are_starred_out(text: str, secret: str) -> None:
    shown = without_secrets(text)
    assert secret not in shown
    assert "***" in shown


@pytest.mark.parametrize(
    "text",
    [
        "GET /files/01890a5d-ac96-774b-bcce-b302099a8057 200 1.5 ms",
        "GET /shares/01890a5d-ac96-774b-bcce-b302099a8057 200 1.5 ms",
        "uploads/2026/01/31/01KABC-abcdefgh-s.txt",
        "",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert without_secrets(text) == text


def test_arguments_and_tracebacks_are_starred_out_too(lines: io.StringIO) -> None:
    logger = logging.getLogger("tests")
    logger.warning("%s asked for %r", f"Bearer {TOKEN}", f"/s/{SHARE}")
    try:
        raise ValueError(f"http://s3/b/k?X-Amz-Signature={'ab' * 32}")
    except ValueError:
        logger.exception("failed", exc_info=sys.exc_info())
    written = lines.getvalue()
    assert "Traceback" in written
    for secret in (TOKEN, SHARE, "ab" * 32):
        assert secret not in written


def test_a_line_carries_the_id_of_its_request_or_a_dash(lines: io.StringIO) -> None:
    logger = logging.getLogger("tests")
    token = request_id._current.set(None)
    try:
        logger.warning("outside")
        request_id.begin("an-id-of-the-client")
        logger.warning("inside")
    finally:
        request_id._current.reset(token)
    outside, inside = lines.getvalue().splitlines()
    assert outside == "WARNING tests [-] outside"
    assert inside == "WARNING tests [an-id-of-the-client] inside"


@pytest.mark.parametrize(
    "offered", ["", "short", "x" * 65, "with blanks in it", "a\nb" * 4, "é" * 9]
)
def test_an_id_that_could_forge_a_line_is_not_taken_over(offered: str) -> None:
    token = request_id._current.set(None)
    try:
        assert request_id.begin(offered) != offered
    finally:
        request_id._current.reset(token)


def test_the_service_writes_its_lines_with_this_formatter() -> None:
    logging_settings: Any = settings.LOGGING
    handler = logging_settings["handlers"]["stderr"]
    formatter = logging_settings["formatters"][handler["formatter"]]
    assert formatter["()"] == "remotedrive.http.logs.Formatter"
    assert "%(request_id)s" in formatter["fmt"]
    assert logging_settings["root"]["handlers"] == ["stderr"]


def test_a_whole_upload_a_share_and_a_fault_leave_no_secret_in_the_log(
    owner: Client, anonymous: Client, store_proxy: TcpProxy, lines: io.StringIO
) -> None:
    assert owner.token is not None
    begun = owner.put(b"data")
    committed = owner.commit(begun["key"], b"data")
    file = committed["fileId"]
    url = owner.get(f"/files/{file}/download")["presigned_get_url"]
    share = owner.post(
        "/shares", {"file_id": file, "permission": "write", "password": "share-password"}
    )
    token = share["token"]
    right = {"X-Share-Password": "share-password"}
    assert anonymous.get(f"/s/{token}/download", headers=right).status == 200
    wrong = {"X-Share-Password": "wrong-password"}
    assert anonymous.get(f"/s/{token}/download", headers=wrong).status == 401
    owner.get("/files", headers={"Authorization": f"Bearer {owner.token}x"})
    other = owner.put(b"other")
    store_proxy.refuse()
    assert owner.commit(other["key"], b"other").status == 503
    for path in (f"/s/{token}/nothing", f"/s/{token}x", f"/nothing?token={token[::-1]}"):
        anonymous.get(path)
    written = lines.getvalue()
    assert "store:" in written
    secrets = [owner.token, owner.token.split(".")[2], token, "share-password", "wrong-password"]
    secrets += [settings.JWT_SECRET, settings.SECRET_KEY, settings.MINIO_SECRET_KEY]
    for presigned in (url, begun["presigned_put_url"]):
        secrets += parse_qs(urlsplit(presigned).query)["X-Amz-Signature"]
    assert not [secret for secret in secrets if secret in written]
