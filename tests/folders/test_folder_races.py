"""Changes of the tree at the same moment, on the service as it is run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import partial
from itertools import count

import pytest

from tests.support.audit import audit
from tests.support.client import assert_problem
from tests.support.folders import drive, make_folder, make_folders, names
from tests.support.server import RemoteClient, Server, running
from tests.support.together import served_at_once

pytestmark = pytest.mark.usefixtures("store")

_people = count(1)
DATA = b"hello"


@pytest.fixture(scope="module")
def server(store: object, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("service"), workers=2) as server:
        yield server
        audit(server.environment)
        log = server.log()
        assert "Traceback" not in log
        assert "deadlock" not in log


@pytest.fixture
def owner(server: Server) -> RemoteClient:
    owner = server.client(f"owner-{next(_people)}")
    assert owner.get("/files").status == 200
    return owner


def test_two_moves_at_once_never_make_a_loop(owner: RemoteClient, race_rounds: int) -> None:
    """Each of two folders moves below the other: by itself, and below a folder in it."""
    a, below_a = make_folders(owner, "a/below a")
    b, below_b = make_folders(owner, "b/below b")
    for attempt in range(race_rounds):
        into_a, into_b = (a, b) if attempt % 2 else (below_a, below_b)
        moves = {a: into_b, b: into_a}
        answers = served_at_once(
            [
                partial(owner.patch, f"/folders/{folder}", {"parent_id": parent})
                for folder, parent in moves.items()
            ]
        )
        assert Counter(answer.status for answer in answers) == {200: 1, 409: 1}
        refused = next(answer for answer in answers if answer.status == 409)
        assert_problem(refused, 409, "folder-loop")
        assert len(drive(owner)) == 5
        moved = next(answer for answer in answers if answer.status == 200)
        assert owner.patch(f"/folders/{moved['id']}", {"parent_id": None}).status == 200


def test_of_equal_folders_made_at_once_one_is_there(owner: RemoteClient) -> None:
    parent = make_folder(owner, "parent")
    make = partial(owner.post, "/folders", {"name": "same", "parent_id": parent})
    answers = served_at_once([make] * 12)
    assert Counter(answer.status for answer in answers) == {201: 1, 409: 11}
    made = next(answer["id"] for answer in answers if answer.status == 201)
    assert {answer["folder_id"] for answer in answers if answer.status == 409} == {made}


@pytest.mark.parametrize("query", ["", "?permanent=true"])
def test_nothing_present_is_left_in_a_folder_that_goes_while_things_go_in(
    owner: RemoteClient, query: str
) -> None:
    for _ in range(2):
        folder, inner = make_folders(owner, "a/b")
        keys = [owner.put(DATA, folder_id=inner)["key"] for _ in range(3)]
        moving, trashed = (owner.upload(DATA)["fileId"] for _ in range(2))
        owner.patch(f"/files/{trashed}", {"folder_id": inner})
        owner.delete(f"/files/{trashed}")
        other = make_folder(owner, "other")
        gone, moved, restored, copied, made, placed, *committed = served_at_once(
            [
                partial(owner.delete, f"/folders/{folder}{query}"),
                partial(owner.patch, f"/files/{moving}", {"folder_id": inner}),
                partial(owner.post, f"/files/{trashed}/restore"),
                partial(owner.post, f"/files/{moving}/copy", {"folder_id": folder}),
                partial(owner.post, "/folders", {"name": "c", "parent_id": inner}),
                partial(owner.patch, f"/folders/{other}", {"parent_id": folder}),
                *(partial(owner.commit, key, DATA) for key in keys),
            ]
        )
        assert gone.status == 204
        for answer in (moved, copied, made, placed):
            assert answer.status in (200, 201, 404), answer.json
        assert restored.status in (200, 404)
        for answer in committed:
            if answer.status != 201:
                assert answer["code"] in ("folder-trashed", "upload-aborted"), answer.json
        assert "/a" not in drive(owner)
        for kept in names(owner.get("/folders")):
            assert kept == "other"
        owner.delete("/files?trashed=true")
        for listing in ("/files", "/folders"):
            for row in owner.get(listing)["results"]:
                owner.delete(f"{listing}/{row['id']}?permanent=true")


def test_a_folder_that_is_trashed_and_restored_by_many_is_whole_afterwards(
    owner: RemoteClient,
) -> None:
    outer, inner = make_folders(owner, "outer/inner")
    for place in (outer, inner):
        owner.upload(DATA, folder_id=place)
    before = drive(owner)
    for _ in range(3):
        answers = served_at_once(
            [
                *[partial(owner.delete, f"/folders/{outer}")] * 2,
                *[partial(owner.delete, f"/folders/{inner}")] * 2,
                *[partial(owner.post, f"/folders/{outer}/restore")] * 2,
            ]
        )
        assert {answer.status for answer in answers} <= {200, 204, 404}
        for folder in (outer, inner):
            assert owner.post(f"/folders/{folder}/restore").status == 200
        inner_now = owner.get(f"/folders/{inner}")
        if inner_now["parent_id"] is None:
            # It had been trashed by itself, and came back while the other was in the trash.
            owner.patch(f"/folders/{inner}", {"parent_id": outer})
        assert drive(owner) == before
