"""Takes the screenshots of the documents: a share and the drive, of a service of its own.

`.venv/bin/python scripts/screenshots.py [FOLDER]`; needs Chromium and the development requirements.
"""

from __future__ import annotations

import base64
import logging
import os
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"

import django  # noqa: E402

django.setup()
logging.getLogger("httpx").setLevel(logging.WARNING)

from playwright.sync_api import Browser, Page  # noqa: E402

from tests import settings as test_settings  # noqa: E402
from tests.browser import chromium  # noqa: E402
from tests.browser.conftest import session_of  # noqa: E402
from tests.browser.page import (  # noqa: E402
    choose_files,
    file,
    limit_upload,
    row,
    select,
    tool,
)
from tests.support import server  # noqa: E402
from tests.support.client import Client  # noqa: E402
from tests.support.server import Server  # noqa: E402
from tests.support.store import EmbeddedStore, make_bucket  # noqa: E402

LARGEST = 80 * 1024
DRIVE = {"width": 1000, "height": 560}
PICTURE = """() => {
  const canvas = new OffscreenCanvas(640, 360);
  const context = canvas.getContext("2d");
  const sky = context.createLinearGradient(0, 0, 0, 360);
  sky.addColorStop(0, "#4477cc");
  sky.addColorStop(1, "#ffd9a0");
  context.fillStyle = sky;
  context.fillRect(0, 0, 640, 360);
  context.fillStyle = "#2b4a3a";
  for (const [x, y] of [[120, 150], [360, 90], [560, 190]]) {
    context.beginPath();
    context.moveTo(x - 260, 360);
    context.lineTo(x, y);
    context.lineTo(x + 260, 360);
    context.fill();
  }
  return canvas.convertToBlob().then((blob) => new Promise((resolve) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result.split(",")[1]);
    reader.readAsDataURL(blob);
  }));
}"""
WIDE = {"width": 800, "height": 440}
PHONE = {"width": 390, "height": 700}


def main() -> int:
    """Write the PNG files; return the exit status."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docx" / "images"
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as data:
        store = _store(Path(data, "store"))
        try:
            Path(data, "service").mkdir()
            with server.running(Path(data, "service")) as service, chromium.launched() as browser:
                _take(browser, service.client("alice"), folder)
                _take_drive(browser, service, folder)
        finally:
            if store is not None:
                store.stop()
    return 0


def _store(folder: Path) -> EmbeddedStore | None:
    store = None
    if test_settings.EMBEDDED_STORE_PORT is not None:
        folder.mkdir()
        store = EmbeddedStore(data=folder, port=test_settings.EMBEDDED_STORE_PORT)
        store.start()
    make_bucket()
    return store


def _take(browser: Browser, owner: Client, folder: Path) -> None:
    content = os.urandom(2_345_678)
    file = owner.upload(content, filename="Annual report 2026.pdf", content_type="application/pdf")

    def url_of_share(permission: str, password: str | None = None, days: float = 14) -> str:
        ends = (datetime.now(UTC) + timedelta(days=days)).replace(hour=18, minute=0)
        body = {"file_id": file["fileId"], "permission": permission, "password": password}
        return str(owner.post("/shares", body | {"expires_at": ends.isoformat()})["url"])

    def shoot(page: Page, name: str) -> None:
        _shoot(page, folder, name)

    page = _open(browser, url_of_share("read"), WIDE)
    shoot(page, "share-read")

    page = _open(browser, url_of_share("write"), WIDE)
    shoot(page, "share-write")
    upload = {"name": "Annual report, corrected.pdf", "mimeType": "application/pdf"}
    page.set_input_files("#file", {**upload, "buffer": content + b"%%EOF"})  # type: ignore[arg-type]
    page.wait_for_selector("#status.good")
    shoot(page, "share-done")

    page = _open(browser, url_of_share("read", "correct horse"), WIDE)
    page.fill("#password", "correct horse")
    shoot(page, "share-password")

    page = _open(browser, url_of_share("write"), PHONE, color_scheme="dark", device_scale_factor=1)
    cdp = page.context.new_cdp_session(page)
    slow = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 1_000_000}
    cdp.send("Network.emulateNetworkConditions", slow)
    page.set_input_files("#file", {**upload, "buffer": content})  # type: ignore[arg-type]
    while page.evaluate("document.getElementById('bar').value") < 55:
        page.wait_for_timeout(50)
    shoot(page, "share-phone-dark")


def _take_drive(browser: Browser, service: Server, folder: Path) -> None:
    alice = service.client("alice")
    for old in alice.get("/files")["results"]:
        alice.delete(f"/files/{old['id']}?permanent=true")
    for name in ("Contracts", "Photos", "Travel"):
        alice.post("/folders", {"name": name})
    page = _open(browser, service.url, DRIVE)
    picture = base64.b64decode(page.evaluate(PICTURE))
    for name, content, kind in (
        ("Minutes.txt", b"Present: all.\n" * 90, "text/plain"),
        ("Interview.mp3", bytes(3_400_000), "audio/mpeg"),
        ("Annual report 2026.pdf", bytes(2_345_678), "application/pdf"),
        ("Mountains.png", picture, "image/png"),
    ):
        alice.upload(content, filename=name, content_type=kind)
    state = session_of(service, "alice")
    page = _open(browser, service.url, DRIVE, storage_state=state)
    page.wait_for_selector("#list .rows .row")
    page.wait_for_selector("#usage:not(:empty)")
    select(page, "Mountains.png")
    _shoot(page, folder, "drive-list")
    row(page, "Mountains.png").locator(".open").click()
    page.wait_for_function("() => document.querySelector('.preview img')?.naturalWidth > 0")
    _shoot(page, folder, "drive-preview")
    page.keyboard.press("Escape")
    tool(page, "Share")
    page.get_by_label("Until (optional)").fill("2030-01-31T18:00")
    page.get_by_role("button", name="Make a link").click()
    page.wait_for_selector(".made:visible")
    page.wait_for_selector(".shares details")
    _shoot(page, folder, "drive-share")
    page.keyboard.press("Escape")
    select(page)
    limit_upload(page, 400_000)
    files: Any = [file(f"Photo {n}.jpg", os.urandom(900_000 * n), "image/jpeg") for n in (1, 2, 3)]
    choose_files(page, *files)
    page.wait_for_function("() => document.querySelector('#uploads > progress')?.value >= 30")
    _shoot(page, folder, "drive-uploads")

    page = _open(browser, service.url, PHONE, storage_state=state, color_scheme="dark")
    page.wait_for_selector("#list .rows .row")
    _shoot(page, folder, "drive-phone-dark")


def _shoot(page: Page, folder: Path, name: str) -> None:
    target = folder / f"{name}.png"
    page.screenshot(path=target, animations="disabled", full_page=True)
    if target.stat().st_size > LARGEST:
        raise SystemExit(f"{target.name} is too large: {target.stat().st_size} bytes")


def _open(browser: Browser, url: str, size: dict[str, int], **options: Any) -> Page:
    context = browser.new_context(
        viewport=size,  # type: ignore[arg-type]
        timezone_id="Europe/Berlin",
        **options,
    )
    page = context.new_page()
    page.goto(url)
    return page


if __name__ == "__main__":
    sys.exit(main())
