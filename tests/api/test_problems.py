"""Errors: each has its code, its shape and its page, whoever in the service answers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client as Browser
from django.urls import get_resolver
from pytest_django.fixtures import Settings

from files import exceptions
from files.models import Upload, User
from remotedrive.http import problems
from tests.support import schema, wire
from tests.support.client import Answer, Client, assert_problem
from tests.support.routes import routes

ID = "01890a5d-ac96-774b-bcce-b302099a8057"
PUBLIC = ["/healthz", "/readyz", "/metrics", "/problems/invalid", "/schema", "/docs"]
WORDS = {"id": ID, "number": "1", "token": "token", "code": "invalid"}
PATHS = sorted({path.format(**WORDS) for path in schema.document()["paths"]} - set(PUBLIC))
REDIRECTED = "/s/token/"
PAGES = ["/", "/sign-in", "/sign-in/oidc", "/sign-in/oidc/callback", "/sign-out", "/token"]
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW")


@pytest.mark.once
def test_the_paths_tried_here_are_all_that_the_api_has() -> None:
    known = {route for route in routes() if not route.startswith("/admin")}
    tried = set()
    for path in [*PATHS, *PAGES, *PUBLIC, REDIRECTED]:
        tried.add("/" + get_resolver().resolve(path).route)
    assert tried == known


# The catalogue


@pytest.mark.parametrize("code", problems.CATALOGUE)
def test_every_code_is_explained_at_its_type(anonymous: Client, code: str) -> None:
    answer = anonymous.get(f"/problems/{code}")
    assert answer.status == 200
    assert answer["type"] == f"/problems/{code}"
    assert answer["code"] == code
    assert answer["status"] == problems.CATALOGUE[code].status
    assert answer["title"]
    assert answer["explanation"]


@pytest.mark.parametrize("code", ["", "no-such", "INVALID", "invalid/", "../healthz", "%ff", "a/b"])
def test_a_code_that_is_none_is_not_explained(anonymous: Client, code: str) -> None:
    assert_problem(anonymous.get(f"/problems/{code}"), 404, "not-found")


@pytest.mark.once
def test_every_domain_error_has_its_code_in_the_catalogue() -> None:
    def subclasses(error: type[exceptions.DriveError]) -> Iterator[type[exceptions.DriveError]]:
        for subclass in error.__subclasses__():
            yield subclass
            yield from subclasses(subclass)

    codes = {error.code for error in subclasses(exceptions.DriveError)}
    assert len(codes) > 15
    assert codes <= problems.CATALOGUE.keys()


@pytest.mark.once
@pytest.mark.parametrize("code", problems.CATALOGUE)
def test_every_problem_has_the_members_and_headers_that_it_must(code: str) -> None:
    response = problems.response(code)
    assert response.status_code == problems.CATALOGUE[code].status
    assert response["Content-Type"] == "application/problem+json"
    assert response["Cache-Control"] == "no-store"
    assert response.has_header("Retry-After") == (response.status_code in (429, 503))
    challenged = response.status_code == 401 and code != "share-password"
    assert response.has_header("WWW-Authenticate") == challenged


@pytest.mark.once
def test_a_titles_code_and_status_are_its_own() -> None:
    assert len({entry.title for entry in problems.CATALOGUE.values()}) == len(problems.CATALOGUE)
    assert all(400 <= entry.status < 600 for entry in problems.CATALOGUE.values())


# Paths and methods


@pytest.mark.parametrize(
    "path",
    [
        "//",
        "/no/such",
        "/files/",
        "//files",
        "/files//",
        "/Files",
        "/files.json",
        "/files/x",
        f"/files/{ID.upper()}",
        f"/files/{ID}/",
        f"/files/{ID}/versions/x",
        f"/files/{ID}/versions/-1",
        f"/files/{ID}/versions/1.0",
        f"/files/{ID}/versions/" + "9" * 5000,
        f"/files/{ID}/../{ID}",
        f"/files/..%2f{ID}",
        "/files/%00",
        "/files/%ff",
        "/files/%C0%AF",
        "/files%0d%0aX-Evil:1",
        "/%",
        "/%zz",
        "/..",
        "/../../etc/passwd",
        "/static/..%2f..%2fsettings.py",
        "/static/no-such.css",
        "/\\",
        "/;",
        "/" + "a" * 60_000,
        "/" + "%F0%9F%99%82" * 1000,
        "/favicon.ico",
        "/healthz/",
    ],
)
def test_a_path_that_is_none_is_not_found(owner: Client, path: str) -> None:
    for headers in ([], [("authorization", f"Bearer {owner.token}")]):
        answer = wire.send("GET", path, headers)
        assert_problem(answer, 404, "not-found")
        assert not answer.headers.get("X-Evil")


@pytest.mark.parametrize("number", [0, 2, 2**31, 2**63 - 1, 2**63, 10**30, 10**4000])
def test_a_version_that_never_was_is_not_found(owner: Client, number: int) -> None:
    target = f"/files/{ID}/versions/" + "".join(map(str, digits(number)))
    for path in (target, target + "/download"):
        assert_problem(owner.get(path), 404, "not-found")


def digits(number: int) -> list[int]:
    """Return the decimal digits; `str` refuses very large numbers."""
    if number >= 10**4000:
        return [1] + [0] * 4000
    return [int(digit) for digit in str(number)]


def test_a_method_that_a_path_has_not_is_refused_and_allow_says_which_it_has(owner: Client) -> None:
    for path in [*PATHS, *PUBLIC]:
        answers = {method: owner.call(method, path) for method in METHODS}
        refused = {method for method, answer in answers.items() if answer.status == 405}
        for method in refused:
            answer = answers[method]
            allowed = {name.strip() for name in answer.headers["Allow"].split(",")}
            assert allowed == set(METHODS) - refused, f"{method} {path}"
            if method != "HEAD":
                assert_problem(answer, 405, "method-not-allowed")
        assert {"PUT", "TRACE", "BREW"} <= refused, path


def test_head_answers_as_get_does(owner: Client) -> None:
    for path in ("/files", f"/files/{ID}", "/healthz", "/problems/invalid", "/no/such"):
        head, get = owner.call("HEAD", path), owner.get(path)
        assert head.status == get.status
        assert head.content == b""
        assert head.headers["Content-Type"] == get.headers["Content-Type"]


@pytest.mark.parametrize("accept", ["text/html", "application/xml", "image/*", "nonsense", "a/b/c"])
def test_an_accept_that_excludes_json_is_refused(owner: Client, accept: str) -> None:
    answer = owner.get("/files", headers={"Accept": accept})
    assert_problem(answer, 406, "not-acceptable")


@pytest.mark.parametrize(
    "accept", ["*/*", "application/json", "application/*", "text/html, */*;q=0.1"]
)
def test_an_accept_that_lets_json_through_is_served(owner: Client, accept: str) -> None:
    assert owner.get("/files", headers={"Accept": accept}).status == 200


# Host and links


@pytest.mark.parametrize(
    "host",
    ["evil.example", "localhost.evil.example", "localhost@evil.example", "evil\xe9", "", "a b"],
)
def test_a_host_that_is_not_served_is_refused_and_never_repeated(owner: Client, host: str) -> None:
    token = [("authorization", f"Bearer {owner.token}")]
    for path in ("/files", "/files?page_size=1", "/no/such", "/admin/", "/problems/invalid"):
        answer = wire.send("GET", path, token, host=host)
        assert_problem(answer, 400, "malformed-request")
        assert b"evil" not in answer.content
        assert "evil" not in str(dict(answer.headers))


def page_link(owner: Client, **options: Any) -> str:
    """Return the link to the next page of two uploads."""
    if not Upload.objects.exists():
        for name in ("a", "b"):
            assert owner.init(filename=name).status == 201
    return str(owner.get("/uploads?page_size=1", **options)["next"])


def test_forwarding_headers_are_not_believed(owner: Client) -> None:
    forged = {
        "X-Forwarded-Host": "evil.example",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Port": "444",
        "X-Forwarded-Prefix": "/evil",
        "X-Forwarded-Server": "evil.example",
        "X-Forwarded-For": "192.0.2.1",
        "Forwarded": "host=evil.example;proto=https",
        "X-Original-URL": "/evil",
        "X-Rewrite-URL": "/evil",
        "X-HTTP-Method-Override": "DELETE",
        "Origin": "https://evil.example",
        "Referer": "https://evil.example/",
    }
    link = page_link(owner, headers=forged)
    assert link.startswith("http://testserver/uploads?")
    assert "evil" not in link


def test_links_are_of_the_host_that_was_asked_where_no_public_url_is_set(owner: Client) -> None:
    assert page_link(owner, headers={"Host": "localhost:1234"}).startswith(
        "http://localhost:1234/uploads?"
    )


def test_links_are_of_the_public_url_where_it_is_set(owner: Client, settings: Settings) -> None:
    settings.PUBLIC_URL = "https://drive.example"
    assert page_link(owner).startswith("https://drive.example/uploads?")


# Django's own errors


def test_a_form_of_the_admin_without_its_csrf_token_is_a_problem(db: None) -> None:
    browser = Browser(enforce_csrf_checks=True)
    response = browser.post("/admin/login/", {"username": "a", "password": "b"})
    assert_problem(_answer(response), 403, "permission-denied")


def test_a_page_of_the_admin_that_is_none_is_a_problem(db: None) -> None:
    browser = Browser()
    browser.force_login(User.objects.create_superuser("root"))
    assert_problem(_answer(browser.get("/admin/no/such")), 404, "not-found")


def test_a_method_that_the_admin_or_a_static_file_has_not_is_a_problem(db: None) -> None:
    browser = Browser()
    browser.force_login(User.objects.create_superuser("root"))
    for method, path in (("GET", "/admin/logout/"), ("POST", "/static/admin/css/base.css")):
        response = browser.generic(method, path)
        assert_problem(_answer(response), 405, "method-not-allowed")
        assert response.headers["Allow"]


def post_form(content_type: str, body: bytes) -> Answer:
    """POST to the login page, past the CSRF check, so that the form is read."""
    browser = Browser()
    browser.get("/admin/login/")
    token = browser.cookies["csrftoken"].value
    headers = [
        ("content-type", content_type),
        ("cookie", f"csrftoken={token}"),
        ("x-csrftoken", token),
    ]
    return wire.send("POST", "/admin/login/", headers, body)


def test_the_form_that_the_next_tests_spoil_is_read(db: None) -> None:
    answer = post_form("application/x-www-form-urlencoded", b"username=ab%26c&password=x")
    assert answer.status == 200
    assert b'value="ab&amp;c"' in answer.content


@pytest.mark.parametrize("charset", ["base64", "undefined", "no-such", "utf-7", "idna", "utf-16"])
def test_a_form_in_an_odd_charset_is_at_most_refused(db: None, charset: str) -> None:
    part = b'--x\r\nContent-Disposition: form-data; name="username"\r\n\r\n\xff\r\n--x--\r\n'
    bodies = {
        "application/x-www-form-urlencoded": b"username=%ff&password=\xff",
        "multipart/form-data; boundary=x": part,
    }
    for kind, body in bodies.items():
        answer = post_form(f"{kind}; charset={charset}", body)
        assert answer.status in (200, 400), f"{kind}: {answer.status}"
        if answer.status == 400:
            assert_problem(answer, 400, "malformed-request")


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/x-www-form-urlencoded", b"&".join([b"a=1"] * 1200)),
        ("multipart/form-data", b"--x"),
        ("multipart/form-data; boundary=", b"--x"),
        ("multipart/form-data; boundary=\xe9", b"--x"),
        ("multipart/form-data; boundary=" + "x" * 1000, b"--x"),
        ("multipart/form-data; boundary=x", b"".join([b"--x\r\na: b\r\n\r\n"] * 2000)),
    ],
)
def test_a_form_that_cannot_be_read_is_malformed(db: None, content_type: str, body: bytes) -> None:
    answer = post_form(content_type, body)
    assert answer.status < 500
    if answer.status >= 400:
        assert_problem(answer, answer.status, answer["code"])


def _answer(response: Any) -> Answer:
    return Answer(response.status_code, response.headers, response.json(), response.content)


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/problems/invalid"])
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_a_public_page_is_for_looking_only(path: str, method: str) -> None:
    headers = {"X-CSRFToken": "none"}
    answer = Browser(enforce_csrf_checks=True).generic(method, path, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (405, "method-not-allowed")
    assert answer.headers["Allow"] == "GET, HEAD"
