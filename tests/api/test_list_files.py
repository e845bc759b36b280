"""`GET /files`: pages that stay in place while rows come and go, and filters."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from django.test import RequestFactory
from django.utils import timezone
from pytest_django.fixtures import Settings

from files.models import File
from files.services.files import _SAMPLE
from tests.support.client import FILE_MEMBERS, Answer, Client, assert_invalid, assert_problem
from tests.support.rows import make_file

START = datetime(2026, 1, 1, tzinfo=UTC)


def names(answer: Answer) -> list[str]:
    assert answer.status == 200, answer.json
    return [file["name"] for file in answer["results"]]


def make_files(client: Client, count: int, start: datetime = START) -> list[File]:
    """Insert `count` files, one a second, named by number from 0, the oldest first."""
    return [
        make_file(client.user, str(number), created_at=start + timedelta(seconds=number))
        for number in range(count)
    ]


def walk(client: Client, link: str | None, *, by: str = "next") -> list[list[str]]:
    pages = []
    while link:
        answer = client.get(link)
        pages.append(names(answer))
        link = answer[by]
    return pages


def cursor_of(packed: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(packed).encode()).decode().rstrip("=")


def test_nobody_lists(anonymous: Client, owner: Client) -> None:
    make_files(owner, 1)
    assert_problem(anonymous.get("/files"), 401, "not-authenticated")


def test_another_persons_files_are_not_listed(owner: Client, stranger: Client) -> None:
    make_files(owner, 3)
    link = owner.get("/files?page_size=1")["next"]
    assert stranger.get("/files").json == {"next": None, "previous": None, "results": []}
    # Nor through a cursor that somebody else got.
    assert names(stranger.get(link)) == []


@pytest.mark.parametrize(
    "value", ["", "0", "-1", "201", "1.5", "+1", "1_0", "x", "１２", "9" * 400]
)
def test_a_page_size_that_cannot_be_is_refused(owner: Client, value: str) -> None:
    assert_invalid(owner.get(f"/files?page_size={quote(value)}"), "page_size")


@pytest.mark.parametrize("value", ["", "size", "-size", "--created_at", "created_at,-created_at"])
def test_an_ordering_that_cannot_be_is_refused(owner: Client, value: str) -> None:
    assert_invalid(owner.get(f"/files?ordering={value}"), "ordering")


@pytest.mark.parametrize(
    "value",
    [
        "",
        "x",
        "\0",
        "é",
        "====",
        "AAAA",
        "A" * 100_000,
        cursor_of([]),
        cursor_of({}),
        cursor_of(None),
        cursor_of(1),
        cursor_of([1, 2, 3]),
        cursor_of(["2026-01-01T00:00:00+00:00", "0" * 32]),
        cursor_of(["2026-01-01T00:00:00+00:00", "x", 0]),
        cursor_of(["2026-01-01T00:00:00+00:00", None, 0]),
        cursor_of(["2026-01-01T00:00:00+00:00", "0" * 32, 2]),
        cursor_of(["2026-01-01T00:00:00+00:00", "0" * 32, "0"]),
        cursor_of(["2026-01-01T00:00:00", "0" * 32, 0]),
        cursor_of(["2026-13-01T00:00:00+00:00", "0" * 32, 0]),
        cursor_of(["9999-12-31T23:59:59-23:59", "0" * 32, 0]),
        cursor_of(["0001-01-01T00:00:00+23:59", "0" * 32, 0]),
        cursor_of([1 << 64, "0" * 32, 0]),
        cursor_of([True, "0" * 32, 0]),
        cursor_of([None, "0" * 32, 0]),
        cursor_of([[], [], []]),
        base64.urlsafe_b64encode(b"[" * 5000).decode(),
        base64.urlsafe_b64encode(b"\xff\xfe").decode(),
    ],
    ids=lambda value: value[:20] or "empty",
)
def test_a_cursor_that_was_not_handed_out_is_refused(owner: Client, value: str) -> None:
    make_files(owner, 2)
    assert_invalid(owner.get(f"/files?cursor={quote(value)}"), "cursor")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("name", ""),
        ("name", "a\0b"),
        ("name", "a" * 256),
        ("content_type", ""),
        ("content_type", "image"),
        ("content_type", "image/"),
        ("content_type", "*"),
        ("content_type", "/*"),
        ("content_type", "image/png\n"),
        ("content_type", "im age/*"),
        ("created_after", ""),
        ("created_after", "yesterday"),
        ("created_after", "2026-01-01"),
        ("created_after", "2026-01-01T00:00:00"),
        ("created_after", "2026-02-30T00:00:00Z"),
        ("created_before", "2026-01-01T25:00:00Z"),
        ("created_before", "9999-12-31T23:59:59-23:59"),
        ("created_before", "0001-01-01T00:00:00+23:59"),
        ("created_before", "1767225600"),
        ("trashed", ""),
        ("trashed", "1"),
        ("trashed", "True"),
        ("trashed", "yes"),
        ("search", "x"),
        ("page", "2"),
    ],
)
def test_a_filter_that_cannot_be_is_refused(owner: Client, name: str, value: str) -> None:
    assert_invalid(owner.get(f"/files?{urlencode({name: value})}"), name)


def test_a_parameter_that_stands_there_twice_is_refused(owner: Client) -> None:
    assert_invalid(owner.get("/files?name=a&name=b"), "name")


def test_bytes_that_are_no_text_are_no_500(owner: Client) -> None:
    assert owner.get("/files?name=%ff%fe").status in (200, 400)
    assert_invalid(owner.get("/files?%ff=1"), "\ufffd")
    assert_invalid(owner.get("/files?cursor=%ed%a0%80"), "cursor")


def test_an_empty_drive_is_an_empty_page(owner: Client) -> None:
    assert owner.get("/files").json == {"next": None, "previous": None, "results": []}


@pytest.mark.usefixtures("store")
def test_a_file_in_a_list_is_the_file_as_it_is_shown_alone(owner: Client) -> None:
    file_id = owner.upload(b"one", filename="a b.txt")["fileId"]
    owner.upload(b"second", file_id=file_id)
    (listed,) = owner.get("/files")["results"]
    assert listed.keys() == FILE_MEMBERS
    alone = owner.get(f"/files/{file_id}").json
    assert listed == {name: alone[name] for name in FILE_MEMBERS}


def test_the_newest_come_first_or_last(owner: Client) -> None:
    make_files(owner, 3)
    assert names(owner.get("/files")) == ["2", "1", "0"]
    assert names(owner.get("/files?ordering=-created_at")) == ["2", "1", "0"]
    assert names(owner.get("/files?ordering=created_at")) == ["0", "1", "2"]


def test_a_page_has_50_files_unless_asked_otherwise_and_at_most_200(owner: Client) -> None:
    make_files(owner, 201)
    assert len(owner.get("/files")["results"]) == 50
    assert len(owner.get("/files?page_size=1")["results"]) == 1
    largest = owner.get("/files?page_size=200")
    assert len(largest["results"]) == 200
    assert names(owner.get(largest["next"])) == ["0"]


@pytest.mark.parametrize("ordering", ["created_at", "-created_at"])
@pytest.mark.parametrize("page_size", [1, 2, 3, 6, 7])
def test_pages_are_walked_to_the_end_and_back(owner: Client, ordering: str, page_size: int) -> None:
    make_files(owner, 6)
    expected = [str(number) for number in range(6)]
    if ordering == "-created_at":
        expected.reverse()
    pages = [expected[at : at + page_size] for at in range(0, 6, page_size)]
    first = f"/files?page_size={page_size}&ordering={ordering}"
    assert walk(owner, first) == pages
    assert owner.get(first)["previous"] is None
    last: str | None = first
    while following := owner.get(str(last))["next"]:
        last = following
    assert walk(owner, last, by="previous") == pages[::-1]
    if len(pages) > 1:
        # Forward again from where the way back ended.
        back = owner.get(owner.get(owner.get(first)["next"])["previous"])
        assert back["previous"] is None
        assert walk(owner, back["next"]) == pages[1:]


def test_files_of_the_same_moment_are_each_listed_once(owner: Client) -> None:
    files = [make_file(owner.user, str(number), created_at=START) for number in range(7)]
    pages = walk(owner, "/files?page_size=2")
    by_id = sorted(files, key=lambda file: file.id, reverse=True)
    assert [name for page in pages for name in page] == [file.name for file in by_id]


def test_pages_stay_in_place_while_files_come_and_go(owner: Client) -> None:
    files = make_files(owner, 8)
    first = owner.get("/files?page_size=3")
    assert names(first) == ["7", "6", "5"]
    # One comes at the top; one that was seen, one that was not, and the cursor's own go.
    make_file(owner.user, "new", created_at=START + timedelta(hours=1))
    for number in (6, 3, 5):
        assert owner.delete(f"/files/{files[number].id}").status == 204
    second = owner.get(first["next"])
    assert names(second) == ["4", "2", "1"]
    assert walk(owner, second["next"]) == [["0"]]
    assert names(owner.get(second["previous"])) == ["new", "7"]


def test_the_way_back_shows_what_came_meanwhile(owner: Client) -> None:
    make_files(owner, 4)
    second = owner.get(owner.get("/files?page_size=2")["next"])
    for number in range(3):
        make_file(owner.user, f"new {number}", created_at=START + timedelta(hours=1 + number))
    back = owner.get(second["previous"])
    assert names(back) == ["3", "2"]
    assert walk(owner, back["previous"], by="previous") == [["new 1", "new 0"], ["new 2"]]


def test_a_page_that_was_emptied_meanwhile_is_empty(owner: Client) -> None:
    files = make_files(owner, 3)
    link = owner.get("/files?page_size=2")["next"]
    owner.delete(f"/files/{files[0].id}")
    assert names(owner.get(link)) == []


def test_links_keep_the_filters(owner: Client) -> None:
    for number in range(5):
        make_file(owner.user, f"a&b={number}", content_type="image/png")
        make_file(owner.user, f"other {number}", content_type="image/png")
    query = urlencode({"name": "A&B=", "content_type": "image/*", "page_size": 2})
    pages = walk(owner, f"/files?{query}")
    assert [len(page) for page in pages] == [2, 2, 1]
    assert all(name.startswith("a&b=") for page in pages for name in page)


def test_links_are_absolute(owner: Client, settings: Settings) -> None:
    make_files(owner, 2)
    here = RequestFactory().get("/").build_absolute_uri("/files?")
    assert owner.get("/files?page_size=1")["next"].startswith(here)
    settings.PUBLIC_URL = "https://drive.example"
    link = owner.get("/files?page_size=1")["next"]
    assert link.startswith("https://drive.example/files?")
    forged = {"X-Forwarded-Host": "evil.example", "Forwarded": "host=evil.example"}
    settings.PUBLIC_URL = None
    answer = owner.get("/files?page_size=1", headers=forged)
    assert answer["next"].startswith(here)


def found(client: Client, **query: str) -> Sequence[str]:
    return sorted(names(client.get(f"/files?{urlencode(query)}")))


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        ("report", ["Annual REPORT.pdf", "report.txt"]),
        ("REPORT", ["Annual REPORT.pdf", "report.txt"]),
        ("port.t", ["report.txt"]),
        (".", ["Annual REPORT.pdf", "a.b", "report.txt"]),
        ("%", ["100% sure"]),
        ("_", ["under_score"]),
        ("[", ["[x] (y) {z} $^*+?|"]),
        ("(y) {z} $^*+?|", ["[x] (y) {z} $^*+?|"]),
        (" ", ["100% sure", "Annual REPORT.pdf", "[x] (y) {z} $^*+?|"]),
        ("'", ["it's"]),
        ("é", ["Été"]),
        ("ÉTÉ", ["Été"]),
        ("日", ["日本語"]),
        ("日本語", ["日本語"]),
        ("日語本", []),
        ("οδοσ", ["ΟΔΟΣ"]),
        ("straße", ["STRASSE", "Straße"]),
        ("STRASSE", ["STRASSE"]),
        ("sure 100", []),
        ("nothing of it", []),
    ],
)
def test_name_is_contained_in_any_case(owner: Client, part: str, expected: list[str]) -> None:
    for name in (
        "report.txt",
        "Annual REPORT.pdf",
        "100% sure",
        "under_score",
        "[x] (y) {z} $^*+?|",
        "it's",
        "Été",
        "日本語",
        "ΟΔΟΣ",
        "Straße",
        "STRASSE",
        "a.b",
    ):
        make_file(owner.user, name)
    assert found(owner, name=part) == sorted(expected)
    # Among so many newer ones that these say nothing of which letters are rare.
    for _ in range(_SAMPLE):
        make_file(owner.user, "-")
    assert found(owner, name=part) == sorted(expected)


@pytest.mark.parametrize(
    ("content_type", "expected"),
    [
        ("image/png", ["png"]),
        ("IMAGE/PNG", ["png"]),
        ("image/*", ["jpeg", "png"]),
        ("Image/*", ["jpeg", "png"]),
        ("text/plain", ["plain"]),
        ("text/plain; charset=utf-8", ["utf-8"]),
        ("text/*", ["plain", "utf-8"]),
        ("imag/*", []),
        ("video/*", []),
        ("image/%", []),
        ("i_age/*", []),
    ],
)
def test_content_type_is_exact_or_all_of_a_kind(
    owner: Client, content_type: str, expected: list[str]
) -> None:
    make_file(owner.user, "png", content_type="image/png")
    make_file(owner.user, "jpeg", content_type="image/jpeg")
    make_file(owner.user, "plain", content_type="text/plain")
    make_file(owner.user, "utf-8", content_type="text/plain; charset=utf-8")
    make_file(owner.user, "imagex", content_type="imagex/png")
    assert found(owner, content_type=content_type) == expected


def test_created_after_and_before_leave_out_the_moment_itself(owner: Client) -> None:
    files = make_files(owner, 3)
    middle = files[1].created_at
    shifted = middle.astimezone(timezone.get_fixed_timezone(330)).isoformat()
    for moment in (f"{middle:%Y-%m-%dT%H:%M:%SZ}", shifted):
        assert found(owner, created_after=moment) == ["2"]
        assert found(owner, created_before=moment) == ["0"]
        assert found(owner, created_after=moment, created_before=moment) == []
    between = {
        "created_after": files[0].created_at.isoformat(),
        "created_before": files[2].created_at.isoformat(),
    }
    assert found(owner, **between) == ["1"]


def test_filters_work_together_and_in_the_trash(owner: Client) -> None:
    make_file(owner.user, "a.png", content_type="image/png")
    thrown = make_file(owner.user, "a.png", content_type="image/png")
    owner.delete(f"/files/{thrown.id}")
    make_file(owner.user, "a.txt", content_type="text/plain")
    make_file(owner.user, "b.png", content_type="image/png")
    assert found(owner, name="a", content_type="image/*") == ["a.png"]
    assert found(owner, name="a", content_type="image/*", trashed="true") == ["a.png"]
    assert found(owner, name="b", trashed="true") == []


@pytest.mark.usefixtures("store")
def test_a_name_is_found_in_either_unicode_form(owner: Client) -> None:
    file_id = owner.upload(b"x", filename="caf\u00e9.txt")["fileId"]
    for name in ("caf%C3%A9", "cafe%CC%81"):
        assert [file["id"] for file in owner.get(f"/files?name={name}")["results"]] == [file_id]


@pytest.mark.usefixtures("store")
def test_a_plus_in_a_media_type_may_arrive_as_a_blank(owner: Client) -> None:
    owner.upload(b"x", content_type="image/svg+xml")
    for value in ("image/svg+xml", "image/svg%2Bxml", "image/svg%20xml"):
        assert len(owner.get(f"/files?content_type={value}")["results"]) == 1
