"""10,000 entries in one folder of the drive: drawn at once, loaded as one scrolls."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.page import expect_names
from tests.support.server import RemoteClient, Server

pytestmark = [pytest.mark.slow, pytest.mark.once]

Drive = Callable[..., Page]
NUMBER = 10_000
MAKE = f"""
from files.models import File, FileVersion, User
from datetime import timedelta
from django.utils import timezone
user, now = User.objects.get(subject="owner"), timezone.now()
files = File.objects.bulk_create([File(
    user=user, name=f"file {{n:05d}}.txt", size=n, content_type="text/plain",
    checksum="sha256:" + "0" * 64, integrity="read", key_current=f"uploads/{{n}}",
    version_current=1, created_at=now + timedelta(milliseconds=n), updated_at=now,
) for n in range({NUMBER})])
FileVersion.objects.bulk_create([FileVersion(
    file=file, version=1, key=f"uploads/{{n}}", store_version_id="v", etag="e", size=n,
    content_type="text/plain", checksum=file.checksum, integrity="read", created_by=user,
) for n, file in enumerate(files)])
"""
PURGE = "from files.models import File, FileVersion; FileVersion.objects.all().delete();"
PURGE += "File.objects.all().delete()"
PAINTED = """() => new Promise((resolve) => {
  const look = () => document.querySelector("#list .rows .row")
    ? requestAnimationFrame(() => resolve(performance.now())) : requestAnimationFrame(look);
  look();
})"""


def test_a_folder_of_10_000_files_is_shown_at_once_and_loaded_to_its_end(
    drive: Drive, owner: RemoteClient, service: Server
) -> None:
    page = drive()
    service.manage("shell", "-c", MAKE)
    try:
        page.reload(wait_until="commit")
        painted = page.evaluate(PAINTED)
        print(f"first rows after {painted:.0f} ms")
        devtools = page.context.new_cdp_session(page)
        before = devtools.send("Runtime.getHeapUsage")["usedSize"]
        # As a wheel does: always on to the end of what is loaded.
        grid = page.locator("#list")
        for _ in range(3):
            grid.evaluate("(list) => { list.scrollTop = list.scrollHeight; }")
            page.wait_for_timeout(200)
        assert (
            100 < int(grid.locator(".rows").evaluate("(rows) => rows.clientHeight")) / 44 < NUMBER
        )
        grid.focus()
        page.keyboard.press("End")
        last = page.locator("#list .rows .row").last
        expect(last).to_contain_text("file 00000.txt", timeout=60_000)
        expect(grid).to_have_attribute("aria-rowcount", str(NUMBER + 1))
        assert page.locator("#list .rows .row").count() < 100
        devtools.send("HeapProfiler.collectGarbage")
        after = devtools.send("Runtime.getHeapUsage")["usedSize"]
        print(f"heap {before >> 20} MiB, then {after >> 20} MiB")
        assert after - before < 30 << 20
        page.keyboard.press("Home")
        expect(page.locator("#list .rows .row").first).to_contain_text("file 09999.txt")
        page.get_by_label("Sort").select_option("Name")
        expect(page.locator("#loading")).to_have_text("Loading…")
        expect(page.locator("#list .rows .row").first).to_contain_text("file 00000.txt")
        expect(page.locator("#loading")).to_be_empty()
        page.get_by_label("Search the names of files").fill("07777")
        expect_names(page, ["file 07777.txt"])
    finally:
        service.manage("shell", "-c", PURGE)
