"""Takes the screenshots of the documents: the page of a share, against a service of its own.

`.venv/bin/python scripts/screenshots.py [FOLDER]`; needs Chromium and the development requirements.
"""

from __future__ import annotations

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
from tests.support import server  # noqa: E402
from tests.support.client import Client  # noqa: E402
from tests.support.store import EmbeddedStore, make_bucket  # noqa: E402

LARGEST = 60 * 1024
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
        target = folder / f"{name}.png"
        page.screenshot(path=target, animations="disabled", full_page=True)
        if target.stat().st_size > LARGEST:
            raise SystemExit(f"{target.name} is too large: {target.stat().st_size} bytes")

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
