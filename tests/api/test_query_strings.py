"""Query strings: what an endpoint does not know, or cannot be, is refused by name."""

from __future__ import annotations

import base64
import json

import pytest

from tests.support import wire
from tests.support.client import Answer, Client, assert_invalid, assert_problem

ID = "01890a5d-ac96-774b-bcce-b302099a8057"
INIT = {"filename": "a.txt", "size": 1}

EVERYTHING = [
    ("POST", "/files/init-upload"),
    ("POST", "/files/commit"),
    ("GET", "/files"),
    ("GET", f"/files/{ID}"),
    ("PATCH", f"/files/{ID}"),
    ("DELETE", f"/files/{ID}"),
    ("POST", f"/files/{ID}/restore"),
    ("GET", f"/files/{ID}/download"),
    ("GET", f"/files/{ID}/versions"),
    ("GET", f"/files/{ID}/versions/1"),
    ("GET", f"/files/{ID}/versions/1/download"),
    ("POST", f"/files/{ID}/copy"),
    ("POST", "/folders"),
    ("GET", "/folders"),
    ("GET", f"/folders/{ID}"),
    ("PATCH", f"/folders/{ID}"),
    ("DELETE", f"/folders/{ID}"),
    ("POST", f"/folders/{ID}/restore"),
    ("GET", "/uploads"),
    ("GET", f"/uploads/{ID}"),
    ("DELETE", f"/uploads/{ID}"),
    ("POST", f"/uploads/{ID}/urls"),
    ("POST", "/shares"),
    ("GET", "/shares"),
    ("GET", f"/shares/{ID}"),
    ("DELETE", f"/shares/{ID}"),
    ("GET", f"/shares/{ID}/events"),
    ("GET", "/s/token"),
    ("GET", "/s/token/download"),
    ("POST", "/s/token/download"),
    ("POST", "/s/token/init-upload"),
    ("POST", "/s/token/commit"),
]


def test_an_unknown_query_parameter_is_refused_by_name(owner: Client) -> None:
    for method, path in EVERYTHING:
        if path.startswith("/s/"):
            continue
        answer = owner.call(method, path + "?page_sise=1&format=json&%D0%B6", INIT)
        assert_invalid(answer, "page_sise", "format", "ж")


def test_a_repeated_query_parameter_is_refused_by_name(owner: Client) -> None:
    for method, path in EVERYTHING:
        if path.startswith("/s/"):
            continue
        assert_invalid(owner.call(method, path + "?trashed=true&trashed=true", INIT), "trashed")


@pytest.mark.parametrize("path", ["/files", "/folders", "/uploads", f"/files/{ID}/versions"])
@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("page_size", "0 201 -1 1.0 1e1 %2B1 x %EF%BC%91 0x1 1_0 99999999999999999999 true %20"),
        ("cursor", "x !! AAAA W10 bnVsbA WyJhIiwgImIiLCAwXQ %00 %C3%A9 %FF null %20"),
    ],
)
def test_a_page_that_cannot_be_is_refused(owner: Client, path: str, name: str, values: str) -> None:
    for value in ("", *values.split()):
        assert_invalid(owner.get(f"{path}?{name}={value}"), name)


AT = "2026-01-31T12:00:00+00:00"


@pytest.mark.parametrize(
    "content",
    [
        b"[]",
        b"{}",
        b"null",
        b"1",
        b"[" * 3000,
        b"\xff",
        json.dumps([AT, ID]).encode(),
        json.dumps([AT, ID, 0, 0]).encode(),
        json.dumps([AT, ID, 2]).encode(),
        json.dumps([AT, ID, [0]]).encode(),
        json.dumps([AT, "x", 0]).encode(),
        json.dumps([AT, 7, 0]).encode(),
        json.dumps(["x", ID, 0]).encode(),
        json.dumps([{}, ID, 0]).encode(),
        json.dumps([1.5, ID, 0]).encode(),
        json.dumps([-1, ID, 0]).encode(),
        json.dumps([1 << 63, ID, 0]).encode(),
        json.dumps([1, ID, 0]).encode(),
        json.dumps(["2026-01-31T12:00:00", ID, 0]).encode(),
        json.dumps(["2026-02-31T12:00:00Z", ID, 0]).encode(),
        json.dumps(["0001-01-01T00:00:00+14:00", ID, 0]).encode(),
        json.dumps(["9999-12-31T23:59:59-14:00", ID, 1]).encode(),
        json.dumps([float("nan"), ID, 0]).encode(),
    ],
)
def test_a_forged_cursor_is_refused(owner: Client, content: bytes) -> None:
    cursor = base64.urlsafe_b64encode(content).decode().rstrip("=")
    for path in ("/files", "/folders", "/uploads", "/shares"):
        assert_invalid(owner.get(f"{path}?cursor={cursor}"), "cursor")


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("ordering", ["", "name", "-created_at,id", "created_at%20", "?"]),
        ("trashed", ["", "1", "True", "TRUE", "yes", "null"]),
        ("name", ["", "%00", "x" * 256]),
        ("content_type", ["", "image", "*/*", "*", "image/", "%00/a", "x/" + "y" * 254]),
        ("folder_id", ["", "ROOT", "null", "x", "0" * 32, f"%20{ID}"]),
        ("within", ["", "root", "null", "0" * 32]),
        ("created_after", ["", "yesterday", "2026-01-31", "2026-01-31T12:00:00", "1", "%00"]),
        ("created_after", ["2026-01-31 12", "2026-01-31T12:00:00 0", "2026-01-31T12:00:00 25:00"]),
        ("created_before", ["2026-02-30T00:00:00Z", "2026-01-31T25:00:00Z", "9999999999"]),
        ("created_before", ["0001-01-01T00:00:00%2B14:00", "9999-12-31T23:59:59-14:00"]),
    ],
)
def test_a_filter_that_cannot_be_is_refused(owner: Client, name: str, values: list[str]) -> None:
    for value in values:
        assert_invalid(owner.get(f"/files?{name}={value}"), name)


def test_a_place_whose_folders_are_listed_must_be_one(owner: Client) -> None:
    for value in ("", "ROOT", "null", "x", "0" * 32):
        assert_invalid(owner.get(f"/folders?parent_id={value}"), "parent_id")
    assert_invalid(owner.get("/folders?ordering=created_at"), "ordering")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("redirect", "1"),
        ("redirect", ""),
        ("redirect", "True"),
        ("disposition", ""),
        ("disposition", "INLINE"),
        ("disposition", "inline;filename=x"),
    ],
)
def test_a_download_parameter_that_cannot_be_is_refused(
    owner: Client, name: str, value: str
) -> None:
    for path in (f"/files/{ID}/download", f"/files/{ID}/versions/1/download"):
        assert_invalid(owner.get(f"{path}?{name}={value}"), name)


@pytest.mark.parametrize(
    "query",
    ["a=1;b=2", "&&&=", "=1", "%", "%zz", "%ff=%fe", "name=%ff", "\x7f", "a[]=1", "a" * 9000],
)
def test_a_query_string_of_odd_form_is_at_most_refused(owner: Client, query: str) -> None:
    answer = wire.send("GET", f"/files?{query}", [("authorization", f"Bearer {owner.token}")])
    check_refused(answer)


def test_a_thousand_query_parameters_are_refused(owner: Client) -> None:
    query = "&".join(f"a{number}=1" for number in range(1200))
    check_refused(owner.get(f"/files?{query}"), refused=True)


def check_refused(answer: Answer, *, refused: bool = False) -> None:
    if answer.status == 200 and not refused:
        return
    assert answer.status == 400, answer.content
    assert_problem(answer, 400, answer["code"])


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize("offset", ["+00:00", " 00:00", "+01:00", " 0130", "%2B01:00", " 14"])
def test_a_plus_that_arrives_as_a_blank_is_an_offset(owner: Client, offset: str) -> None:
    owner.upload(b"x")
    found = owner.get(f"/files?created_after=2026-01-01T00:00:00{offset}")
    assert len(found["results"]) == 1
    assert owner.get(f"/files?created_before=2026-01-01T00:00:00.5{offset}")["results"] == []


def test_an_invalid_offset_is_told_how_to_write_the_plus(owner: Client) -> None:
    answer = owner.get("/files?created_after=2026-01-01T00:00:00")
    assert "%2B" in answer["errors"][0]["message"]
