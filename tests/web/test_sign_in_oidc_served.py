"""Sign-in at a provider with the service in a process of its own, which takes no passwords."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from tests.support import oidc_provider
from tests.support.oidc_provider import Provider
from tests.support.process import wait_for
from tests.support.server import Server
from tests.support.tcp_proxy import TcpProxy
from tests.web.conftest import moves_on_to

pytestmark = [pytest.mark.slow, pytest.mark.once]


@pytest.fixture(scope="module")
def line(provider: Provider) -> Iterator[TcpProxy]:
    with TcpProxy(provider.address) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def service(
    store: object, line: TcpProxy, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    server = Server(
        tmp_path_factory.mktemp("service"),
        OIDC_ISSUER=line.endpoint,
        OIDC_CLIENT_ID="drive",
        OIDC_CLIENT_SECRET="our-secret",
        PASSWORD_SIGN_IN="false",
    )
    server.environment["PUBLIC_URL"] = server.url
    try:
        server.start()
        yield server
    finally:
        server.close()


@pytest.fixture
def browser(service: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=service.url, trust_env=False, timeout=30) as browser:
        yield browser


def start(browser: httpx.Client) -> httpx.Response:
    """Press the button of the sign-in page."""
    assert browser.get("/").status_code == 200
    form = {"csrfmiddlewaretoken": _csrf(browser)}
    return browser.post("/sign-in/oidc", data=form)


def sign_in(browser: httpx.Client, sub: str) -> tuple[httpx.Response, str]:
    """Sign in as `sub`; return the answer to the callback, and its address."""
    address = oidc_provider.sign_in(moves_on_to(start(browser)), sub)
    return browser.get(address), address


def _csrf(browser: httpx.Client) -> str:
    return (
        browser.get("/").text.partition('name="csrfmiddlewaretoken" value="')[2].partition('"')[0]
    )


def test_a_person_signs_in_and_out_and_the_log_has_no_secret(
    service: Server, browser: httpx.Client
) -> None:
    landing, address = sign_in(browser, "owner")
    assert landing.status_code == 200
    assert moves_on_to(landing) == "/"
    drive = browser.get("/")
    assert 'id="drive"' in drive.text
    csrf = drive.text.partition('data-csrf="')[2].partition('"')[0]
    token = browser.post("/token", headers={"X-CSRFToken": csrf}).json()["token"]
    me = browser.get("/me", headers={"Authorization": f"Bearer {token}"})
    assert me.json()["subject"] == "owner"
    assert browser.get(address).status_code == 400
    session = browser.cookies["sessionid"]
    assert browser.post("/sign-out", headers={"X-CSRFToken": csrf}).status_code == 303
    assert 'action="/sign-in/oidc"' in browser.get("/").text
    wait_for(lambda: "/sign-out" in service.log())
    log = service.log()
    assert "/sign-in/oidc/callback" in log
    query = parse_qs(urlsplit(address).query)
    for secret in (query["code"][0], query["state"][0], token, session, "our-secret", "?"):
        assert secret not in log


def test_without_passwords_the_admin_is_opened_by_the_provider_alone(
    service: Server, browser: httpx.Client
) -> None:
    service.manage(
        "shell",
        "-c",
        "from files.models import User; User.objects.create_superuser('admin', password='right')",
    )
    form = {"username": "admin", "password": "right", "csrfmiddlewaretoken": _csrf(browser)}
    refused = browser.post("/sign-in", data=form)
    assert refused.status_code == 403
    assert "Passwords are not taken here." in refused.text
    for answer in (
        browser.get("/admin/login/?next=/admin/"),
        browser.post("/admin/login/", data=form),
    ):
        assert (answer.status_code, answer.headers["Location"]) == (302, "/")
    assert "sessionid" not in browser.cookies
    assert sign_in(browser, "admin")[0].status_code == 403
    said = service.manage("set_password", "admin", "--remove")
    assert said == "admin has no password any more.\n"
    assert sign_in(browser, "admin")[0].status_code == 200
    assert browser.get("/admin/").status_code == 200


def test_a_provider_that_hangs_leaves_the_threads_to_others(
    service: Server, line: TcpProxy
) -> None:
    service.stop()
    service.start()
    line.hold()
    before = line.requests

    def press() -> tuple[int, str]:
        with httpx.Client(base_url=service.url, trust_env=False, timeout=30) as browser:
            answer = start(browser)
            return answer.status_code, answer.headers["Retry-After"]

    with ThreadPoolExecutor(40) as people:
        pressed = [people.submit(press) for _ in range(40)]
        wait_for(lambda: line.requests > before)
        # A thread of the pool answers this one, with the database.
        assert service.client("stranger").get("/files")["results"] == []
        assert not all(each.done() for each in pressed)
        outcomes = {each.result() for each in pressed}
    assert outcomes <= {(503, "60"), (503, "1")}
    line.drop()
    line.pass_on()
    with httpx.Client(base_url=service.url, trust_env=False, timeout=30) as browser:
        assert sign_in(browser, "owner")[0].status_code == 200
