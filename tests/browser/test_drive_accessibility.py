"""WCAG 2.2 AA by axe-core, on every view of the drive, of sign-in and of a share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.browser.conftest import Visitor
from tests.browser.page import choose_files, dialog, file, row, select, tool, uploaded
from tests.support.server import RemoteClient, Server

pytestmark = [pytest.mark.slow, pytest.mark.once]

Drive = Callable[..., Page]
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
PHONE = {"viewport": {"width": 360, "height": 740}, "is_mobile": True, "has_touch": True}
WIDE = {"viewport": {"width": 1280, "height": 800}}
WIDER = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
MOVING = """() => document.getAnimations().length + [...document.querySelectorAll("*")].filter(
  (each) => parseFloat(getComputedStyle(each).transitionDuration) > 0).length"""


def check(page: Page) -> None:
    """Assert that axe finds nothing, and that nothing is wider than the window."""
    options = {"runOnly": {"type": "tag", "values": TAGS}}
    found: Any = Axe().run(page, options=options).response["violations"]
    said = [(each["id"], [node["html"][:200] for node in each["nodes"]]) for each in found]
    assert said == []
    assert page.evaluate(WIDER) is False


@pytest.mark.parametrize(("scheme", "size"), [("dark", PHONE), ("light", WIDE)])
def test_no_view_has_a_violation(
    drive: Drive, owner: RemoteClient, scheme: str, size: dict[str, Any]
) -> None:
    page = drive(color_scheme=scheme, reduced_motion="reduce", **size)
    check(page)  # empty
    owner.post("/folders", {"name": "Travel"})
    owner.upload(b"first", filename="plan.txt")
    owner.upload(b"", filename="gone.txt")
    page.reload()
    choose_files(page, file("new.txt", b"new"))
    uploaded(page, 1)
    check(page)
    select(page, "Travel", "plan.txt")
    check(page)
    select(page, "plan.txt")
    for name in ("Open", "Share", "Versions", "Rename", "Move"):
        tool(page, name)
        expect(dialog(page)).to_be_visible()
        expect(dialog(page).get_by_text("Loading…")).to_have_count(0)
        if name == "Share":
            dialog(page).get_by_role("button", name="Make a link").click()
            expect(dialog(page).get_by_role("button", name="Copy the link")).to_be_visible()
            dialog(page).get_by_text("What it was used for").click()
        check(page)
        page.keyboard.press("Escape")
    select(page, "gone.txt")
    tool(page, "Delete")
    choose_files(page, file("plan.txt", b"new"))
    expect(dialog(page)).to_be_visible()
    check(page)
    dialog(page).get_by_role("button", name="Skip").click()
    page.get_by_role("link", name="Trash").click()
    expect(row(page, "gone.txt")).to_be_visible()
    select(page, "gone.txt")
    check(page)
    tool(page, "Empty the trash")
    check(page)
    page.keyboard.press("Escape")
    page.get_by_label("Search the names of files").fill("no such name")
    expect(page.get_by_text("Nothing found")).to_be_visible()
    check(page)
    assert page.evaluate(MOVING) == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_neither_has_sign_in_nor_a_share_nor_a_problem(
    visitor: Visitor, service: Server, share: Callable[..., dict[str, Any]], scheme: str
) -> None:
    page = visitor.open(service.url, color_scheme=scheme, **PHONE)
    check(page)
    page.get_by_label("User name").fill("nobody")
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_be_visible()
    check(page)
    for url in (share(b"x", "write")["url"], share(password="p")["url"], f"{service.url}/s/none"):
        page.goto(url)
        check(page)
