"""From `scripts/run` to another person's download, with what it printed and a browser only."""

from __future__ import annotations

import os
import re
import threading
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Visitor
from tests.browser.page import dialog, downloaded, drop, row, select, tool, uploaded
from tests.support.run_script import Run, run

__all__ = ["run"]

pytestmark = [pytest.mark.slow, pytest.mark.once]

NUMBER = 300


def test_what_it_prints_signs_in_and_a_folder_of_300_files_is_shared_byte_for_byte(
    run: Run, visitor: Visitor, tmp_path: Path
) -> None:
    folder = tmp_path / "holiday"
    folder.mkdir()
    for number in range(NUMBER):
        (folder / f"{number:03d}.bin").write_bytes(os.urandom(1000 + number))
    process = run.start()
    # The log of 300 uploads is more than a pipe holds, and the service would wait.
    threading.Thread(target=process.stderr.read, daemon=True).start()  # type: ignore[union-attr]
    said = re.search(r"Open (\S+) and sign in as (\S+) with the password (\S+)", run.read_banner())
    assert said
    page = visitor.open(said[1])
    page.get_by_label("User name").fill(said[2])
    page.get_by_label("Password").fill(said[3])
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_text("Nothing here yet")).to_be_visible()
    drop(page, page.locator("main"), folder)
    uploaded(page, NUMBER)
    row(page, "holiday").locator(".open").click()
    page.get_by_label("Sort").select_option("Name")
    expect(page.locator("#list")).to_have_attribute("aria-rowcount", str(NUMBER + 1))
    select(page, "007.bin")
    tool(page, "Share")
    dialog(page).get_by_role("button", name="Make a link").click()
    url = dialog(page).get_by_role("textbox", name="The link").input_value()
    guest = visitor.open(url)
    got = downloaded(guest, guest.get_by_role("button", name="Download"))
    assert got == (folder / "007.bin").read_bytes()
    assert visitor.complaints == []
