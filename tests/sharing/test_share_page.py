"""The page of a share as it is sent: who gets it, what it says, what it lets a browser do.

What a browser makes of it is tried in `tests/browser`.
"""

from __future__ import annotations

from datetime import timedelta
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlencode, urljoin

import pytest
from django.utils import timezone
from pytest_django.fixtures import Settings

from files.models import Share, User, WrongPasswords
from files.services import attempts, shares
from remotedrive.http import problems
from tests.support.bad_values import HOSTILE_NAMES
from tests.support.client import Answer, Client, assert_problem
from tests.support.rows import make_file

BROWSER = {
    "Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,"
    "*/*;q=0.8"
}
FORM = "application/x-www-form-urlencoded"


class Page(HTMLParser):
    """The elements of a page with their attributes, and its text."""

    def __init__(self, answer: Answer) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(answer.content.decode())
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]

    def ids(self) -> dict[str | None, dict[str, str | None]]:
        return {
            attributes["id"]: attributes for _, attributes in self.elements if "id" in attributes
        }

    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())


def share(
    owner: User,
    permission: str = "read",
    *,
    name: str = "plan.txt",
    password: str | None = None,
    lasts: timedelta | None = None,
    max_downloads: int | None = None,
) -> str:
    """Share a new file of `owner` and return the path of the share."""
    created = shares.create_share(
        user=owner,
        file_id=make_file(owner, name).pk,
        permission=permission,
        expires_at=None if lasts is None else timezone.now() + lasts,
        password=password,
        max_downloads=max_downloads,
    )
    return f"/s/{created.token}"


def visit(anonymous: Client, path: str, status: int = 200) -> Page:
    """Open a page as a browser does, and hold it against what is so of every page."""
    answer = anonymous.get(path, headers=BROWSER)
    assert_is_page(answer, status)
    return Page(answer)


def submit(anonymous: Client, path: str, **fields: str) -> Answer:
    raw = urlencode(fields).encode()
    return anonymous.post(f"{path}/download", raw=raw, content_type=FORM, headers=BROWSER)


def assert_is_page(answer: Answer, status: int) -> None:
    assert (answer.status, answer.headers["Content-Type"]) == (status, "text/html; charset=utf-8")
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["Cache-Control"] == "no-store"
    assert "Accept" in answer.headers["Vary"]
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    page = Page(answer)
    assert answer.content.startswith(b"<!doctype html>")
    assert page.all("html") == [{"lang": "en"}]
    assert len(page.all("h1")) == len(page.all("title")) == len(page.all("main")) == 1
    assert {"name": "viewport", "content": "width=device-width, initial-scale=1"} in page.all(
        "meta"
    )
    assert all("src" in script for script in page.all("script"))
    assert not page.all("style")
    for tag, attributes in page.elements:
        assert not [name for name in attributes if name == "style" or name.startswith("on")], tag
    labelled = {label["for"] for label in page.all("label")}
    assert all(field["id"] in labelled for field in page.all("input"))
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert labelled <= set(ids)
    for _, attributes in page.elements:
        for name in ("aria-labelledby", "aria-describedby"):
            assert set((attributes.get(name) or "").split()) <= set(ids)


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        (BROWSER["Accept"], "text/html; charset=utf-8"),
        ("text/html", "text/html; charset=utf-8"),
        ("text/*", "text/html; charset=utf-8"),
        ("application/json;q=0.8, text/html;q=0.9", "text/html; charset=utf-8"),
        ("text/html;q=nan, x;q=,;;,/", "text/html; charset=utf-8"),
        ("*/*", "application/json"),
        ("application/json", "application/json"),
        ("application/*, text/*;q=0.9", "application/json"),
        ("text/html;q=0.8, application/json;q=0.9", "application/json"),
        ("text/html;q=0.1, */*;q=0.2", "application/json"),
        ("text/html;q=0, */*", "application/json"),
        ("image/png", "application/problem+json"),
    ],
)
def test_what_a_client_would_rather_have_decides_between_the_page_and_json(
    owner: Client, anonymous: Client, accept: str, content_type: str
) -> None:
    answer = anonymous.get(share(owner.user), headers={"Accept": accept})
    assert answer.headers["Content-Type"] == content_type
    assert "Accept" in answer.headers["Vary"]


def test_without_an_accept_header_the_answer_is_json(owner: Client, anonymous: Client) -> None:
    answer = anonymous.get(share(owner.user))
    assert answer.headers["Content-Type"] == "application/json"
    assert answer["filename"] == "plan.txt"
    assert "Content-Security-Policy" not in answer.headers


def test_the_page_says_what_is_shared_and_nothing_of_the_owners(
    owner: Client, anonymous: Client
) -> None:
    path = share(owner.user, lasts=timedelta(days=3))
    row = Share.objects.select_related("file").get()
    row.file.versions.update(size=31_457_280)
    page = visit(anonymous, path)
    for fact in ("plan.txt", "30.0\xa0MB", "text/plain", "Version 1"):
        assert " ".join(fact.split()) in page.text()
    assert row.expires_at is not None
    assert row.expires_at.strftime("%B %Y, %H:%M UTC") in page.text()
    assert str(page.ids()["expiry"]["datetime"]).startswith(row.expires_at.isoformat()[:19])
    content = anonymous.get(path, headers=BROWSER).content.decode()
    for secret in (owner.user.subject, str(row.pk), str(row.file.pk), row.file.key_current):
        assert secret not in content
    assert "upload" not in page.ids()
    assert "password" not in page.ids()


def test_a_share_without_an_end_says_so(owner: Client, anonymous: Client) -> None:
    assert "Link ends Never" in visit(anonymous, share(owner.user)).text()


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_a_hostile_file_name_is_text_and_nothing_else(
    owner: Client, anonymous: Client, name: str
) -> None:
    tame = visit(anonymous, share(owner.user, "write"))
    page = visit(anonymous, share(owner.user, "write", name=name))
    assert [tag for tag, _ in page.elements] == [tag for tag, _ in tame.elements]
    assert page.texts.count(name) == 2  # the title and the heading


def test_a_write_share_has_a_labelled_picker_a_bar_and_a_status_that_is_read_out(
    owner: Client, anonymous: Client
) -> None:
    page = visit(anonymous, share(owner.user, "write"))
    assert page.ids()["file"]["type"] == "file"
    assert page.ids()["bar"]["aria-label"]
    assert page.ids()["status"]["role"] == "status"
    assert "needs JavaScript" in page.text()


@pytest.mark.parametrize("permission", ["read", "write"])
def test_a_locked_page_shows_the_password_field_and_nothing_of_the_file(
    owner: Client, anonymous: Client, permission: str
) -> None:
    path = share(owner.user, permission, password="open sesame", name="salaries.ods")
    page = visit(anonymous, path)
    assert page.ids()["password"]["type"] == "password"
    assert page.ids()["download"] == {
        "id": "download",
        "method": "post",
        "action": f"{path}/download",
    }
    for secret in ("salaries", "text/plain", "byte", "open sesame"):
        assert secret not in page.text()


def test_the_form_is_answered_303_to_the_store(owner: Client, anonymous: Client) -> None:
    path = share(owner.user, password="Käse + 100 %")
    answer = submit(anonymous, path, password="Käse + 100 %")
    assert answer.status == 303
    assert "X-Amz-Signature" in answer.headers["Location"]
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert submit(anonymous, share(owner.user)).status == 303


def test_a_browser_that_opens_the_download_itself_is_sent_to_the_file(
    owner: Client, anonymous: Client
) -> None:
    path = share(owner.user)
    answer = anonymous.get(f"{path}/download", headers=BROWSER)
    assert answer.status == 302
    assert Share.objects.get().download_count == 1
    assert anonymous.get(f"{path}/download").status == 200


def test_the_policy_allows_our_own_files_and_the_store_and_nothing_inline(
    owner: Client, anonymous: Client, settings: Settings
) -> None:
    settings.MINIO_PUBLIC_ENDPOINT = "https://store.example:9000"
    policy = anonymous.get(share(owner.user), headers=BROWSER).headers["Content-Security-Policy"]
    assert dict(directive.split(" ", 1) for directive in policy.split("; ")) == {
        "default-src": "'none'",
        "style-src": "'self'",
        "script-src": "'self'",
        "worker-src": "'self'",
        "img-src": "data:",
        "connect-src": "'self' https://store.example:9000",
        "form-action": "'self' https://store.example:9000",
        "base-uri": "'none'",
        "frame-ancestors": "'none'",
        "require-trusted-types-for": "'script'",
        "trusted-types": "hashing",
    }


def test_what_the_page_loads_is_served_from_here(owner: Client, anonymous: Client) -> None:
    path = share(owner.user, "write")
    page = visit(anonymous, path)
    styles = [link["href"] for link in page.all("link") if link["rel"] == "stylesheet"]
    scripts = [script["src"] for script in page.all("script")]
    assert (len(styles), len(scripts)) == (2, 1)
    kinds = ["text/css", "text/css", "text/javascript"]
    for url, kind in zip([*styles, *scripts], kinds, strict=True):
        assert url is not None
        assert url.startswith("/static/")
        answer = anonymous.get(urljoin(path, url))
        assert (answer.status, answer.headers["Content-Type"].split(";")[0]) == (200, kind)


def end(path: str, how: str) -> None:
    """Change the share so that it refuses."""
    if how == "throttled":
        subject = f"share:{Share.objects.get().pk.hex}"
        everyone = {"address": "*", "count": attempts.EVERYONE_MAX}
        WrongPasswords.objects.create(subject=subject, since=timezone.now(), **everyone)
        return
    changes: dict[str, dict[str, Any]] = {
        "share-revoked": {"revoked_at": timezone.now()},
        "share-expired": {"expires_at": timezone.now() - timedelta(seconds=1)},
        "share-exhausted": {"max_downloads": 1, "download_count": 1},
        "not-found": {"token_digest": "0" * 64},
    }
    Share.objects.update(**changes[how])


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("share-revoked", "was withdrawn"),
        ("share-expired", "has expired"),
        ("share-exhausted", "is used up"),
        ("not-found", "does not work"),
        ("throttled", "Wait 15 minutes"),
    ],
)
def test_a_link_that_does_not_open_is_a_page_with_the_same_status_as_the_json(
    owner: Client, anonymous: Client, code: str, words: str
) -> None:
    path = share(owner.user, password="right", name="salaries.ods")
    end(path, code)
    status = problems.CATALOGUE[code].status
    for answer in (
        anonymous.get(path, headers=BROWSER),
        anonymous.get(f"{path}/download", headers=BROWSER),
        submit(anonymous, path, password="right"),
    ):
        assert_is_page(answer, status)
        assert words in Page(answer).text()
        assert "salaries" not in answer.content.decode()
        assert owner.user.subject not in answer.content.decode()
        assert (path in answer.content.decode()) == (code == "throttled")
        assert ("Retry-After" in answer.headers) == (status == 429)
    assert_problem(anonymous.get(path), status, code)


@pytest.mark.parametrize("password", ["wrong", ""])
def test_a_wrong_password_on_the_form_gives_the_form_again(
    owner: Client, anonymous: Client, password: str
) -> None:
    path = share(owner.user, password="right", name="salaries.ods")
    answer = submit(anonymous, path, password=password)
    assert_is_page(answer, 401)
    page = Page(answer)
    assert "The password is not right" in page.text()
    assert page.all("form") == [{"method": "post", "action": f"{path}/download"}]
    assert page.ids()["password"]["aria-describedby"] == "problem"
    assert "salaries" not in page.text()
    assert submit(anonymous, path, password="right").status == 303


def test_a_request_that_cannot_be_is_a_page_too(owner: Client, anonymous: Client) -> None:
    path = share(owner.user)
    for answer, status in (
        (anonymous.get(f"{path}/download?redirect=maybe", headers=BROWSER), 400),
        (submit(anonymous, path, colour="red"), 400),
        (anonymous.get("/s/%2e%2e%0a%00%ff", headers=BROWSER), 404),
    ):
        assert_is_page(answer, status)


@pytest.mark.parametrize("name", ["init-upload", "commit"])
def test_what_only_programs_call_answers_json_to_a_browser_too(
    owner: Client, anonymous: Client, name: str
) -> None:
    answer = anonymous.post(f"{share(owner.user)}/{name}", {}, headers=BROWSER)
    assert_problem(answer, 400, "invalid")
