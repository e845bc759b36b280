"""A browser, a service in a process of its own, and a store on another port: another origin."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, expect

from tests.browser import chromium
from tests.support import server
from tests.support.server import RemoteClient, Server

MOST_PATIENCE = 30_000
"""Milliseconds; a machine may be busy with other things."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if chromium.executable() is None:
        if os.environ.get("CI") == "true":
            pytest.fail("Chromium is not installed: apt-get install chromium")
        pytest.skip("Chromium is not installed: apt-get install chromium")
    expect.set_options(timeout=MOST_PATIENCE)
    with chromium.launched() as launched:
        yield launched


@pytest.fixture(scope="module")
def service(store: object, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with server.running(tmp_path_factory.mktemp("service")) as running:
        yield running


@pytest.fixture
def owner(service: Server) -> RemoteClient:
    return service.client("owner")


class Visitor:
    """Opens pages, and keeps what their console said and what they asked for."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._contexts: list[BrowserContext] = []
        self.complaints: list[str] = []
        self.requests: list[Request] = []

    def open(self, url: str, **options: Any) -> Page:
        """Open `url` in a context of its own; `options` are Playwright's for the context."""
        context = self._browser.new_context(**options)
        context.set_default_timeout(MOST_PATIENCE)
        self._contexts.append(context)
        context.on("request", lambda request: self.requests.append(request))
        context.on("console", self._heard)
        context.on("weberror", lambda error: self.complaints.append(str(error.error)))
        page = context.new_page()
        page.goto(url)
        return page

    def close(self) -> None:
        for context in self._contexts:
            context.close()

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)


@pytest.fixture
def visitor(browser: Browser) -> Iterator[Visitor]:
    visitor = Visitor(browser)
    yield visitor
    visitor.close()


@pytest.fixture
def share(owner: RemoteClient) -> Callable[..., dict[str, Any]]:
    """Make a file and a share of it: `share(content, permission, name=…, **members)`."""

    def make(
        content: bytes = b"first version",
        permission: str = "read",
        *,
        name: str = "plan.txt",
        **members: Any,
    ) -> dict[str, Any]:
        file_id = owner.upload(content, filename=name)["fileId"]
        answer = owner.post("/shares", {"file_id": file_id, "permission": permission} | members)
        assert answer.status == 201, answer.json
        return dict(answer.json)

    return make


PASSWORD = "correct horse"
_SIGN_IN = (
    "from files.models import User; user = User.of_subject({subject!r});"
    "user.set_password('correct horse'); user.save();"
    "from importlib import import_module; from django.conf import settings;"
    "from django.contrib.auth import SESSION_KEY, BACKEND_SESSION_KEY, HASH_SESSION_KEY;"
    "session = import_module(settings.SESSION_ENGINE).SessionStore();"
    "session[SESSION_KEY] = str(user.pk);"
    "session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0];"
    "session[HASH_SESSION_KEY] = user.get_session_auth_hash(); session.create();"
    "print(session.session_key)"
)


def session_of(service: Server, subject: str = "owner") -> dict[str, Any]:
    """Return Playwright's `storage_state` of a user, made if missing, who is signed in."""
    script = _SIGN_IN.format(subject=subject)
    key = service.manage("shell", "--no-imports", "-c", script).split()[-1]
    cookie: dict[str, Any] = {"name": "sessionid", "value": key, "httpOnly": True}
    cookie |= {"domain": "127.0.0.1", "path": "/", "sameSite": "Strict"}
    return {"cookies": [cookie], "origins": []}


@pytest.fixture(scope="module")
def session(service: Server) -> dict[str, Any]:
    return session_of(service)


@pytest.fixture
def drive(
    visitor: Visitor, service: Server, session: dict[str, Any], owner: RemoteClient
) -> Iterator[Callable[..., Page]]:
    """Open the owner's drive, signed in and empty: `drive("#/trash", **options of the context)`."""
    empty(owner)

    def open_drive(address: str = "", **options: Any) -> Page:
        cookie = session["cookies"][0]
        page = visitor.open("about:blank", **options)
        page.context.add_cookies([cookie])
        page.goto(f"{service.url}/{address}")
        expect(page.locator("#list:visible, #empty:visible")).to_have_count(1)
        return page

    yield open_drive
    assert [said for said in visitor.complaints if "Failed to load resource" not in said] == []


def empty(owner: RemoteClient) -> None:
    """Purge all that the owner has."""
    for listing in ("/folders?page_size=200", "/files?page_size=200"):
        for row in owner.get(listing)["results"]:
            assert owner.delete(f"{listing.split('?')[0]}/{row['id']}?permanent=true").status == 204
    assert owner.delete("/files?trashed=true").status == 204
    for upload in owner.get("/uploads?page_size=200")["results"]:
        owner.delete(f"/uploads/{upload['upload_id']}")
