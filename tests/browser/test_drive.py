"""The drive in Chromium: folders, files, and what is done with them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import PASSWORD, Visitor
from tests.browser.page import (
    choose_files,
    dialog,
    downloaded,
    drop,
    expect_names,
    file,
    row,
    select,
    tool,
    uploaded,
)
from tests.support.server import RemoteClient, Server

Drive = Callable[..., Page]
slow = pytest.mark.slow


@pytest.mark.once
def test_one_signs_in_sends_a_file_and_gets_it_back(
    visitor: Visitor, service: Server, session: Any
) -> None:
    page = visitor.open(service.url)
    page.get_by_label("User name").fill("owner")
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("is not right")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_text("Nothing here yet")).to_be_visible()
    choose_files(page, file("plan.txt", b"the bytes"))
    uploaded(page, 1)
    select(page, "plan.txt")
    button = page.locator("#tools").get_by_role("button", name="Download")
    assert downloaded(page, button) == b"the bytes"


@slow
@pytest.mark.once
def test_folders_are_made_opened_by_the_keyboard_and_left_by_the_path(
    drive: Drive, owner: RemoteClient
) -> None:
    page = drive()
    tool(page, "New folder")
    dialog(page).get_by_label("Name").fill("Travel")
    page.keyboard.press("Enter")
    expect_names(page, ["Travel"])
    tool(page, "New folder")
    dialog(page).get_by_label("Name").fill("Travel")
    page.keyboard.press("Enter")
    expect(dialog(page).get_by_role("alert")).to_contain_text("of this name already")
    page.keyboard.press("Escape")
    page.locator("#list").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Nothing here yet")).to_be_visible()
    assert page.url.endswith(owner.get("/folders")["results"][0]["id"])
    assert page.title() == "Travel · Remote Drive"
    page.locator("#path").get_by_role("link", name="Files").click()
    expect_names(page, ["Travel"])
    page.go_back()
    expect(page.get_by_text("Nothing here yet")).to_be_visible()


@slow
@pytest.mark.once
def test_the_keyboard_alone_selects_renames_trashes_and_searches(
    drive: Drive, owner: RemoteClient
) -> None:
    for name in ("c.txt", "b.txt", "a.txt"):
        owner.upload(b"", filename=name)
    page = drive()
    expect_names(page, ["a.txt", "b.txt", "c.txt"])
    grid = page.locator("#list")
    for _ in range(30):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == "list":
            break
    expect(grid).to_be_focused()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Shift+ArrowDown")
    selected = page.locator("#list .rows [aria-selected=true]")
    expect(selected).to_have_count(2)
    page.keyboard.press("Control+a")
    expect(selected).to_have_count(3)
    page.keyboard.press("Escape")
    expect(selected).to_have_count(0)
    page.keyboard.press("Home")
    page.keyboard.press("F2")
    expect(dialog(page).get_by_label("Name")).to_be_focused()
    page.keyboard.type("d")  # The extension is not selected.
    page.keyboard.press("Enter")
    expect_names(page, ["d.txt", "b.txt", "c.txt"])
    grid.focus()
    page.keyboard.press("End")
    page.keyboard.press("Delete")
    expect_names(page, ["d.txt", "b.txt"])
    page.get_by_role("button", name="Undo").press("Enter")
    expect_names(page, ["d.txt", "b.txt", "c.txt"])
    expect(grid).to_be_focused()
    page.keyboard.press("Alt+/")
    expect(grid).to_be_focused()
    page.keyboard.press("/")
    page.keyboard.type("B.T")
    expect_names(page, ["b.txt"])
    page.keyboard.press("Enter")
    expect(grid).to_be_focused()
    page.keyboard.press("/")
    for _ in range(3):
        page.keyboard.press("Backspace")
    expect_names(page, ["d.txt", "b.txt", "c.txt"])


@slow
@pytest.mark.once
def test_entries_are_moved_by_dialog_and_by_dragging_and_files_are_copied(
    drive: Drive, owner: RemoteClient
) -> None:
    folder = owner.post("/folders", {"name": "Inbox"})["id"]
    for name in ("two.txt", "one.txt"):
        owner.upload(b"", filename=name)
    page = drive()
    expect_names(page, ["Inbox", "one.txt", "two.txt"])
    row(page, "one.txt").drag_to(row(page, "Inbox"))
    expect_names(page, ["Inbox", "two.txt"])
    select(page, "two.txt")
    tool(page, "Move")
    dialog(page).get_by_role("button", name="Inbox").click()
    expect(dialog(page).get_by_text("No folders in here.")).to_be_visible()
    dialog(page).get_by_role("button", name="Move here").click()
    expect_names(page, ["Inbox"])
    inside = {
        each["name"]: each["id"] for each in owner.get(f"/files?folder_id={folder}")["results"]
    }
    assert set(inside) == {"one.txt", "two.txt"}
    page.get_by_text("Inbox", exact=True).last.click()
    expect_names(page, ["one.txt", "two.txt"])
    select(page, "one.txt", "two.txt")
    tool(page, "Copy")
    dialog(page).get_by_role("button", name="Files").click()
    dialog(page).get_by_role("button", name="Copy here").click()
    expect(page.locator("#message")).to_contain_text("Copied 2 items.")
    # Both are selected still, and go together.
    row(page, "one.txt").drag_to(page.locator("#path").get_by_role("link", name="Files"))
    expect(page.get_by_text("Nothing here yet")).to_be_visible()
    assert len(owner.get("/files?folder_id=root")["results"]) == 4


@slow
@pytest.mark.once
def test_what_is_in_the_trash_is_restored_or_deleted_for_good(
    drive: Drive, owner: RemoteClient
) -> None:
    folder = owner.post("/folders", {"name": "Old"})["id"]
    owner.upload(b"", filename="inside.txt", folder_id=folder)
    for name in ("gone.txt", "kept.txt", "last.txt"):
        owner.upload(b"", filename=name)
    elsewhere = owner.upload(b"", filename="elsewhere.txt")["fileId"]
    page = drive()
    expect_names(page, ["Old", "elsewhere.txt", "last.txt", "kept.txt", "gone.txt"])
    grid, empty = page.locator("#list"), page.locator("#empty")
    grid.focus()
    page.keyboard.press("Control+a")
    assert owner.delete(f"/files/{elsewhere}?permanent=true").status == 204
    page.keyboard.press("Delete")
    problem = page.locator("#problem")
    expect(problem).to_contain_text("1 of 5 could not be deleted: It is no longer there.")
    expect_names(page, ["elsewhere.txt"])
    page.reload()
    expect(page.get_by_text("Nothing here yet")).to_be_visible()
    page.get_by_role("link", name="Trash").click()
    expect_names(page, ["Old", "last.txt", "kept.txt", "gone.txt"])
    select(page, "Old", "kept.txt")
    tool(page, "Restore")
    expect_names(page, ["last.txt", "gone.txt"])
    expect(grid).to_be_focused()
    select(page, "gone.txt")
    tool(page, "Delete for good")
    dialog(page).get_by_role("button", name="Delete for good").click()
    expect_names(page, ["last.txt"])
    tool(page, "Empty the trash")
    dialog(page).get_by_role("button", name="Empty the trash").click()
    expect(page.get_by_text("The trash is empty")).to_be_visible()
    expect(empty).to_be_focused()
    names = {each["name"] for each in owner.get("/files")["results"]}
    assert names == {"kept.txt", "inside.txt"}


@slow
@pytest.mark.once
def test_files_are_sorted_by_time_name_and_size(drive: Drive, owner: RemoteClient) -> None:
    for name, size in (("file 10.txt", 1), ("File 2.txt", 3), ("an.txt", 2)):
        owner.upload(b"x" * size, filename=name)
    page = drive()
    expect_names(page, ["an.txt", "File 2.txt", "file 10.txt"])
    for order, expected in (
        ("Added, oldest first", ["file 10.txt", "File 2.txt", "an.txt"]),
        ("Name", ["an.txt", "File 2.txt", "file 10.txt"]),
        ("Size", ["File 2.txt", "an.txt", "file 10.txt"]),
    ):
        page.get_by_label("Sort").select_option(order)
        expect_names(page, expected)


@slow
def test_a_folder_is_dropped_with_what_is_in_it(
    drive: Drive, owner: RemoteClient, tmp_path: Path
) -> None:
    for name in ("album/a.txt", "album/deep/b.txt", "album/deep/deeper/c.txt"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    (tmp_path / "album/empty").mkdir()
    page = drive()
    drop(page, page.locator("main"), tmp_path / "album")
    uploaded(page, 3)
    expect_names(page, ["album"])
    for name in ("album/a.txt", "album/deep/b.txt", "album/deep/deeper/c.txt"):
        found = owner.get(f"/lookup?path=/{name}")["file"]
        assert owner.read(found["id"]) == name.encode()
    assert owner.get("/lookup?path=/album/empty")["folder"]["name"] == "empty"
    # Once more, onto the folder itself: the folders are there already.
    drop(page, row(page, "album"), tmp_path / "album" / "a.txt")
    expect(dialog(page).get_by_text("is in this folder")).to_be_visible()
    dialog(page).get_by_role("button", name="New version").click()
    uploaded(page, 4)
    assert owner.get("/lookup?path=/album/a.txt")["file"]["version"] == 2
