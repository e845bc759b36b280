"""The page of a share in Chromium, against a running service and a store of another origin."""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect

from tests import settings as test_settings
from tests.browser.conftest import Visitor
from tests.browser.page import drop, limit_upload
from tests.support.server import RemoteClient, Server

pytestmark = pytest.mark.slow

Share = Callable[..., dict[str, Any]]
MIB = 1 << 20
STORE = test_settings.MINIO_PUBLIC_ENDPOINT
PHONE = {"viewport": {"width": 320, "height": 640}, "is_mobile": True, "has_touch": True}

WATCH_BAR = """() => {
  window.seen = [];
  const bar = document.getElementById("bar");
  new MutationObserver(() => window.seen.push(bar.value))
    .observe(bar, { attributes: true, attributeFilter: ["value"] });
}"""
FOCUSED = "document.activeElement.innerText || document.activeElement.id"
OUTLINE = "getComputedStyle(document.activeElement.closest('#drop, button')).outlineStyle"
HASH = """async (sizes) => {
  const { hash } = await import("/static/files/common/hashing.js");
  const read = [];
  const bytes = (size) => Uint8Array.from({ length: size }, (_, index) => index % 251);
  const hashes = await Promise.all(sizes.map((size) => hash(new Blob([bytes(size)]))));
  await hash(new Blob([bytes(9_000_000)]), { onProgress: (count) => read.push(count) });
  return [hashes, read];
}"""


def download(page: Page) -> bytes:
    """Press Download and return the bytes of the file that arrives."""
    with page.expect_download() as arriving:
        page.get_by_role("button", name="Download").click()
    return arriving.value.path().read_bytes()


def status(page: Page) -> Any:
    return expect(page.locator("#status"))


def in_seconds(seconds: float) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()


def test_30_mb_dropped_on_a_write_share_arrive_byte_for_byte(
    visitor: Visitor, share: Share, owner: RemoteClient, service: Server, tmp_path: Path
) -> None:
    content = os.urandom(30 * MIB + 7)
    dropped = tmp_path / "my plan.bin"
    dropped.write_bytes(content)
    shared = share(b"first version", "write")
    page = visitor.open(shared["url"])
    page.evaluate(WATCH_BAR)
    limit_upload(page, 20 * MIB)
    drop(page, page.locator("#drop"), dropped)
    status(page).to_have_text("Done. Your file is now version 2.")
    assert page.inner_text("#version") == "2"
    assert page.inner_text("#size") == "30.0\xa0MB"

    seen = page.evaluate("window.seen")
    assert seen == sorted(seen)
    assert len({value for value in seen if 0 < value < 20}) > 3, "while it was read"
    assert len({value for value in seen if 20 < value < 100}) > 3, "while it was sent"

    file = owner.get(f"/files/{shared['file_id']}")
    assert (file["version"], file["name"]) == (2, "plan.txt")
    assert file["versions"][0]["created_by"] == {"share": shared["id"]}
    assert owner.read(shared["file_id"]) == content
    assert visitor.complaints == []

    puts = [request for request in visitor.requests if request.method == "PUT"]
    assert len(puts) == 1
    assert puts[0].url.startswith(f"{STORE}/")
    sent = puts[0].all_headers()
    assert (
        sent["x-amz-checksum-sha256"] == base64.b64encode(hashlib.sha256(content).digest()).decode()
    )
    assert sent["if-none-match"] == "*"
    assert not sent.keys() & {"referer", "authorization", "cookie", "content-type"}
    origins = {"://".join(urlsplit(request.url)[:2]) for request in visitor.requests}
    assert origins == {service.url, STORE}
    assert shared["token"] not in service.log()


@pytest.mark.once
def test_a_file_is_chosen_and_sent_with_the_keyboard_alone(
    visitor: Visitor, share: Share, owner: RemoteClient, tmp_path: Path
) -> None:
    chosen = tmp_path / "empty"
    chosen.write_bytes(b"")
    shared = share(b"first version", "write")
    page = visitor.open(shared["url"])
    focused = []
    # The whole way is inside: that choosers are caught must be in force before Enter is pressed.
    with page.expect_file_chooser() as chooser:
        for _ in range(2):
            page.keyboard.press("Tab")
            focused.append(page.evaluate(FOCUSED))
            assert page.evaluate(OUTLINE) == "solid"
        assert focused == ["Download", "file"]
        page.keyboard.press("Enter")
    chooser.value.set_files(chosen)
    status(page).to_have_text("Done. Your file is now version 2.")
    expect(page.locator("#file")).to_be_focused()
    assert owner.read(shared["file_id"]) == b""

    # And once more, from the same page, with the same file.
    page.set_input_files("#file", chosen)
    status(page).to_have_text("Done. Your file is now version 3.")
    assert visitor.complaints == []


@pytest.mark.once
def test_an_upload_can_be_cancelled(
    visitor: Visitor, share: Share, owner: RemoteClient, tmp_path: Path
) -> None:
    chosen = tmp_path / "long.bin"
    chosen.write_bytes(os.urandom(2 * MIB))
    shared = share(b"first version", "write")
    page = visitor.open(shared["url"])
    limit_upload(page, 100_000)
    page.set_input_files("#file", chosen)
    status(page).to_have_text("Sending…")
    page.get_by_role("button", name="Cancel").click()
    status(page).to_have_text("Cancelled. Nothing was changed.")
    expect(page.locator("#drop")).to_be_visible()
    assert owner.get(f"/files/{shared['file_id']}")["version"] == 1


@pytest.mark.once
def test_only_one_file_is_taken_and_no_folder(
    visitor: Visitor, share: Share, owner: RemoteClient, tmp_path: Path
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    for name in ("one", "two"):
        (tmp_path / name).write_text(name)
    shared = share(b"first version", "write")
    page = visitor.open(shared["url"])
    drop(page, page.locator("#drop"), tmp_path / "one", tmp_path / "two")
    status(page).to_have_text("One file at a time, please.")
    drop(page, page.locator("#drop"), folder)
    status(page).to_contain_text("The file cannot be read.")
    assert owner.get(f"/files/{shared['file_id']}")["version"] == 1


@pytest.mark.once
def test_a_commit_is_tried_again_when_the_store_does_not_answer(
    visitor: Visitor, share: Share, tmp_path: Path
) -> None:
    chosen = tmp_path / "new.txt"
    chosen.write_text("second version")
    page = visitor.open(share(b"first version", "write")["url"])
    busy = {"title": "Busy", "status": 503, "detail": "", "code": "store-unavailable"}
    page.route(
        "**/commit",
        lambda route: route.fulfill(status=503, headers={"Retry-After": "1"}, json=busy),
        times=2,
    )
    page.set_input_files("#file", chosen)
    status(page).to_have_text("The file has arrived, but the service is busy. Trying again…")
    status(page).to_have_text("Done. Your file is now version 2.")


@pytest.mark.once
def test_what_the_store_refuses_and_what_the_service_refuses_is_said(
    visitor: Visitor, share: Share, owner: RemoteClient, tmp_path: Path
) -> None:
    chosen = tmp_path / "new.txt"
    chosen.write_text("second version")
    shared = share(b"first version", "write")
    page = visitor.open(shared["url"])

    # As when the file changes after it was read: its bytes are not those of the checksum.
    change = """() => { File.prototype.slice = function (...range) {
      return range.length ? Blob.prototype.slice.apply(this, range) : new Blob(["other  version"]);
    } }"""
    page.evaluate(change)
    page.set_input_files("#file", chosen)
    status(page).to_contain_text("The store refused the file (400)")

    page.route(f"{STORE}/**", lambda route: route.abort())
    page.set_input_files("#file", chosen)
    status(page).to_contain_text("The connection to the store broke")
    page.unroute(f"{STORE}/**")

    answer = {"status": 200, "headers": {"Access-Control-Allow-Origin": "*"}}
    page.route(f"{STORE}/**", lambda route: route.fulfill(**answer))  # says so, keeps nothing
    page.set_input_files("#file", chosen)
    status(page).to_contain_text("Nothing has been uploaded yet.")

    assert owner.delete(f"/shares/{shared['id']}").status == 204
    page.set_input_files("#file", chosen)
    status(page).to_contain_text("The share was revoked. Ask its owner for a new one.")
    page.get_by_role("button", name="Download").click()
    expect(page.get_by_role("heading")).to_have_text("This link was withdrawn")
    assert owner.get(f"/files/{shared['file_id']}")["version"] == 1


@pytest.mark.parametrize("with_javascript", [True, False])
def test_the_button_downloads_the_file_with_and_without_javascript(
    visitor: Visitor, share: Share, service: Server, with_javascript: bool
) -> None:
    content = os.urandom(100_000)
    shared = share(content, name='Käse "50 %" & 😀.bin', password="grün + 100 %")
    page = visitor.open(shared["url"], java_script_enabled=with_javascript)
    expect(page.get_by_role("heading")).to_have_text("A protected file")
    page.get_by_label("Password", exact=True).fill("wrong")
    page.get_by_role("button", name="Download").click()
    expect(page.get_by_role("heading")).to_have_text("The password is not right")
    page.get_by_label("Password", exact=True).fill("grün + 100 %")
    assert download(page) == content

    fetched = [request for request in visitor.requests if request.url.startswith(STORE)]
    assert len(fetched) == 1
    assert "referer" not in fetched[0].all_headers()
    assert shared["token"] not in service.log()


@pytest.mark.once
def test_without_a_password_the_button_downloads_at_once_under_the_files_name(
    visitor: Visitor, share: Share
) -> None:
    page = visitor.open(share(b"the bytes", name="Ünïcode ü.txt")["url"])
    with page.expect_download() as arriving:
        page.get_by_role("button", name="Download").click()
    assert arriving.value.suggested_filename == "Ünïcode ü.txt"
    assert arriving.value.path().read_bytes() == b"the bytes"
    assert visitor.complaints == []


@pytest.mark.once
def test_the_right_password_shows_the_details_and_lets_upload_and_download(
    visitor: Visitor, share: Share, owner: RemoteClient, tmp_path: Path
) -> None:
    chosen = tmp_path / "new.txt"
    chosen.write_bytes(b"second version")
    shared = share(b"first version", "write", password="grün + 100 %")
    page = visitor.open(shared["url"])
    assert "plan.txt" not in page.content()
    expect(page.locator("#upload")).to_be_hidden()
    unlock = page.get_by_role("button", name="Show details and upload")
    page.get_by_label("Password", exact=True).fill("wrong")
    unlock.click()
    expect(page.get_by_role("alert")).to_have_text("The password is not right.")
    expect(page.get_by_label("Password", exact=True)).to_be_focused()

    page.get_by_label("Password", exact=True).fill("grün + 100 %")
    unlock.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("plan.txt")
    assert page.inner_text("#size") == "13 bytes"
    expect(page.get_by_label("Password", exact=True)).to_be_hidden()
    page.set_input_files("#file", chosen)
    status(page).to_have_text("Done. Your file is now version 2.")
    assert owner.read(shared["file_id"]) == b"second version"
    assert download(page) == b"second version"
    assert visitor.complaints == []


@pytest.mark.once
def test_too_many_wrong_passwords_are_answered_with_how_long_to_wait(
    visitor: Visitor, share: Share
) -> None:
    page = visitor.open(share(password="right")["url"])
    page.route(
        "**/s/*", lambda route: route.fulfill(status=429, headers={"Retry-After": "850"}, body="")
    )
    page.get_by_label("Password", exact=True).fill("right")
    page.get_by_role("button", name="Show details").click()
    expect(page.get_by_role("alert")).to_have_text("Too many attempts. Try again in 15 minutes.")


@pytest.mark.once
def test_a_share_that_expires_while_its_page_is_open_says_so(
    visitor: Visitor, share: Share, service: Server, tmp_path: Path
) -> None:
    chosen = tmp_path / "new.txt"
    chosen.write_bytes(b"second version")
    shared = share(b"first version", "write", expires_at=in_seconds(9999))
    page = visitor.open(shared["url"])
    expect(page.locator("#upload")).to_be_visible()
    expire = "from files.models import Share; from django.utils import timezone; "
    expire += f"Share.objects.filter(pk='{shared['id']}').update(expires_at=timezone.now())"
    service.manage("shell", "-c", expire)
    page.set_input_files("#file", chosen)
    status(page).to_contain_text("The share has expired.")
    page.reload()
    expect(page.get_by_role("heading")).to_have_text("This link has expired")
    assert shared["token"] not in page.content()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.once
def test_a_phone_shows_all_of_it_in_light_and_dark_without_scrolling_sideways(
    visitor: Visitor, share: Share, scheme: str
) -> None:
    name = "a-name-without-any-blank-" * 9 + ".txt"
    shared = share(b"first", "write", name=name, password="p", expires_at=in_seconds(9999))
    page = visitor.open(shared["url"], color_scheme=scheme, **PHONE)
    page.get_by_label("Password", exact=True).fill("p")
    page.get_by_role("button", name="Show details and upload").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(name)
    wide = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
    assert page.evaluate(wide) is False
    for button in page.locator("button:visible, #drop").all():
        box = button.bounding_box()
        assert box is not None
        assert box["height"] >= 44
    brightness = "/\\d+/.exec(getComputedStyle(document.body).backgroundColor)[0] | 0"
    assert (page.evaluate(brightness) < 128) == (scheme == "dark")


@pytest.mark.once
def test_the_workers_sha_256_is_that_of_the_standard(visitor: Visitor, share: Share) -> None:
    page = visitor.open(share(b"first", "write")["url"])
    sizes = [0, 1, 55, 56, 64, 4 * MIB - 1, 4 * MIB, 4 * MIB + 1]
    contents = [bytes(index % 251 for index in range(size)) for size in sizes]
    hashes, read = page.evaluate(HASH, sizes)
    assert hashes == [f"sha256:{hashlib.sha256(content).hexdigest()}" for content in contents]
    assert read == [4 * MIB, 8 * MIB, 9_000_000]
    assert visitor.complaints == []


def test_a_link_with_what_mail_programs_add_and_a_slash_opens_the_page(
    visitor: Visitor, share: Share
) -> None:
    page = visitor.open(share()["url"] + "/?utm_source=mail&fbclid=IwAR0")
    expect(page.get_by_role("heading", name="plan.txt")).to_be_visible()
    assert not page.url.split("?")[0].endswith("/")
    assert visitor.complaints == []


def test_an_unknown_address_is_a_page(visitor: Visitor, service: Server) -> None:
    for path in ("/nowhere", "/s/", "/s/a/b"):
        page = visitor.open(service.url + path)
        expect(page.get_by_role("heading", name="There is nothing here")).to_be_visible()


def test_a_password_typed_in_another_form_opens_the_share(visitor: Visitor, share: Share) -> None:
    page = visitor.open(share(password="gr\u00fcn")["url"])
    page.get_by_label("Password").fill("gru\u0308n")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download").click()
    assert download.value.suggested_filename == "plan.txt"
