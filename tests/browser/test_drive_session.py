"""The session of the drive's page: its token is renewed, and nothing stays when it has ended."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Visitor, empty, session_of
from tests.browser.page import expect_names
from tests.support.server import RemoteClient, Server

pytestmark = [pytest.mark.slow, pytest.mark.once]

STORED = """async () => [
  localStorage.length, sessionStorage.length, document.cookie,
  (await indexedDB.databases()).length, (await caches.keys()).length,
]"""


@pytest.fixture
def tab(visitor: Visitor, service: Server, owner: RemoteClient) -> Callable[[], Page]:
    """Open tabs of one browser, in which the owner is signed in."""
    empty(owner)
    first = visitor.open("about:blank")
    first.context.add_cookies(session_of(service)["cookies"])

    def open_tab() -> Page:
        page = first.context.new_page()
        page.goto(service.url)
        return page

    return open_tab


def test_signing_out_in_one_tab_takes_the_drive_off_the_other_one(
    tab: Callable[[], Page], owner: RemoteClient
) -> None:
    owner.upload(b"", filename="salaries.ods")
    here, there = tab(), tab()
    for page in (here, there):
        expect(page.get_by_text("salaries.ods")).to_be_visible()
    there.get_by_role("link", name="Trash").click()
    expect(there.get_by_text("The trash is empty")).to_be_visible()
    here.get_by_role("button", name="Sign out").click()
    for page in (here, there):
        expect(page.get_by_label("Password")).to_be_visible()
        assert "salaries" not in page.content()
        assert "salaries" not in page.title()
        assert page.evaluate(STORED) == [0, 0, "", 0, 0]
    there.go_back()
    expect(there.get_by_label("Password")).to_be_visible()
    assert "salaries" not in there.content()


def test_a_session_that_ended_elsewhere_is_noticed_within_a_minute(
    tab: Callable[[], Page], owner: RemoteClient, service: Server
) -> None:
    owner.upload(b"", filename="salaries.ods")
    page = tab()
    page.clock.install()
    page.reload()
    expect(page.get_by_text("salaries.ods")).to_be_visible()
    service.manage(
        "shell",
        "-c",
        "from django.contrib.sessions.models import Session;Session.objects.all().delete()",
    )
    page.clock.run_for(60_000)
    expect(page.get_by_label("Password")).to_be_visible()
    assert "salaries" not in page.content()


def test_a_token_that_is_refused_is_renewed_and_the_call_repeated(
    tab: Callable[[], Page], owner: RemoteClient
) -> None:
    owner.upload(b"", filename="plan.txt")
    page = tab()
    expect(page.get_by_text("plan.txt")).to_be_visible()
    issued: list[Any] = []
    page.on("response", lambda got: issued.append(got) if got.url.endswith("/token") else None)
    expired = {"title": "Expired", "status": 401, "detail": "", "code": "token-expired"}
    page.route("**/files?*", lambda route: route.fulfill(status=401, json=expired), times=1)
    again = page.expect_response(lambda got: "/files?" in got.url and got.ok)
    with again:
        page.get_by_label("Sort").select_option("Added, oldest first")
    expect_names(page, ["plan.txt"])
    assert len(issued) == 1


def test_the_page_says_when_the_service_cannot_be_reached(
    tab: Callable[[], Page], owner: RemoteClient
) -> None:
    page = tab()
    page.route(
        "**/folders?*",
        lambda route: route.fulfill(
            status=503,
            headers={"Retry-After": "1"},
            json={
                "title": "Busy",
                "status": 503,
                "detail": "",
                "code": "store-unavailable",
                "request_id": "0123456789abcdef",
            },
        ),
    )
    page.get_by_label("Sort").select_option("Added, oldest first")
    expect(page.locator("#problem")).to_contain_text("The store does not answer.")
    expect(page.locator("#problem")).to_contain_text("0123456789abcdef")
    page.get_by_role("button", name="Dismiss").click()
    expect(page.locator("#problem")).to_be_empty()


def test_a_link_on_another_site_leaves_the_open_drive_its_session(
    tab: Callable[[], Page], owner: RemoteClient, service: Server
) -> None:
    owner.upload(b"", filename="plan.txt")
    page, other = tab(), tab()
    cookies = {each["name"]: each["value"] for each in page.context.cookies()}
    link = f"<a href='{service.url}/'>The drive</a>"
    elsewhere = "http://elsewhere.example/"
    other.route(elsewhere, lambda route: route.fulfill(content_type="text/html", body=link))
    other.goto(elsewhere)
    other.get_by_text("The drive").click()
    expect(other.get_by_label("Password")).to_be_visible()
    page.clock.install()
    page.reload()
    expect_names(page, ["plan.txt"])
    assert {each["name"]: each["value"] for each in page.context.cookies()} == cookies
    # Without the cookie the next page has another one, and the open page takes over its token.
    page.context.clear_cookies(name="csrftoken")
    other.goto(f"{service.url}/")
    with page.expect_response(lambda got: got.url.endswith("/token") and got.ok):
        page.clock.run_for(60_000)
    expect_names(page, ["plan.txt"])
    page.context.clear_cookies(name="csrftoken")
    other.goto(f"{service.url}/")
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("Password")).to_be_visible()
    expect(other.get_by_label("Password")).to_be_visible()
