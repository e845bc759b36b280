"""Links that people pass on: parameters that others add, slashes at the end, unknown paths."""

from __future__ import annotations

import pytest

from tests.support.client import Answer, Client, assert_invalid, assert_problem

pytestmark = pytest.mark.usefixtures("store")

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
ADDED = "utm_source=mail&fbclid=IwAR0&utm_source=again"


@pytest.fixture
def link(owner: Client) -> str:
    file_id = owner.upload(b"shared")["fileId"]
    return f"/s/{owner.post('/shares', {'file_id': file_id, 'permission': 'read'})['token']}"


def assert_is_page(answer: Answer, status: int) -> None:
    assert answer.status == status
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert answer.content.startswith(b"<!doctype html>")
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert "Accept" in answer.headers["Vary"]


def test_parameters_that_others_add_to_a_link_are_ignored(link: str, anonymous: Client) -> None:
    assert anonymous.get(f"{link}?{ADDED}").json == anonymous.get(link).json
    assert_is_page(anonymous.get(f"{link}?{ADDED}", headers=BROWSER), 200)
    assert anonymous.get(f"{link}/download?{ADDED}").status == 200
    assert anonymous.get(f"{link}/download?redirect=true&{ADDED}").status == 302
    assert anonymous.post(f"{link}/download?{ADDED}", {}).status == 200
    assert anonymous.get(f"/problems/not-found?{ADDED}").status == 200


def test_parameters_that_a_link_has_are_checked_all_the_same(link: str, anonymous: Client) -> None:
    assert_invalid(anonymous.get(f"{link}/download?redirect=maybe&{ADDED}"), "redirect")
    assert_invalid(anonymous.get(f"{link}/download?redirect=true&redirect=true"), "redirect")


@pytest.mark.parametrize("end", ["/", "//", "///"])
@pytest.mark.parametrize("accept", ["*/*", BROWSER["Accept"]])
def test_a_slash_at_the_end_is_redirected_away(
    link: str, anonymous: Client, end: str, accept: str
) -> None:
    for path in (link, f"{link}/download"):
        for query in ("", "?utm_source=mail&a=%2F"):
            answer = anonymous.get(f"{path}{end}{query}", headers={"Accept": accept})
            assert (answer.status, answer.headers["Location"]) == (308, f"{path}{query}")
            assert answer.headers["Referrer-Policy"] == "no-referrer"
            assert answer.headers["Cache-Control"] == "no-store"


def test_a_post_is_redirected_as_a_post(link: str, anonymous: Client) -> None:
    answer = anonymous.post(f"{link}/download/", {"password": "x"})
    assert (answer.status, answer.headers["Location"]) == (308, f"{link}/download")


@pytest.mark.parametrize("path", ["/s//evil.example/", "/s/%0d%0aX:y/", "/s/a/../b/", "/s/%2f/"])
def test_a_redirect_stays_on_this_host(anonymous: Client, path: str) -> None:
    answer = anonymous.get(path)
    assert answer.status in (308, 404)
    location = answer.headers.get("Location", "/s/")
    assert location.startswith("/s/")
    assert "\r" not in location + "".join(answer.headers)


@pytest.mark.parametrize("path", ["/s", "/s/", "/s/a/b/c", "/s/token/unknown", "/unknown"])
def test_an_unknown_path_is_a_page_for_a_person_and_a_problem_for_a_program(
    anonymous: Client, path: str
) -> None:
    assert_is_page(anonymous.get(path, headers=BROWSER), 404)
    assert_problem(anonymous.get(path), 404, "not-found")
    assert_problem(anonymous.get(path, headers={"Accept": "application/json"}), 404, "not-found")
