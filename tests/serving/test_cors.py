"""Pages of other origins: which may call the API, with what, and which answers they can read."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tests.support.server import Server, running

ALLOWED = "https://uploads.example"
STRANGE = "https://evil.example"

pytestmark = pytest.mark.once


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    origins = f"http://localhost:3000, {ALLOWED}/"
    with running(tmp_path_factory.mktemp("service"), CORS_ORIGINS=origins) as running_server:
        yield running_server


def preflight(server: Server, origin: str, path: str = "/files/init-upload") -> httpx.Headers:
    asked = {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type",
    }
    return server.http.options(path, headers=asked).headers


def words(headers: httpx.Headers, name: str) -> set[str]:
    return {word.strip().lower() for word in headers.get(name, "").split(",")}


def may_read(headers: httpx.Headers) -> bool:
    assert "access-control-allow-credentials" not in headers
    assert headers.get("access-control-allow-origin") in (ALLOWED, None)
    if "access-control-allow-origin" not in headers:
        return False
    assert words(headers, "access-control-expose-headers") == {"retry-after", "x-request-id"}
    assert "origin" in words(headers, "vary")
    assert len(headers.get_list("access-control-allow-origin")) == 1
    return True


def test_a_page_of_another_origin_may_call_nothing(server: Server) -> None:
    assert not may_read(preflight(server, STRANGE))
    for origin in (STRANGE, "null", f"{ALLOWED}.evil.example", ALLOWED.replace("https", "http")):
        assert not may_read(server.http.get("/files", headers={"Origin": origin}).headers)


def test_an_allowed_page_may_call_the_api_with_a_token_and_without_cookies(server: Server) -> None:
    headers = preflight(server, ALLOWED)
    assert may_read(headers)
    assert words(headers, "access-control-allow-methods") == {"get", "post", "patch", "delete"}
    sent = {"authorization", "content-type", "idempotency-key", "x-request-id", "x-share-password"}
    assert words(headers, "access-control-allow-headers") == sent


def test_no_page_may_read_the_admin(server: Server) -> None:
    assert not may_read(preflight(server, ALLOWED, "/admin/login/"))
    assert not may_read(server.http.get("/admin/login/", headers={"Origin": ALLOWED}).headers)


@pytest.mark.parametrize(
    ("method", "path", "size", "status"),
    [
        ("GET", "/files", 0, 401),
        ("PUT", "/problems/invalid", 0, 405),
        ("GET", "/there-is-nothing", 0, 404),
        ("GET", "/%00", 0, 404),
        ("POST", "/files/init-upload", 65_537, 413),
    ],
)
def test_an_allowed_page_can_read_every_problem_whichever_layer_answers(
    server: Server, method: str, path: str, size: int, status: int
) -> None:
    headers = {"Origin": ALLOWED}
    answer = server.http.request(method, path, content=b"x" * size, headers=headers)
    assert answer.status_code == status
    assert may_read(answer.headers)


def test_an_allowed_page_can_read_what_is_wrong_with_a_request_that_django_cannot_read(
    server: Server,
) -> None:
    headers = {"Origin": ALLOWED, "Content-Type": "text/plain; a*=no-charset'en'b"}
    answer = server.http.get("/files", headers=headers)
    assert answer.status_code == 400
    assert may_read(answer.headers)
