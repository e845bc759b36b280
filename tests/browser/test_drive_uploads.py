"""Uploads in the drive's page: names that are there, pauses, a lost network, a reload."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, Route, expect

from tests.browser.conftest import Visitor, session_of
from tests.browser.page import (
    choose_files,
    dialog,
    expect_names,
    file,
    limit_upload,
    select,
    tool,
    uploaded,
)
from tests.support import server
from tests.support.object_store import address
from tests.support.server import RemoteClient, Server
from tests.support.tcp_proxy import TcpProxy

pytestmark = [pytest.mark.slow, pytest.mark.once]

Drive = Callable[..., Page]
MIB = 1 << 20
LARGE = int(os.environ.get("BROWSER_UPLOAD_MIB", "200")) * MIB + 12_345
"""Bytes; `BROWSER_UPLOAD_MIB=2048` sends 2 GiB."""
LONG_TASKS = """() => {
  window.longest = 0;
  const seen = (list) => {
    for (const task of list.getEntries()) window.longest = Math.max(window.longest, task.duration);
  };
  new PerformanceObserver(seen).observe({ type: "longtask" });
}"""


def panel(page: Page, name: str) -> Locator:
    """Return the row of an upload in the panel."""
    return page.locator("#uploads li").filter(has_text=name)


def press(page: Page, label: str, name: str) -> None:
    panel(page, name).get_by_role("button", name=f"{label}: {name}").click()


def random_file(path: Path, size: int) -> bytes:
    """Write `size` random bytes and return their SHA-256, a piece at a time."""
    import hashlib

    digest = hashlib.sha256()
    with path.open("wb") as out:
        for at in range(0, size, 8 * MIB):
            piece = os.urandom(min(8 * MIB, size - at))
            digest.update(piece)
            out.write(piece)
    return digest.digest()


def test_a_name_that_is_there_becomes_a_version_or_another_file_or_is_skipped(
    drive: Drive, owner: RemoteClient
) -> None:
    for name in ("a.txt", "b.txt"):
        owner.upload(b"old", filename=name)
    page = drive()
    choose_files(page, file("a.txt", b"new version"))
    dialog(page).get_by_role("button", name="New version").click()
    uploaded(page, 1)
    choose_files(page, file("a.txt", b"another"))
    dialog(page).get_by_role("button", name="Keep both").click()
    uploaded(page, 2)
    choose_files(page, file("a.txt", b"not this"), file("b.txt", b"nor this"), file("c.txt", b"c"))
    dialog(page).get_by_label("The same for all others").check()
    dialog(page).get_by_role("button", name="Skip").click()
    uploaded(page, 3)
    expect(dialog(page)).to_have_count(0)
    expect_names(page, ["c.txt", "a (2).txt", "b.txt", "a.txt"])
    found = {each["name"]: each for each in owner.get("/files")["results"]}
    assert found["a.txt"]["version"] == 2
    assert found["b.txt"]["version"] == 1
    assert owner.read(found["a.txt"]["id"]) == b"new version"
    assert owner.read(found["a (2).txt"]["id"]) == b"another"


def test_an_upload_is_paused_resumed_and_cancelled(drive: Drive, owner: RemoteClient) -> None:
    content = os.urandom(MIB)
    page = drive()
    limit_upload(page, 200_000)
    choose_files(page, file("long.bin", content), file("never.bin", content))
    for name in ("long.bin", "never.bin"):
        expect(panel(page, name)).to_contain_text("Sending")
    press(page, "Pause", "long.bin")
    expect(panel(page, "long.bin")).to_contain_text("Paused")
    press(page, "Cancel", "never.bin")
    expect(panel(page, "never.bin")).to_contain_text("Cancelled")
    limit_upload(page, -1)
    press(page, "Resume", "long.bin")
    expect_names(page, ["long.bin"])
    (found,) = owner.get("/files")["results"]
    assert owner.read(found["id"]) == content
    assert owner.get("/uploads")["results"] == []


def test_what_fails_says_why_and_is_tried_again(drive: Drive, owner: RemoteClient) -> None:
    page = drive()
    problem = {
        "title": "No room",
        "status": 507,
        "detail": "",
        "code": "quota-exceeded",
        "request_id": "0123456789abcdef",
    }
    page.route("**/init-upload", lambda route: route.fulfill(status=507, json=problem), times=1)
    choose_files(page, file("plan.txt", b"plan"))
    row = panel(page, "plan.txt")
    expect(row).to_contain_text("There is no room for this.")
    expect(row).to_contain_text("request 0123456789abcdef")
    press(page, "Retry", "plan.txt")
    uploaded(page, 1)
    assert len(owner.get("/files")["results"]) == 1


def test_an_upload_waits_for_the_network_and_goes_on_by_itself(
    drive: Drive, owner: RemoteClient
) -> None:
    page = drive()
    page.route("**/remotedrive/uploads/**", lambda route: route.abort(), times=2)
    choose_files(page, file("plan.txt", b"plan"))
    expect(panel(page, "plan.txt")).to_contain_text("Waiting for the network")
    uploaded(page, 1)
    (found,) = owner.get("/files")["results"]
    assert owner.read(found["id"]) == b"plan"


def test_choosing_files_without_a_network_uploads_them_when_it_is_back(drive: Drive) -> None:
    page = drive()
    page.context.set_offline(True)
    choose_files(page, *(file(f"{number}.txt", b"x") for number in range(6)))
    expect(panel(page, "0.txt")).to_contain_text("Waiting for the network")
    page.context.set_offline(False)
    uploaded(page, 6)


def test_a_file_changed_while_it_is_sent_is_asked_for_again(
    drive: Drive, owner: RemoteClient, tmp_path: Path
) -> None:
    path = tmp_path / "plan.txt"
    path.write_bytes(b"first")
    page = drive()

    def change(route: Route) -> None:
        path.write_bytes(b"second one")
        os.utime(path, (1, 1))
        route.continue_()

    page.route("**/init-upload", change, times=1)
    choose_files(page, path)
    expect(panel(page, "plan.txt")).to_contain_text("was changed or deleted meanwhile")
    panel(page, "plan.txt").get_by_label("Choose the file again: plan.txt").set_input_files(path)
    uploaded(page, 1)
    (found,) = owner.get("/files")["results"]
    assert owner.read(found["id"]) == b"second one"


def test_cancelling_shows_what_became_of_the_upload(drive: Drive, owner: RemoteClient) -> None:
    page = drive()
    asked: list[Route] = []

    def lose_answer(route: Route) -> None:
        route.fetch()
        asked.append(route)

    def cancel_unanswered(name: str) -> None:
        while not asked:
            page.wait_for_timeout(50)
        press(page, "Cancel", name)
        asked.clear()

    page.route("**/init-upload", lose_answer, times=1)
    choose_files(page, file("begun.txt", b"x"))
    with page.expect_response(lambda response: response.request.method == "DELETE"):
        cancel_unanswered("begun.txt")
    expect(panel(page, "begun.txt")).to_contain_text("Cancelled")
    assert owner.get("/uploads")["results"] == []
    page.route("**/files/commit", lose_answer, times=1)
    choose_files(page, file("committed.txt", b"x"))
    cancel_unanswered("committed.txt")
    expect(panel(page, "committed.txt")).to_contain_text("Done")
    expect_names(page, ["committed.txt"])


def test_an_upload_of_another_tab_is_hidden_and_one_without_a_checksum_only_discarded(
    drive: Drive, owner: RemoteClient, tmp_path: Path
) -> None:
    large = tmp_path / "large.bin"
    random_file(large, 70 * MIB)
    begun = {"filename": "foreign.bin", "size": 70 * MIB, "multipart": True}
    assert owner.post("/files/init-upload", begun).status == 201
    page = drive()
    limit_upload(page, 3 * MIB)
    choose_files(page, large)
    expect(panel(page, "large.bin")).to_contain_text("Sending")
    expect(panel(page, "large.bin").get_by_role("progressbar")).not_to_have_js_property("value", 0)
    other = page.context.new_page()
    other.goto(page.url)
    expect(panel(other, "foreign.bin")).to_contain_text("cannot be resumed here")
    expect(panel(other, "large.bin")).to_have_count(0)
    expect(other.get_by_role("button", name="Cancel all")).to_be_hidden()
    expect(panel(other, "foreign.bin").get_by_label("Choose the file again")).to_have_count(0)
    press(other, "Discard", "foreign.bin")
    dialog(other).get_by_role("button", name="Discard", exact=True).click()
    expect(panel(other, "foreign.bin")).to_contain_text("Cancelled")
    press(page, "Cancel", "large.bin")


def test_a_new_version_is_sent_from_the_dialog_and_an_old_one_restored_and_purged(
    drive: Drive, owner: RemoteClient
) -> None:
    file_id = owner.upload(b"first", filename="plan.txt")["fileId"]
    page = drive()
    select(page, "plan.txt")
    tool(page, "Versions")
    new: Any = file("x", b"second")
    dialog(page).get_by_label("Send a new version").set_input_files(new)
    uploaded(page, 1)
    tool(page, "Versions")
    expect(dialog(page).get_by_role("listitem")).to_have_count(2)
    with page.expect_download() as arriving:
        dialog(page).get_by_role("button", name="Download version 1").click()
    assert arriving.value.path().read_bytes() == b"first"
    dialog(page).get_by_role("button", name="Restore version 1").click()
    expect(dialog(page).get_by_role("listitem")).to_have_count(3)
    dialog(page).get_by_role("button", name="Delete version 2 for good").click()
    dialog(page).last.get_by_role("button", name="Delete for good", exact=True).click()
    expect(dialog(page).get_by_text("deleted for good")).to_be_visible()
    page.keyboard.press("Escape")
    assert owner.read(file_id) == b"first"
    assert owner.get(f"/files/{file_id}")["version"] == 3


@pytest.fixture
def cut_off(store: object, tmp_path: Path, browser: Browser) -> Iterator[tuple[Server, TcpProxy]]:
    """A service whose clients reach the store through a proxy."""
    folder = tmp_path / "service"
    folder.mkdir()
    with (
        TcpProxy(address()) as proxy,
        server.running(folder, MINIO_PUBLIC_ENDPOINT=proxy.endpoint) as service,
    ):
        yield service, proxy


def test_a_large_file_arrives_whole_though_the_connection_is_cut_and_the_page_loaded_again(
    visitor: Visitor, cut_off: tuple[Server, TcpProxy], tmp_path: Path
) -> None:
    service, proxy = cut_off
    owner = service.client("owner")
    large = tmp_path / "large.bin"
    digest = random_file(large, LARGE)
    page = visitor.open("about:blank")
    page.context.add_cookies(session_of(service)["cookies"])
    page.goto(service.url)
    page.evaluate(LONG_TASKS)
    sent: list[str] = []
    page.on(
        "request", lambda request: sent.append(request.url) if request.method == "PUT" else None
    )
    limit_upload(page, 60 * MIB)
    choose_files(page, large)
    progress = panel(page, "large.bin").get_by_role("progressbar")
    expect(panel(page, "large.bin")).to_contain_text("Sending", timeout=120_000)

    def until(percent: int) -> None:
        page.wait_for_function(
            "([bar, percent]) => bar.value >= percent",
            arg=[progress.element_handle(), percent],
            timeout=300_000,
        )

    until(15)
    proxy.drop(reset=True)
    until(30)
    proxy.drop(reset=True)
    until(45)
    longest = page.evaluate("window.longest")
    page.on("dialog", lambda asked: asked.accept())  # "Leave the page?"
    page.reload()
    (upload,) = owner.get("/uploads")["results"]
    received = owner.get(f"/uploads/{upload['upload_id']}")["received_parts"]
    assert 0 < len(received) < upload["part_count"]

    expect(panel(page, "large.bin")).to_contain_text("Choose the file again")
    other = tmp_path / "other.bin"
    random_file(other, 1000)
    chooser = panel(page, "large.bin").get_by_label("Choose the file again: large.bin")
    chooser.set_input_files(other)
    expect(panel(page, "large.bin")).to_contain_text("its size is not the same")
    sent.clear()
    page.evaluate(LONG_TASKS)
    chooser.set_input_files(large)
    uploaded(page, 1)
    numbers = {int(found[1]) for url in sent if (found := re.search(r"partNumber=(\d+)", url))}
    # What was on its way when the page was loaded again may have arrived after we asked.
    missing = set(range(1, upload["part_count"] + 1)) - {each["part_number"] for each in received}
    assert 0 < len(numbers) <= len(missing)
    assert numbers <= missing, "only what is missing is sent"
    (found,) = owner.get("/files")["results"]
    assert (found["size"], found["version"]) == (LARGE, 1)
    assert found["checksum"] == f"sha256:{digest.hex()}"
    if LARGE < 512 * MIB:
        assert owner.read(found["id"]) == large.read_bytes()
    longest = max(longest, page.evaluate("window.longest"))
    print(f"longest task of the main thread: {longest:.0f} ms")
    heap = page.context.new_cdp_session(page).send("Runtime.getHeapUsage")
    print(f"heap {heap['usedSize'] / MIB:.0f} MiB")
    assert heap["usedSize"] < 50 * MIB
