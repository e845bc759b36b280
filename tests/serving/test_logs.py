"""Log lines: the request's id is in each, and nothing that opens a door."""

from __future__ import annotations

import io
import logging
import re
import socket
import sys
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.conf import settings

from remotedrive.http import request_id
from remotedrive.http.logs import Formatter, without_secrets
from tests.support.client import Client
from tests.support.process import wait_for
from tests.support.server import Server, running
from tests.support.tcp_proxy import TcpProxy

TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.s-_ig"
SHARE = "T0ken~with.all-of_them"
LIVING = "Zk3_vN-8qLxW2yTtB5mCr7JdHf0aGsPe"
"""A share's token as they are made: 32 characters of base64url."""
ID = "01890a5d-ac96-774b-bcce-b302099a8057"


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
        f"GET /files/{ID} 200 1.5 ms",
        f"GET /shares/{ID} 200 1.5 ms",
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


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("service"), THREADS="2") as server:
        yield server


def written_for(service: Server, path: str, host: str = "127.0.0.1") -> str:
    """Send a GET of exactly this path; return what the service writes meanwhile."""
    before = len(service.log())
    with socket.create_connection(("127.0.0.1", service.port), timeout=20) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        assert connection.recv(65536).startswith(b"HTTP/1.1 ")
        wait_for(lambda: " ms\n" in service.log()[before:])
    return service.log()[before:]


@pytest.mark.once
@pytest.mark.parametrize(
    "before",
    [
        *("/s/", "/s//", "/s/./", "/s/../", "/s/x/", "/S/", "//s/", "/./s/", "/%73/", "/x/s/"),
        *("/s%2f", "/s/%2f", "/s/%252f", "/s%252f", "/s%5C", "/s\\", "/s%00/", "/s/%00"),
        *("/s%20/", "/%20s/", "/s./", "/s;a/", "/s,/", "/s%0a/", "/s%C3%9F/", "/share/", "/"),
        "/" + "a/" * 240,
    ],
)
def test_no_spelling_of_a_link_puts_its_token_into_the_access_log(
    service: Server, before: str
) -> None:
    for after in ("", "/", "/download", ".", "%20x"):
        written = written_for(service, f"{before}{LIVING}{after}")
        assert "remotedrive.access" in written
        assert LIVING[:16] not in written


@pytest.mark.once
@pytest.mark.parametrize(
    ("path", "shown"),
    [
        (f"/files/{ID}/versions/3", f"/files/{ID}/versions/3"),
        (f"/s/{LIVING}", "/s/***"),
        (f"/s/{LIVING}/download", "/s/***/download"),
        ("/admin/files/auditevent/", "/admin/files/auditevent/"),
    ],
)
def test_the_access_log_says_what_was_asked_for(service: Server, path: str, shown: str) -> None:
    assert f" GET {shown} " in written_for(service, path)


@pytest.mark.once
def test_wrong_hosts_leave_one_line_each_in_the_form_of_all_others(service: Server) -> None:
    written = "".join(written_for(service, "/files", f"wrong-{n}.example") for n in range(50))
    line = r"\d{4}-\d\d-\d\d [\d:,]{12} INFO remotedrive\.access \[\w+\] GET /files 400 [\d.]+ ms\n"
    assert re.fullmatch(rf"(?:{line}){{50}}", written)
