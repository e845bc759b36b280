"""What is another person's answers, on every path and verb, as what never was."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from files.api.urls import router
from files.models import File, Folder, Share, Upload
from tests.support.client import Answer, Client, assert_problem, sha256
from tests.support.folders import make_folder

pytestmark = pytest.mark.usefixtures("store")

VERBS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
ROUTES: dict[str, set[str]] = {}
"""The verbs of every path that takes an id."""
for _url in router.urls:
    if "<uuid:pk>" in str(_url.pattern):
        _view: Any = _url.callback
        _verbs = {verb.upper() for verb in _view.actions}
        ROUTES.setdefault(str(_url.pattern), set()).update(_verbs)
PATHS = sorted(ROUTES)
QUERIES = ("", "?redirect=true", "?permanent=true", "?page_size=0")
BODIES: list[Any] = [
    {},
    {"name": "taken.txt"},
    {"part_numbers": [1]},
    {"unknown": 1},
    {"folder_id": None},
    {"parent_id": None},
]
INTO: list[tuple[str, str, dict[str, Any]]] = [
    ("POST", "/folders", {"name": "a", "parent_id": "{folder}"}),
    ("PATCH", "/folders/{own folder}", {"parent_id": "{folder}"}),
    ("GET", "/folders?parent_id={folder}", {}),
    ("GET", "/folders?trashed=true&parent_id={folder}", {}),
    ("POST", "/files/init-upload", {"filename": "a", "size": 1, "folder_id": "{folder}"}),
    ("POST", "/files/commit", {"key": "{own key}", "size": 4, "folder_id": "{folder}"}),
    ("PATCH", "/files/{own file}", {"folder_id": "{folder}"}),
    ("POST", "/files/{own file}/copy", {"folder_id": "{folder}"}),
    ("GET", "/files?folder_id={folder}", {}),
    ("GET", "/files?within={folder}", {}),
    ("GET", "/files?trashed=true&within={folder}", {}),
]
"""The calls that name a folder as a place, with what the caller owns."""


def everything(owner: Client) -> dict[str, str]:
    """Make one of everything; return the ids by the first part of the path."""
    folder_id = make_folder(owner, "mine")
    file_id = owner.upload(b"mine", folder_id=folder_id)["fileId"]
    ids = {"files": file_id, "uploads": owner.init(b"mine", file_id=file_id)["upload_id"]}
    ids["folders"] = folder_id
    shared = owner.post("/shares", {"file_id": file_id, "permission": "read"})
    return ids | {"shares": shared["id"]}


def fill(path: str, identifier: str) -> str:
    return "/" + path.replace("<uuid:pk>", identifier).replace("<int:number>", "1")


def shape(answer: Answer) -> tuple[int, dict[str, str], Any]:
    json = answer.json and {**answer.json, "request_id": ""}
    return answer.status, dict(answer.headers), json


def rows() -> list[list[Any]]:
    tables: tuple[Any, ...] = (File, Folder, Upload, Share)
    return [list(model.objects.values_list()) for model in tables]


def test_the_paths_are_those_of_the_api() -> None:
    assert {
        "files/<uuid:pk>",
        "files/<uuid:pk>/copy",
        "files/<uuid:pk>/download",
        "files/<uuid:pk>/restore",
        "files/<uuid:pk>/versions",
        "files/<uuid:pk>/versions/<int:number>",
        "files/<uuid:pk>/versions/<int:number>/download",
        "files/<uuid:pk>/versions/<int:number>/restore",
        "folders/<uuid:pk>",
        "folders/<uuid:pk>/restore",
        "uploads/<uuid:pk>",
        "uploads/<uuid:pk>/urls",
        "shares/<uuid:pk>",
        "shares/<uuid:pk>/events",
    } <= set(PATHS)


@pytest.mark.parametrize("path", PATHS)
def test_another_persons_id_answers_as_one_that_never_was(
    owner: Client, stranger: Client, path: str
) -> None:
    ids = everything(owner)
    theirs = fill(path, ids[path.partition("/")[0]])
    nobodys = fill(path, str(uuid.uuid4()))
    before = rows()
    not_found = set()
    requests: list[tuple[str, str, Any]] = [
        (verb, query, None) for verb in VERBS for query in QUERIES
    ]
    requests += [(verb, "", body) for verb in ("POST", "PATCH") for body in BODIES]
    for verb, query, body in requests:
        answer = stranger.call(verb, theirs + query, body)
        expected = stranger.call(verb, nobodys + query, body)
        assert shape(answer) == shape(expected), (verb, query, body)
        assert answer.status in (400, 404, 405), (verb, query, body)
        if answer.status == 404:
            if verb != "HEAD":
                assert_problem(answer, 404, "not-found")
            not_found.add(verb)
    assert not_found >= ROUTES[path]
    assert rows() == before


def test_another_persons_folder_is_no_place(owner: Client, stranger: Client) -> None:
    theirs = everything(owner)["folders"]
    own = {
        "own file": stranger.upload(b"own")["fileId"],
        "own folder": make_folder(stranger, "own"),
        "own key": stranger.put(b"next")["key"],
    }
    before = rows()
    for method, path, members in INTO:
        answers = []
        for folder in (theirs, str(uuid.uuid4())):
            ids = own | {"folder": folder}
            body = {n: v.format(**ids) if isinstance(v, str) else v for n, v in members.items()}
            if "key" in body:
                body["checksum"] = sha256(b"next")
            answers.append(stranger.call(method, path.format(**ids), body or None))
        assert_problem(answers[0], 404, "not-found")
        assert shape(answers[0]) == shape(answers[1]), (method, path)
    assert rows() == before


@pytest.mark.parametrize("path", PATHS)
def test_nobody_gets_past_401(owner: Client, anonymous: Client, path: str) -> None:
    ids = everything(owner)
    theirs = fill(path, ids[path.partition("/")[0]])
    for verb in ("GET", "POST", "PATCH", "DELETE"):
        answer = anonymous.call(verb, theirs, {})
        assert_problem(answer, 401, "not-authenticated")
        never = anonymous.call(verb, fill(path, str(uuid.uuid4())), {})
        assert shape(answer) == shape(never)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("identifier", ["1", "x", "0" * 32, "%00", "..", "null", "\u0661"])
def test_what_is_no_id_is_not_found(owner: Client, path: str, identifier: str) -> None:
    assert_problem(owner.get(fill(path, identifier)), 404, "not-found")


def test_ids_are_found_in_the_form_they_were_given_in_only(owner: Client) -> None:
    file_id = everything(owner)["files"]
    spellings = {file_id.upper(), file_id.replace("-", ""), f"{{{file_id}}}", f"{file_id}/"}
    for spelled in spellings - {file_id}:
        assert_problem(owner.get(f"/files/{spelled}"), 404, "not-found")


def test_a_path_that_does_not_exist_is_a_problem_document(owner: Client, anonymous: Client) -> None:
    for path in ("/nothing", "/files/", "/files/init-upload/", "/uploads/", "/%ff", "/files%2f"):
        assert_problem(owner.get(path), 404, "not-found")
        assert_problem(anonymous.get(path), 404, "not-found")
