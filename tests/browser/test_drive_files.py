"""One file in the drive's page: previews, shares, and names that try to be more than text."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Dialog, Download, Page, expect

from tests import settings as test_settings
from tests.browser.conftest import Visitor
from tests.browser.page import (
    choose_files,
    dialog,
    downloaded,
    expect_names,
    file,
    row,
    select,
    tool,
)
from tests.support.server import RemoteClient, Server

pytestmark = [pytest.mark.slow, pytest.mark.once]

Drive = Callable[..., Page]
STORE = test_settings.MINIO_PUBLIC_ENDPOINT
PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
HOSTILE = "<img src=x onerror=alert(1)>.txt"
LONG = "long-" * 50 + ".txt"
BIDI = "\u202egnp.exe"
RENAME = (
    "from files.models import Folder;"
    "Folder.objects.filter(name='folder').update(name=chr(0x202e) + 'gnp.exe')"
)


def test_what_a_browser_may_safely_show_is_previewed(drive: Drive, owner: RemoteClient) -> None:
    for name, content, kind in (
        ("page.html", b"<script>alert(1)</script>", "text/html"),
        ("sound.mp3", b"no sound", "audio/mpeg"),
        ("report.pdf", b"%PDF-1.4", "application/pdf"),
        ("notes.txt", "grün <b>".encode() + b"x" * 300_000, "text/plain"),
        ("dot.png", PIXEL, "image/png"),
    ):
        owner.upload(content, filename=name, content_type=kind)
    page = drive()

    def preview(name: str) -> Any:
        page.keyboard.press("Escape")
        row(page, name).locator(".open").click()
        return expect(dialog(page))

    preview("dot.png").to_be_visible()
    image = dialog(page).get_by_role("img", name="dot.png")
    expect(image).to_have_js_property("naturalWidth", 1)
    preview("notes.txt").to_contain_text("grün <b>xxx")
    expect(dialog(page)).to_contain_text("Only the beginning is shown.")
    preview("report.pdf").to_be_visible()
    link = dialog(page).get_by_role("link", name="Open in a new tab")
    expect(link).to_have_attribute("rel", "noopener")
    preview("sound.mp3").to_be_visible()
    expect(dialog(page).locator("audio")).to_be_visible()
    preview("page.html").to_contain_text("There is no preview of this kind of file.")
    button = dialog(page).get_by_role("button", name="Download")
    assert downloaded(page, button) == b"<script>alert(1)</script>"


def test_files_are_downloaded_while_another_is_sent(drive: Drive, owner: RemoteClient) -> None:
    for name in ("a.txt", "b.txt"):
        owner.upload(name.encode(), filename=name)
    page = drive()
    page.route("**/files/commit", lambda route: None)
    choose_files(page, file("c.txt", b"c"))
    expect(page.locator("#uploads")).to_contain_text("Finishing")
    asked: list[str] = []

    def asks(question: Dialog) -> None:
        asked.append(question.type)
        question.accept()

    page.on("dialog", asks)
    select(page, "a.txt", "b.txt")
    saved: list[Download] = []

    def all_arrived(download: Download) -> bool:
        saved.append(download)
        return len(saved) == 2

    with page.expect_download(all_arrived):
        tool(page, "Download")
    assert {each.path().read_bytes() for each in saved} == {b"a.txt", b"b.txt"}
    assert asked == []  # Whether the page may be left.
    select(page, "a.txt")
    page.route(f"{STORE}/**", lambda route: route.fulfill(status=403, body="<Error/>"))
    tool(page, "Download")
    expect(page.locator("#problem")).to_contain_text("The store did not send the file.")


def test_a_share_is_made_used_in_another_profile_and_ended(
    drive: Drive, owner: RemoteClient, visitor: Visitor
) -> None:
    owner.upload(b"shared bytes", filename="plan.txt")
    page = drive(permissions=["clipboard-read", "clipboard-write"])
    select(page, "plan.txt")
    tool(page, "Share")
    shares = dialog(page)
    expect(shares.get_by_text("None yet.")).to_be_visible()
    shares.get_by_label("Password (optional)").fill("open sesame")
    shares.get_by_label("Number of downloads (optional)").fill("3")
    shares.get_by_label("Until (optional)").fill("2030-01-31T12:00")
    shares.get_by_role("button", name="Make a link").click()
    shares.get_by_role("button", name="Copy the link").click()
    expect(shares.get_by_text("Copied.")).to_be_visible()
    url = page.evaluate("navigator.clipboard.readText()")
    assert url == shares.get_by_role("textbox", name="The link").input_value()

    guest = visitor.open(url)
    guest.get_by_label("Password", exact=True).fill("open sesame")
    assert downloaded(guest, guest.get_by_role("button", name="Download")) == b"shared bytes"

    page.keyboard.press("Escape")
    tool(page, "Share")
    expect(shares.get_by_text("1 of 3 downloads")).to_be_visible()
    expect(shares.get_by_text("with a password")).to_be_visible()
    shares.get_by_text("What it was used for").click()
    expect(shares.locator(".trail")).to_contain_text("downloaded · version 1")
    shares.get_by_role("button", name="End the link").click()
    expect(shares.get_by_text("ended by you")).to_be_visible()
    guest.goto(url)
    expect(guest.get_by_role("heading")).to_have_text("This link was withdrawn")


def test_what_cannot_be_shared_so_is_said_in_the_dialog(drive: Drive, owner: RemoteClient) -> None:
    owner.upload(b"", filename="plan.txt")
    page = drive()
    select(page, "plan.txt")
    tool(page, "Share")
    dialog(page).get_by_label("Until (optional)").fill("2001-01-31T12:00")
    dialog(page).get_by_role("button", name="Make a link").click()
    expect(dialog(page).get_by_role("status")).to_contain_text("It must be in the future")


@pytest.mark.parametrize("width", [360, 1280])
def test_names_are_text_and_the_layout_holds(
    drive: Drive, owner: RemoteClient, service: Server, width: int
) -> None:
    for name in (LONG, HOSTILE):
        owner.upload(b"", filename=name)
    owner.post("/folders", {"name": "folder"})
    service.manage("shell", "-c", RENAME)
    page = drive(viewport={"width": width, "height": 700})
    page.evaluate("() => { window.alert = () => { window.alerted = true; }; }")
    expect_names(page, [BIDI, HOSTILE, LONG])
    for name in (HOSTILE, LONG):
        row(page, name).locator(".open").click()
        expect(dialog(page).get_by_role("heading", level=2)).to_have_text(name)
        page.keyboard.press("Escape")
        for title in ("Share", "Versions", "Rename", "Move"):
            tool(page, title)
            expect(dialog(page)).to_be_visible()
            wide = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
            assert page.evaluate(wide) is False
            box = dialog(page).bounding_box()
            assert box is not None
            assert box["width"] <= width
            page.keyboard.press("Escape")
    row(page, BIDI).locator(".open").click()
    expect(page.locator("#path")).to_contain_text(BIDI)
    assert page.locator("main img").count() == 0
    assert page.evaluate("window.alerted") is None
    assert page.evaluate("getComputedStyle(document.querySelector('#path bdi')).unicodeBidi") == (
        "isolate"
    )


def test_quota_and_usage_are_shown(drive: Drive, owner: RemoteClient, service: Server) -> None:
    owner.upload(b"x" * 2048, filename="two.bin")
    page = drive()
    expect(page.locator("#usage")).to_contain_text("used")
    service.manage("quota", "owner", "1MiB")
    try:
        page.reload()
        expect(page.locator("#usage")).to_contain_text("of 1.0\xa0MB used")
        expect(page.get_by_label("Used space")).to_be_visible()
    finally:
        service.manage("quota", "owner", "none")
