"""The page of the API's documentation in Chromium, under its Content-Security-Policy."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Visitor
from tests.support.server import RemoteClient, Server

pytestmark = [pytest.mark.slow, pytest.mark.once]


def test_the_docs_show_all_operations_and_call_them_with_a_token(
    visitor: Visitor, service: Server, owner: RemoteClient
) -> None:
    owner.upload(b"some bytes", filename="plan.txt")
    page = visitor.open(f"{service.url}/docs")
    operations = page.locator(".opblock")
    expect(operations.first).to_be_visible()
    schema = owner.get("/schema").json
    assert operations.count() == sum(len(item) for item in schema["paths"].values())

    call = page.locator("#operations-files-list_files")
    call.locator(".opblock-summary-control").click()
    call.get_by_role("button", name="Try it out").click()
    call.get_by_role("button", name="Execute").click()
    expect(call.locator(".live-responses-table")).to_contain_text("not-authenticated")

    page.get_by_role("button", name="Authorize").click()
    dialog = page.locator(".dialog-ux")
    dialog.get_by_role("textbox").fill(str(owner.token))
    dialog.get_by_role("button", name="Apply credentials").click()
    dialog.get_by_role("button", name="Close").click()
    call.get_by_role("button", name="Execute").click()
    expect(call.locator(".live-responses-table")).to_contain_text("plan.txt")

    assert {request.url.split("/")[2] for request in visitor.requests} == {
        service.url.removeprefix("http://")
    }
    # The browser itself says that the first call was answered 401.
    assert [each for each in visitor.complaints if "401" not in each] == []
