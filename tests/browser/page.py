"""What a person does on the drive's page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from playwright.sync_api import Locator, Page, expect


def names(page: Page) -> list[str]:
    """Return the names in the rows that are in the document, from the top."""
    return page.locator("#list .rows .open").all_inner_texts()


def row(page: Page, name: str) -> Locator:
    return page.locator("#list .rows .row").filter(has=page.get_by_text(name, exact=True))


def expect_names(page: Page, expected: Sequence[str]) -> None:
    expect(page.locator("#list .rows .open")).to_have_text(list(expected))


def select(page: Page, *chosen: str) -> None:
    """Select these entries and no others, by their boxes."""
    page.locator("#list").press("Escape")
    for name in chosen:
        row(page, name).locator(".box").click()


def tool(page: Page, name: str) -> None:
    page.locator("#tools").get_by_role("button", name=name, exact=True).click()


def choose_files(page: Page, *files: Path | dict[str, Any]) -> None:
    chosen: Any = list(files)
    page.locator("#tools").get_by_label("Upload files").set_input_files(chosen)


def file(name: str, content: bytes, kind: str = "text/plain") -> dict[str, Any]:
    """Return a file as Playwright takes it in place of one on the disk."""
    return {"name": name, "mimeType": kind, "buffer": content}


def drop(page: Page, target: Locator, *files: Path) -> None:
    """Drop files or folders of the disk, as a person does: trusted events of the browser's own."""
    box = target.bounding_box()
    assert box is not None
    data = {"items": [], "files": [str(file) for file in files], "dragOperationsMask": 1}
    at = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2, "data": data}
    devtools = page.context.new_cdp_session(page)
    for kind in ("dragEnter", "dragOver", "drop"):
        devtools.send("Input.dispatchDragEvent", {"type": kind, **at})


def uploaded(page: Page, number: int) -> None:
    """Wait until so many files are uploaded, and no other is on its way."""
    files = "file" if number == 1 else "files"
    title = page.locator("#uploads-title")
    expect(title).to_have_text(f"{number} {files} uploaded", timeout=120_000)


def downloaded(page: Page, press: Locator) -> bytes:
    with page.expect_download() as arriving:
        press.click()
    return arriving.value.path().read_bytes()


def dialog(page: Page) -> Locator:
    return page.get_by_role("dialog")


def limit_upload(page: Page, bytes_per_second: int) -> None:
    """Let a page send no faster; -1: as fast as it can."""
    page.context.new_cdp_session(page).send(
        "Network.emulateNetworkConditions",
        {
            "offline": False,
            "latency": 0,
            "downloadThroughput": -1,
            "uploadThroughput": bytes_per_second,
        },
    )
