"""A proxy in front: what it may say of a client, what nobody else may, and plain http."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.client import Answer, assert_problem
from tests.support.server import RemoteClient, Server, running
from tests.support.shares import share

PUBLIC = "https://drive.example"
HTTPS = {"X-Forwarded-Proto": "https"}
RUBBISH = [
    "rubbish",
    "",
    ",",
    ", ,",
    "[::1",
    "[]",
    "203.0.113.9:port",
    "203.0.113.9:" + "9" * 5000,
    "fe80::1%eth0",
    "%",
    "\xff\xfe",
    "a" * 4000,
    "999.1.1.1",
]


ENVIRONMENT = {"ALLOWED_HOSTS": "127.0.0.1,drive.example", "THREADS": "2"}


@pytest.fixture(scope="module")
def behind(store: object, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A service whose every peer is a trusted proxy."""
    folder = tmp_path_factory.mktemp("behind")
    changes = {"PUBLIC_URL": PUBLIC, "TRUSTED_PROXIES": "127.0.0.0/8"}
    with running(folder, workers=1, **ENVIRONMENT, **changes) as server:
        yield server
        assert "Traceback" not in server.log()


@pytest.fixture(scope="module")
def apart(store: object, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A service that trusts another proxy than those who ask here, and is not public by https."""
    folder = tmp_path_factory.mktemp("apart")
    changes = {"PUBLIC_URL": "", "TRUSTED_PROXIES": "198.51.100.0/24"}
    with running(folder, workers=1, **ENVIRONMENT, **changes) as server:
        yield server
        assert "Traceback" not in server.log()


class ByHttps(RemoteClient):
    """A person whose requests come by a proxy that says they came to it by https."""

    def call(self, *arguments: Any, **options: Any) -> Answer:
        options["headers"] = HTTPS | dict(options.get("headers") or {})
        return super().call(*arguments, **options)


def visits(server: Server, forwarded: list[str]) -> list[str]:
    """Download by a share for each of these X-Forwarded-For; return the addresses in the trails."""
    owner = ByHttps(server, "owner")
    file_id = owner.upload(b"shared")["fileId"]
    addresses = []
    for value in forwarded:
        shared = share(owner, owner, file_id=file_id)
        headers = [(b"X-Forwarded-Proto", b"https"), (b"X-Forwarded-For", value.encode("latin-1"))]
        answer = server.http.get(f"{shared.path}/download", headers=headers)
        assert answer.status_code == 200, answer.text
        [event] = owner.get(f"/shares/{shared.id}/events")["results"]
        addresses.append(event["address"])
    return addresses


def test_a_trusted_proxy_says_where_a_client_comes_from(behind: Server) -> None:
    forwarded = ["203.0.113.9", "6.6.6.6, 203.0.113.9", "203.0.113.9, 127.0.0.1", "2001:db8:7::1"]
    expected = ["203.0.113.0", "203.0.113.0", "203.0.113.0", "2001:db8:7::"]
    assert visits(behind, forwarded) == expected


def test_rubbish_in_its_headers_is_no_address_and_no_error(behind: Server) -> None:
    addresses = visits(behind, RUBBISH)
    assert len(addresses) == len(RUBBISH)
    assert set(addresses) <= {None, "127.0.0.0", "203.0.113.0", "fe80::"}


def test_another_peer_says_nothing(apart: Server) -> None:
    assert visits(apart, ["203.0.113.9", "198.51.100.1", "rubbish"]) == ["127.0.0.0"] * 3


@pytest.mark.parametrize("proto", ["https", "wss", "rubbish"])
def test_another_peer_does_not_change_the_scheme_or_the_host_of_links(
    apart: Server, proto: str
) -> None:
    headers = {
        "X-Forwarded-Proto": proto,
        "X-Forwarded-Host": "evil.example",
        "Forwarded": "for=203.0.113.9;host=evil.example;proto=https",
    }
    owner = apart.client("pages")
    for _ in range(2):
        assert owner.call("POST", "/files/init-upload", {"filename": "a", "size": 1}).status == 201
    listed = owner.get("/uploads?page_size=1", headers=headers)
    assert listed["next"].startswith(f"{apart.url}/uploads?")
    assert "Strict-Transport-Security" not in listed.headers


def test_a_forwarded_host_is_not_believed_of_a_trusted_proxy_either(behind: Server) -> None:
    headers = HTTPS | {"X-Forwarded-Host": "evil.example"}
    answer = behind.http.get("/admin", headers=headers, follow_redirects=False)
    assert "evil" not in answer.headers["location"]
    redirected = behind.http.get("/docs?a=b", headers={"X-Forwarded-Host": "evil.example"})
    assert redirected.headers["location"] == f"{PUBLIC}/docs?a=b"


# Plain http


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_look_by_http_is_sent_to_https_on_the_public_address(behind: Server, method: str) -> None:
    answer = behind.http.request(method, "/problems/invalid?a=b")
    assert answer.status_code == 301
    assert answer.headers["location"] == f"{PUBLIC}/problems/invalid?a=b"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/files/init-upload"),
        ("DELETE", "/files/01890a5d-ac96-774b-bcce-b302099a8057"),
        ("POST", "/s/token/download"),
        ("POST", "/admin/login/"),
        ("GET", "/files"),
        ("HEAD", "/files"),
    ],
)
def test_whatever_else_came_by_http_is_refused(behind: Server, method: str, path: str) -> None:
    answer = behind.client("owner").call(method, path)
    if method == "HEAD":
        assert answer.status == 403
    else:
        assert_problem(answer, 403, "permission-denied")
        assert "https" in answer["detail"]


def test_a_password_of_a_share_that_came_by_http_is_refused(behind: Server) -> None:
    answer = behind.client(None).get("/s/token/download", headers={"X-Share-Password": "secret"})
    assert_problem(answer, 403, "permission-denied")


def test_probes_are_answered_by_http(behind: Server) -> None:
    for path in ("/healthz", "/readyz"):
        answer = behind.http.get(path)
        assert answer.status_code == 200
        assert "Strict-Transport-Security" not in answer.headers


def test_what_came_by_https_is_answered_and_keeps_to_https(behind: Server) -> None:
    answer = behind.client("owner").get("/files", headers=HTTPS)
    assert answer.status == 200
    assert answer.headers["Strict-Transport-Security"] == "max-age=3600"


def test_every_kind_of_answer_has_the_security_headers(behind: Server) -> None:
    by_django = ("/files", "/problems/invalid", "/admin/login/", "/s/no-such", "/no-such")
    for path in (*by_django, "/admin", "/static/admin/css/base.css", "/healthz", "/%00"):
        answer = behind.http.get(path, headers=HTTPS | {"Accept": "*/*"})
        assert answer.headers["X-Content-Type-Options"] == "nosniff", path
        assert answer.headers["X-Frame-Options"] == "DENY", path
        assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin", path
        assert answer.headers["Referrer-Policy"] in ("same-origin", "no-referrer"), path
        assert answer.headers["Strict-Transport-Security"] == "max-age=3600", path


def test_the_admin_takes_its_form_behind_tls(behind: Server) -> None:
    form = behind.http.get("/admin/login/", headers=HTTPS)
    cookie = form.headers["set-cookie"]
    assert "Secure" in cookie
    token = cookie.partition("csrftoken=")[2].partition(";")[0]
    data = {"csrfmiddlewaretoken": token, "username": "nobody", "password": "wrong"}
    sent = HTTPS | {"Cookie": f"csrftoken={token}", "Host": "127.0.0.1"}
    for origin, status in ((PUBLIC, 200), ("https://evil.example", 403)):
        answer = behind.http.post("/admin/login/", data=data, headers=sent | {"Origin": origin})
        assert answer.status_code == status


@pytest.mark.parametrize(
    ("proto", "status"),
    [
        ("HTTPS", 404),
        ("https,http", 404),
        ("Https, http", 404),
        ("http", 301),
        ("http,https", 301),
        ("HTTP", 301),
        ("", 301),
        (",https", 301),
    ],
)
def test_the_left_most_forwarded_scheme_counts_in_any_case(
    behind: Server, proto: str, status: int
) -> None:
    answer = behind.http.get("/nothing?a=b", headers={"X-Forwarded-Proto": proto})
    assert answer.status_code == status


def test_of_two_forwarded_schemes_the_first_counts(behind: Server) -> None:
    both = [("X-Forwarded-Proto", "https"), ("X-Forwarded-Proto", "http")]
    assert behind.http.get("/nothing", headers=both).status_code == 404
    assert behind.http.get("/nothing", headers=both[::-1]).status_code == 301
