"""Log lines: the request's id is in each, and nothing that opens a door."""

from __future__ import annotations

import io
import json
import logging
import re
import socket
import sys
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.conf import settings
from django.http import HttpResponse
from django.test import RequestFactory
from django.urls import resolve
from django.utils.log import log_response

from remotedrive.http import log_setup, request_id
from remotedrive.http.log_setup import LineHandler
from remotedrive.http.logs import (
    MESSAGE_MAX,
    TRACEBACK_MAX,
    JsonFormatter,
    RouteForPath,
    TextFormatter,
    without_secrets,
)
from tests.support import log_secrets
from tests.support.client import Client
from tests.support.process import wait_for
from tests.support.server import Server, running
from tests.support.tcp_proxy import TcpProxy

TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.s-_ig"
SHARE = "T0ken~with.all-of_them"
LIVING = "Zk3_vN-8qLxW2yTtB5mCr7JdHf0aGsPe"
"""A share's token as they are made: 32 characters of base64url."""
_UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
ID = "01890a5d-ac96-774b-bcce-b302099a8057"


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """Everything that is logged from here on, as the service's own handler would write it."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(TextFormatter())
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
        ("GET /files?cursor=abcdef0123&page_size=1", "abcdef0123"),
        (f"the token '{TOKEN}' was refused", TOKEN),
        ("cannot reach redis://:pa55word@cache:6379/0", "pa55word"),
        ("postgresql://drive:pa55:word@db/drive", "pa55:word"),
        ("Authorization: Basic b3duZXI6cGE1NQ==", "b3duZXI6cGE1NQ"),
        ("{'Authorization': 'Basic b3duZXI6cGE1NQ=='}", "b3duZXI6cGE1NQ"),
        ("(b'authorization', b'Basic b3duZXI6cGE1NQ==')", "b3duZXI6cGE1NQ"),
        ("AWS4-HMAC-SHA256 SignedHeaders=host, Signature=abcdef0123", "abcdef0123"),
        ("Cookie: a=b; sessionid=abcdef0123; csrftoken=x", "abcdef0123"),
        ("set-cookie: sessionid=abcdef0123; Path=/", "abcdef0123"),
        ("grant=x&client_secret=abcdef0123&a=b", "abcdef0123"),
        ("grant=x&code=0123456789abcdef&a=b", "0123456789abcdef"),
        ("X-Share-Password: abcdef0123", "abcdef0123"),
        ("{'password': 'abcdef0123'}", "abcdef0123"),
        ("username=a&password=abcdef0123", "abcdef0123"),
        ("refused\nDETAIL:  Failing row contains (1, \nabcdef0123).", "abcdef0123"),
        (f"the token a_{TOKEN}", TOKEN),
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
        "it ended with code=404",
        "",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert without_secrets(text) == text


@pytest.mark.once
@pytest.mark.parametrize(
    "hostile",
    [
        *("eyJ-", "eyJ", "eyJeyJa.", "a", "-", "?a", "?a=", "://", "://:", "://a:b", "/s/", "/s"),
        *("%2f", "/s/a/", "code=", "code=a", "Bearer ", "Bearer", "Cookie:", "Cookie", "password"),
        *("Authorization", "Authorization:a ", "Authorization:", "DETAIL:", "DETAIL:\n", "=", " "),
        *("Signature=", "X-Amz-Signature", "id_token"),
    ],
)
def test_no_text_takes_the_patterns_more_than_time_in_proportion(hostile: str) -> None:
    """With the square of it, this would be hours: what is asked is that it ends."""
    begins = "eyJaaaaaaa ?a= a= code= authorization cookie password bearer :// detail: /s/ "
    without_secrets(begins + hostile * (300_000 // len(hostile)))


def test_what_a_client_makes_long_is_cut_before_it_is_looked_through() -> None:
    long = "x" * 1_000_000
    try:
        raise ValueError(f"Bearer {long}") from OSError(f"{long}\n" * 3 + "y\n" * 100_000)
    except ValueError:
        record = logging.LogRecord(
            "tests", logging.ERROR, __file__, 1, f"://a:{long}@ {long}", (), sys.exc_info()
        )
    said = json.loads(JsonFormatter().format(record))
    for text in (said["message"], *said["causes"]):
        assert len(text) <= MESSAGE_MAX + 2
    assert len(said["traceback"]) <= TRACEBACK_MAX
    assert said["traceback"].startswith("…\n")
    assert said["traceback"].endswith("ValueError: Bearer ***")
    assert len(TextFormatter().format(record)) < 5 * TRACEBACK_MAX


@pytest.fixture
def handler() -> LineHandler:
    """The service's own handler, which writes to memory."""
    handler = LineHandler()
    handler.setFormatter(TextFormatter())
    handler.stream = io.StringIO()
    return handler


def test_of_a_record_that_cannot_be_formatted_only_the_template_is_written(
    handler: LineHandler,
) -> None:
    for template in ("%d things", "%d Bearer abcdef0123"):
        handler.handle(
            logging.LogRecord("tests", logging.INFO, "", 0, template, ("pa55word",), None)
        )
    handler.format = None  # type: ignore[assignment, method-assign]
    handler.handle(logging.LogRecord("tests", logging.INFO, "", 0, "nothing", None, None))
    first, second = handler.stream.getvalue().splitlines()
    assert first.endswith("A line of tests cannot be written (TypeError): %d things")
    assert second.endswith("A line of tests cannot be written (TypeError): %d Bearer ***")


def test_lines_that_wait_are_written_by_their_bytes(handler: LineHandler) -> None:
    written: list[str] = []
    handler.stream.write = written.append
    for _ in range(3):
        record = logging.LogRecord("tests", logging.INFO, "", 0, "é" * 1500, None, None)
        record.may_wait = True
        handler.handle(record)
    handler.flush()
    assert len(written) == 3, "two of them are more than 4096 bytes"


def test_what_python_cannot_raise_is_logged_as_all_else(lines: io.StringIO) -> None:
    class Shown:
        def __repr__(self) -> str:
            return "pa55word"

    try:
        raise ValueError("Bearer abcdef0123")
    except ValueError as error:
        said = SimpleNamespace(
            exc_type=ValueError, exc_value=error, exc_traceback=None, err_msg="", object=Shown()
        )
    log_setup._log_unraisable(said)
    assert " ERROR remotedrive [" in lines.getvalue()
    assert lines.getvalue().endswith("ValueError: Bearer ***\n")
    assert "pa55word" not in lines.getvalue()


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
    assert outside.endswith(" WARNING tests [-] outside")
    assert inside.endswith(" WARNING tests [an-id-of-the-client] inside")


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
    names = {"json": "JsonFormatter", "text": "TextFormatter"}
    assert formatter == {"()": f"remotedrive.http.logs.{names[settings.LOG_FORMAT]}"}
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


@pytest.fixture
def raised() -> logging.LogRecord:
    """A record of an error that another one caused, both with lines of their own."""
    try:
        try:
            raise KeyError("first\nINFO forged \x1b[31m\u2028")
        except KeyError as error:
            raise ValueError(f"/s/{LIVING}\nsecond \udcff") from error
    except ValueError:
        return logging.LogRecord(
            "tests",
            logging.ERROR,
            __file__,
            1,
            "a %s",
            ("b\nc\x1b \udcff \u202e\u200b\U000e0001é",),
            sys.exc_info(),
        )


def test_an_error_with_its_causes_is_one_line_of_json(raised: logging.LogRecord) -> None:
    line = JsonFormatter().format(raised)
    assert len(line.splitlines()) == 1
    said = json.loads(line)
    assert said.keys() == {
        *("time", "level", "logger", "request_id", "message", "causes", "traceback"),
    }
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", said["time"])
    assert said["message"] == "a b\nc\x1b \\udcff \u202e\u200b\U000e0001é"
    assert said["causes"] == [
        "ValueError: /s/***\nsecond \\udcff",
        "KeyError: 'first\\nINFO forged \\x1b[31m\\u2028'",
    ]
    assert "Traceback" in said["traceback"]
    assert LIVING not in line


def test_no_line_of_text_is_forged_by_what_it_says(raised: logging.LogRecord) -> None:
    first, *others = TextFormatter().format(raised).split("\n")
    assert " ERROR tests [" in first
    assert first.endswith("] a b\\x0ac\\x1b \\udcff \\u202e\\u200b\\U000e0001é")
    assert all(line.startswith("    ") for line in others)
    text = "\n".join([first, *others])
    assert text.splitlines() == [first, *others]
    assert "\x1b" not in text
    assert LIVING not in text


def test_what_django_says_of_a_request_names_its_route(lines: io.StringIO) -> None:
    request = RequestFactory().get(f"/files/{ID}?secret=1")
    request.resolver_match = resolve(f"/files/{ID}")
    (handler,) = logging.getLogger().handlers[-1:]
    handler.addFilter(RouteForPath())
    log_response("%s: %s", "Oops", request.path, request=request, response=HttpResponse(status=500))
    assert " ERROR django.request [" in lines.getvalue()
    assert lines.getvalue().endswith("] Oops: /files/{pk}\n")


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("service"), THREADS="2", LOG_FORMAT="json") as server:
        yield server


def written_for(service: Server, *asked: tuple[str, str]) -> str:
    """Send a GET of exactly each path to each host; return what the service writes meanwhile."""
    before = len(service.log())
    for path, host in asked:
        with socket.create_connection(("127.0.0.1", service.port), timeout=20) as connection:
            connection.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
            assert connection.recv(65536).startswith(b"HTTP/1.1 ")
    wait_for(lambda: service.log()[before:].count("remotedrive.access") >= len(asked))
    wait_for(lambda: service.log().endswith("\n"))
    return service.log()[before:]


@pytest.mark.once
def test_no_spelling_of_a_link_puts_its_token_into_the_log(service: Server) -> None:
    before = [
        *("/s/", "/s//", "/s/./", "/s/../", "/s/x/", "/S/", "//s/", "/./s/", "/%73/", "/x/s/"),
        *("/s%2f", "/s/%2f", "/s/%252f", "/s%252f", "/s%5C", "/s\\", "/s%00/", "/s/%00"),
        *("/s%20/", "/%20s/", "/s./", "/s;a/", "/s,/", "/s%0a/", "/s%C3%9F/", "/share/", "/"),
        "/" + "a/" * 240,
    ]
    after = ("", "/", "/download", ".", "%20x", f"?{LIVING}", f"?token={LIVING}")
    asked = [(f"{first}{LIVING}{last}", "127.0.0.1") for first, last in product(before, after)]
    assert LIVING[:16] not in written_for(service, *asked)


@pytest.mark.once
@pytest.mark.parametrize(
    ("path", "route"),
    [
        (f"/files/{ID}/versions/3", "/files/{pk}/versions/{number}"),
        (f"/s/{LIVING}", "/s/{token}"),
        (f"/s/{LIVING}/download", "/s/{token}/download"),
        ("/admin/files/auditevent/", "/admin/"),
        ("/static/nothing", "/static/"),
        ("/nothing", "unmatched"),
    ],
)
def test_the_line_of_a_request_says_what_was_asked_for_and_by_whom(
    service: Server, path: str, route: str
) -> None:
    said = json.loads(written_for(service, (path, "127.0.0.1")))
    assert list(said) == [
        *("time", "level", "logger", "request_id", "method", "route", "status"),
        *("duration_ms", "store_ms", "database_ms", "user", "peer"),
    ]
    assert (said["method"], said["route"], said["peer"]) == ("GET", route, "127.0.0.1")
    assert said["user"] is None


def test_the_line_of_a_request_has_its_user_and_what_it_waited_for(
    store: object, service: Server
) -> None:
    owner = service.client("owner")
    owner.upload(b"some")
    wait_for(lambda: "/files/commit" in service.log())
    lines = map(json.loads, service.log().splitlines())
    (said,) = [each for each in lines if each.get("route") == "/files/commit"]
    assert said["status"] == 201
    assert re.fullmatch(_UUID, said["user"])
    total, in_store, in_database = (
        said[name] for name in ("duration_ms", "store_ms", "database_ms")
    )
    assert in_store > 0
    assert in_database > 0
    assert in_store + in_database < total


@pytest.mark.once
def test_wrong_hosts_leave_one_line_each_in_the_form_of_all_others(service: Server) -> None:
    written = written_for(service, *(("/files", f"wrong-{n}.example") for n in range(50)))
    assert len(written.splitlines()) == 50
    assert written.count("unmatched") == 50
    assert "wrong-" not in written


@pytest.mark.once
def test_runserver_writes_the_same_lines_and_no_path(tmp_path: Path) -> None:
    server = Server(tmp_path, DEBUG="true", LOG_FORMAT="text")
    try:
        server.start("manage.py", "runserver", "--noreload", str(server.port))
        server.http.get(f"/s/{LIVING}/download?x={LIVING}")
        wait_for(lambda: "/s/{token}/download" in server.log())
        assert re.search(
            r"INFO remotedrive\.access \[\w+\] GET /s/\{token\}/download 404 [\d.]+ ms"
            r" store=[\d.]+ database=[\d.]+ user=None peer=127\.0\.0\.1\n",
            server.log(),
        )
        assert LIVING not in server.log()
        assert "HTTP/1.1" not in server.log()
    finally:
        server.close()


@pytest.mark.once
@pytest.mark.parametrize(
    "written",
    [
        f"GET /x Bearer {TOKEN}",
        f"token {TOKEN}",
        f"http://s3/k?X-Amz-Signature={'ab' * 32}",
        "GET /files?cursor=1",
        f"GET /s/{LIVING}",
        f"the key {'k' * 40}",
        "the password Secret-4-you",
        "the password Secret%264",
        "the password Of-a form!",
    ],
)
def test_the_check_that_every_servers_log_goes_through_finds_secrets(written: str) -> None:
    environment = {"MINIO_SECRET_KEY": "k" * 40, "DATABASE_URL": "postgresql://u:Secret-4-you@h/d"}
    log_secrets.assert_none("GET /files/{pk} 200 1.5 ms\n", environment)
    environment["CACHE_URL"] = "redis://:Secret%264@h/0"
    log_secrets.remember_form(b"username=a&password=Of-a+form%21")
    with pytest.raises(AssertionError, match="the log has") as found:
        log_secrets.assert_none(f"first\n{written}\nlast\n", environment)
    secrets = (TOKEN, "ab" * 32, LIVING, "k" * 40, "Secret-4-you", "Secret%264", "Of-a form!")
    assert not any(secret in str(found.value) for secret in secrets)
