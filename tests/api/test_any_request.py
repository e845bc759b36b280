"""Whatever is sent: never a 5xx, and every error of the shape that errors have.

What the schema allows and forbids of bodies and parameters is for tests/conformance; this is the
rest: bytes that are no JSON, targets with odd escapes, headers and methods.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from django.conf import settings as django_settings
from django.db import transaction
from django.test import Client as Browser
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from files.models import User
from remotedrive.http import problems
from tests.support import schema, wire
from tests.support.client import Answer, Client, assert_problem

pytestmark = pytest.mark.usefixtures("store")
fuzzed = settings(
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

ENDPOINTS = [
    *(
        (method.upper(), path, operation)
        for path, item in schema.document()["paths"].items()
        for method, operation in item.items()
    ),
    ("GET", "/admin/{segment}", {}),
    ("GET", "/static/{segment}", {}),
    ("GET", "/{segment}/{segment}/{segment}", {}),
]
"""Method, path and operation; `{segment}` may be anything."""
OTHER_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"]
HEADERS = (
    *("accept", "idempotency-key", "x-share-password", "x-request-id", "cookie", "if-none-match"),
    *("range", "origin", "if-modified-since", "x-forwarded-host", "x-http-method-override"),
    *("accept-language", "content-encoding", "expect", "transfer-encoding"),
)

ODD = [
    "",
    " ",
    "0",
    "1",
    "-1",
    "true",
    "null",
    "9" * 30,
    "2026-01-31T12:00:00Z",
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-14:00",
    "image/*",
    "root",
    "/",
    "/folder/a.txt",
    "//a",
    "text/plain",
    "text/html",
    "created_at",
    "inline",
    "read",
    "write",
    "a.txt",
    "'\"<>%;()",
    "[a-",
    "\\",
    "é🙂",
    "\u202e",
    "\ud800",
    "\0",
    "0" * 64,
    "x" * 300,
    "WzE3OTU0NTMwMjgsICIwMTg5MGE1ZCIsIDBd",
]


@dataclass(frozen=True)
class Drive:
    """A drive with a little of everything, and the words that open it.

    The id of what a path is about stands under its first segment.
    """

    owner: Client
    words: Mapping[str, str]


@pytest.fixture
def drive(owner: Client, stranger: Client) -> Drive:
    data = b"some bytes"
    committed = owner.upload(data)
    owner.commit(owner.put(b"more", file_id=committed["fileId"])["key"], b"more")
    folder_id = owner.post("/folders", {"name": "folder"})["id"]
    pending = owner.put(data, folder_id=folder_id)
    parts = owner.init(size=40 << 20, multipart=True)
    share = owner.post("/shares", {"file_id": committed["fileId"], "permission": "write"})
    locked = owner.post(
        "/shares", {"file_id": committed["fileId"], "permission": "read", "password": "secret"}
    )
    assert (share.status, locked.status, parts.status) == (201, 201, 201)
    return Drive(
        owner,
        {
            "files": committed["fileId"],
            "folders": folder_id,
            "folder of another": stranger.post("/folders", {"name": "folder"})["id"],
            "file of another": stranger.upload(data)["fileId"],
            "uploads": pending["upload_id"],
            "parts": parts["upload_id"],
            "key": pending["key"],
            "committed key": committed["key"],
            "shares": share["id"],
            "token": share["token"],
            "locked token": locked["token"],
            "cursor": str(owner.get("/files?page_size=1")["next"]),
        },
    )


def words(drive: Drive) -> st.SearchStrategy[str]:
    return st.one_of(
        st.sampled_from([*drive.words.values(), *ODD]),
        st.sampled_from([*drive.words.values(), *ODD]),
        st.text(st.characters(), max_size=20),
    )


def escaped(word: str) -> str:
    # A path with NUL does not come this far: the ASGI layer answers it.
    return quote(word.replace("\0", "").encode("utf-8", "surrogatepass"), safe="")


@st.composite
def bodies(draw: st.DrawFn, operation: dict[str, Any]) -> bytes:
    """Draw the example of a body, one with some bytes of it replaced, or any bytes."""
    content = operation.get("requestBody", {"content": {}})["content"]
    good = json.dumps(content["application/json"]["example"]).encode() if content else b""
    kind = draw(st.sampled_from(["good", "spoiled", "spoiled", "bytes"]))
    if kind == "bytes" or not good:
        return draw(st.binary(max_size=50))
    if kind == "good":
        return good
    at = draw(st.integers(0, len(good) - 1))
    return good[:at] + draw(st.binary(max_size=3)) + good[at + draw(st.integers(0, 3)) :]


@st.composite
def targets(draw: st.DrawFn, drive: Drive, path: str, parameters: Sequence[str] = ()) -> str:
    """Draw what `path` stands for, mostly with the drive's own ids, and a query string."""
    target = ""
    first, *_ = segments = path.split("/")[1:]
    for part in segments:
        name = first if part == "{id}" else part.strip("{}")
        if name == part:
            target += f"/{part}"
        elif name in drive.words and draw(st.integers(0, 5)):
            target += f"/{drive.words[name]}"
        elif name == "number":
            target += f"/{draw(st.sampled_from([1, 1, 2, 3, 1 << 63, 10**30]))}"
        else:
            target += f"/{escaped(draw(words(drive)))}"
    if draw(st.integers(0, 2)) == 0:
        names = st.sampled_from([*parameters, "unknown"])
        pairs = draw(st.lists(st.tuples(names, words(drive)), max_size=2))
        target += "?" + urlencode(pairs, errors="surrogatepass")
    return target


@st.composite
def header_lines(draw: st.DrawFn, drive: Drive) -> list[tuple[str, str]]:
    value = words(drive).map(
        lambda word: word.encode("utf-8", "replace").translate(None, b"\r\n\0").decode("latin-1")
    )
    lines = draw(st.lists(st.tuples(st.sampled_from(HEADERS), value), max_size=2))
    token = f"Bearer {drive.owner.token}"
    lines += [
        ("authorization", draw(st.sampled_from([token] * 20 + ["", "Bearer x", "Basic eA=="])))
    ]
    kinds = ["application/json"] * 16 + ["", "text/plain", "application/x-www-form-urlencoded"]
    kinds += ["application/json; charset=base64", "multipart/form-data; boundary=x"]
    return [*lines, ("content-type", draw(st.sampled_from(kinds)))]


def check(answer: Answer, method: str, target: str, headers: list[tuple[str, str]]) -> None:
    assert answer.status < 500, answer.content
    if answer.status < 400:
        return
    assert answer.headers["Content-Type"] == problems.CONTENT_TYPE or (
        # A browser gets a page of a share, the errors included.
        target.startswith("/s/") and any(name == "accept" for name, _ in headers)
    )
    if answer.json is not None:
        assert_problem(answer, answer.status, answer["code"])
    else:
        assert method == "HEAD" or target.startswith("/s/")


@settings(fuzzed, max_examples=200)
@given(data=st.data())
def test_no_request_to_the_api_makes_the_service_fail(drive: Drive, data: st.DataObject) -> None:
    method, path, operation = data.draw(st.sampled_from(ENDPOINTS), label="endpoint")
    parameters = [each["name"] for each in operation.get("parameters", ()) if each["in"] == "query"]
    if data.draw(st.integers(0, 9)) == 0:
        method = data.draw(st.sampled_from(OTHER_METHODS), label="method")
    target = data.draw(targets(drive, path, parameters), label="target")
    headers = data.draw(header_lines(drive), label="headers")
    body = data.draw(bodies(operation), label="body")
    with transaction.atomic():
        answer = wire.send(method, target, headers, body)
        transaction.set_rollback(True)
    check(answer, method, target, headers)


ADMIN_PATHS = [
    *(f"/admin/files/{table}/" for table in ("user", "file", "fileversion", "upload", "share")),
    *(f"/admin/files/{table}/{{files}}/change/" for table in ("file", "share", "upload", "user")),
    *(f"/admin/files/file/{{files}}/{page}/" for page in ("history", "delete", "change")),
    "/admin/files/shareevent/",
    "/admin/files/{segment}/",
    "/admin/files/user/add/",
    "/admin/r/{number}/{segment}/",
    "/admin/autocomplete/",
    "/admin/login/",
    "/admin/{segment}",
]
ADMIN_PARAMETERS = (
    *("q", "p", "o", "e", "all", "_facets", "_popup", "_to_field", "next", "unknown"),
    *("integrity__exact", "created_at__gte", "created_at__day", "created_at__year"),
    *("stage", "quota_bytes__gt", "state__exact", "is_active__exact", "permission__exact"),
    *("user__id__exact", "user__password", "file__user__password", "at__lt", "what__exact"),
)


@pytest.mark.slow
@settings(fuzzed, max_examples=100)
@given(data=st.data())
def test_no_look_at_the_admin_makes_the_service_fail(drive: Drive, data: st.DataObject) -> None:
    browser = Browser()
    root = User.objects.filter(username="root").first()
    browser.force_login(root or User.objects.create_superuser("root"))
    session = browser.cookies[django_settings.SESSION_COOKIE_NAME].value
    path = data.draw(st.sampled_from(ADMIN_PATHS), label="path")
    target = data.draw(targets(drive, path, ADMIN_PARAMETERS), label="target")
    headers = [("cookie", f"{django_settings.SESSION_COOKIE_NAME}={session}")]
    answer = wire.send("GET", target, headers)
    check(answer, "GET", target, headers)
