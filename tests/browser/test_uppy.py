"""`examples/uppy` as its README installs and serves it, in Chromium; its origin is a third one."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from playwright.sync_api import Page, Request, Route, expect

from tests import settings as test_settings
from tests.browser.conftest import Visitor
from tests.browser.page import limit_upload
from tests.support.ports import free_port
from tests.support.process import ROOT, Process
from tests.support.server import RemoteClient, Server, running

pytestmark = [pytest.mark.slow, pytest.mark.once]

EXAMPLE = ROOT / "examples" / "uppy"
ADDRESS = "http://127.0.0.1:8080"
MIB = 1 << 20
SIZE = 40 * MIB
PARTS = [16 * MIB, 16 * MIB, 8 * MIB]
SLOWLY = 16 * MIB
"""Bytes a second, so that a person has the time to pause."""


@dataclass
class Example:
    """The page, and the service that lets pages of its origin call it."""

    url: str
    service: Server


def commands() -> list[str]:
    """Return what the README has for a shell, a line each."""
    text = (EXAMPLE / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```sh\n(.*?)```", text, re.S)
    return [line.strip() for block in blocks for line in block.strip().splitlines()]


@pytest.fixture(scope="module")
def example(store: object, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Example]:
    if shutil.which("npm") is None:
        if os.environ.get("CI") == "true":
            pytest.fail("npm is not installed: apt-get install npm")
        pytest.skip("npm is not installed: apt-get install npm")
    run, install, start = commands()
    assert run == f"CORS_ORIGINS={ADDRESS} ./scripts/run"
    folder = tmp_path_factory.mktemp("example") / "uppy"
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("node_modules", "dist"))
    subprocess.run(install.split(), cwd=folder, check=True, timeout=300)
    subprocess.run(["npm", "run", "build"], cwd=folder, check=True, timeout=60)
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    served = [*start.split(), "--", f"--serve=127.0.0.1:{port}"]
    page = Process(served, cwd=folder, stdin=subprocess.PIPE, log=folder / "log")
    assert page.stdin is not None
    try:
        page.wait_until(lambda: _answers(url))
        with running(tmp_path_factory.mktemp("service"), CORS_ORIGINS=url) as service:
            yield Example(url, service)
    finally:
        # esbuild ends with its standard input; npm would leave it behind.
        page.stdin.close()
        page.wait(timeout=20)


@pytest.fixture
def owner(example: Example) -> RemoteClient:
    return example.service.client("owner")


@pytest.fixture
def page(visitor: Visitor, example: Example) -> Page:
    page = visitor.open(example.url)
    page.get_by_label("Service", exact=True).fill(example.service.url)
    page.get_by_label("Token", exact=True).fill(example.service.token("owner"))
    return page


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


def choose(page: Page, path: Path, content: bytes) -> None:
    """Choose a file of `content` and start its upload."""
    path.write_bytes(content)
    page.locator(".uppy-Dashboard-input").first.set_input_files(path)
    page.get_by_role("button", name="Upload 1 file").click()


def puts(visitor: Visitor) -> list[Request]:
    host = urlsplit(test_settings.MINIO_PUBLIC_ENDPOINT).netloc
    return [
        request
        for request in visitor.requests
        if request.method == "PUT" and urlsplit(request.url).netloc == host
    ]


def part_numbers(visitor: Visitor) -> list[int]:
    return [
        int(parse_qs(urlsplit(request.url).query)["partNumber"][0]) for request in puts(visitor)
    ]


def downloaded(page: Page, name: str) -> bytes:
    """Return what the page's own button of that name downloads, once the upload is done."""
    with page.expect_download() as download:
        page.get_by_role("button", name=name, exact=True).click(timeout=120_000)
    return Path(download.value.path()).read_bytes()


def test_an_upload_that_was_refused_is_done_by_retry(
    page: Page, example: Example, tmp_path: Path
) -> None:
    page.get_by_label("Token", exact=True).fill("not-a-token")
    choose(page, tmp_path / "a.txt", b"some bytes")
    expect(page.get_by_text("Upload failed").first).to_be_visible()
    page.get_by_label("Token", exact=True).fill(example.service.token("owner"))
    page.get_by_role("button", name="Retry upload").last.click()
    assert downloaded(page, "a.txt") == b"some bytes"


def test_a_small_file_is_sent_in_one_put_bound_to_its_checksum(
    page: Page, visitor: Visitor, owner: RemoteClient, tmp_path: Path
) -> None:
    choose(page, tmp_path / "small é.txt", b"some bytes")
    assert downloaded(page, "small é.txt") == b"some bytes"
    (sent,) = puts(visitor)
    assert {"x-amz-checksum-sha256", "if-none-match"} <= set(sent.headers)
    (file,) = owner.get("/files?name=small")["results"]
    assert (file["size"], file["content_type"]) == (10, "text/plain")
    assert visitor.complaints == []


def test_answers_that_are_lost_or_say_later_cost_nothing(
    page: Page, visitor: Visitor, owner: RemoteClient, tmp_path: Path
) -> None:
    later = {"Retry-After": "1", "Access-Control-Allow-Origin": "*"}

    def lose(route: Route) -> None:
        # Playwright does not see the bytes of a file that a page sends.
        body = b"some bytes" if route.request.method == "PUT" else None
        assert route.fetch(post_data=body).status in (200, 201)
        route.abort()

    page.route(
        "**/files/init-upload", lambda route: route.fulfill(status=503, headers=later), times=1
    )
    page.route(f"{test_settings.MINIO_PUBLIC_ENDPOINT}/**", lose, times=1)
    page.route("**/files/commit", lose, times=1)
    choose(page, tmp_path / "lost.txt", b"some bytes")
    page.get_by_role("button", name="Retry upload").last.click()
    assert downloaded(page, "lost.txt") == b"some bytes"
    lost, second = (request.response() for request in puts(visitor))
    assert lost is None
    assert second is not None
    assert second.status == 412
    (file,) = owner.get("/files?name=lost")["results"]
    assert file["version"] == 1


def test_an_empty_file_is_uploaded(page: Page, tmp_path: Path) -> None:
    choose(page, tmp_path / "empty.txt", b"")
    assert downloaded(page, "empty.txt") == b""


def test_a_large_file_is_paused_between_its_parts_resumed_and_arrives_whole(
    page: Page, visitor: Visitor, owner: RemoteClient, tmp_path: Path
) -> None:
    content = os.urandom(SIZE)
    limit_upload(page, SLOWLY)
    with page.expect_response(lambda response: "partNumber=1&" in response.url):
        choose(page, tmp_path / "large.bin", content)
    page.get_by_role("button", name="Pause", exact=True).click()
    expect(page.get_by_role("button", name="Resume", exact=True)).to_be_visible()
    (upload,) = owner.get("/uploads")["results"]
    shown = owner.get(f"/uploads/{upload['upload_id']}")
    received = {part["part_number"] for part in shown["received_parts"]}
    assert upload["part_count"] == len(PARTS)
    assert 1 in received
    assert received < {1, 2, 3}
    sent_before = part_numbers(visitor)
    limit_upload(page, -1)
    page.get_by_role("button", name="Resume", exact=True).click()
    assert downloaded(page, "large.bin") == content
    sent_after = part_numbers(visitor)[len(sent_before) :]
    assert sorted(sent_after) == sorted({1, 2, 3} - received)
    assert owner.get("/uploads")["results"] == []
    assert visitor.complaints == []


def test_a_cancelled_upload_is_aborted(page: Page, owner: RemoteClient, tmp_path: Path) -> None:
    limit_upload(page, SLOWLY)
    with page.expect_response(lambda response: "partNumber=1&" in response.url):
        choose(page, tmp_path / "cancelled.bin", os.urandom(SIZE))
    (upload,) = owner.get("/uploads")["results"]
    with page.expect_response(lambda response: response.request.method == "DELETE"):
        page.get_by_role("button", name="Cancel", exact=True).first.click()
    assert owner.get(f"/uploads/{upload['upload_id']}")["state"] == "aborted"
    assert owner.get("/files?name=cancelled")["results"] == []
