"""Sign-in at an OpenID provider of another site, in a browser that keeps cookies as browsers do."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Visitor
from tests.browser.page import expect_names
from tests.support import oidc_provider
from tests.support.server import Server

pytestmark = [pytest.mark.slow, pytest.mark.once]


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The provider under a name that makes it another site than the service."""
    with oidc_provider.running(tmp_path_factory.mktemp("provider")) as running:
        yield running.url.replace("127.0.0.1", "localhost")


@pytest.fixture(scope="module")
def service(
    store: object, issuer: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    server = Server(
        tmp_path_factory.mktemp("service"),
        OIDC_ISSUER=issuer,
        OIDC_CLIENT_ID="drive",
        OIDC_CLIENT_SECRET="our-secret",
    )
    server.environment["PUBLIC_URL"] = server.url
    try:
        server.start()
        yield server
    finally:
        server.close()


def test_a_person_signs_in_at_the_provider_sees_their_files_and_signs_out(
    visitor: Visitor, service: Server, issuer: str
) -> None:
    service.client("owner").upload(b"", filename="plan.txt")
    page = visitor.open(service.url)
    page.get_by_role("button", name=f"Sign in at {urlsplit(issuer).netloc}").click()
    page.get_by_placeholder("sub").fill("owner")
    page.get_by_role("button", name="Authorize").click()
    expect_names(page, ["plan.txt"])
    assert page.url == f"{service.url}/"
    cookies = {each["name"]: each["sameSite"] for each in page.context.cookies()}
    assert cookies == {"sessionid": "Strict", "csrftoken": "Lax"}
    assert page.evaluate("document.referrer").partition("?")[2] == ""
    page.reload()
    expect_names(page, ["plan.txt"])
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("Password")).to_be_visible()
    callback = f"{service.url}/sign-in/oidc/callback"
    came = [each for each in visitor.requests if each.url.startswith(callback)]
    assert len(came) == 1
    code = came[0].url.partition("?")[2]
    assert not [each for each in visitor.requests if code in each.headers.get("referer", "")]
    assert [said for said in visitor.complaints if service.url in said or "Policy" in said] == []


def test_whoever_denies_starts_again(visitor: Visitor, service: Server, issuer: str) -> None:
    page = visitor.open(service.url)
    page.get_by_role("button", name="Sign in at").click()
    page.get_by_role("button", name="Deny").click()
    expect(page.get_by_role("alert")).to_contain_text("The sign-in was cancelled")
    page.get_by_role("link", name="Start again").click()
    page.get_by_role("button", name="Sign in at").click()
    expect(page.get_by_placeholder("sub")).to_be_visible()
    assert page.url.startswith(f"{issuer}/oauth2/authorize?")
