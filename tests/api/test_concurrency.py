"""What must be so when many ask at the same moment, on the service as it is run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import partial
from itertools import count

import pytest

from tests.support.client import assert_problem, sha256
from tests.support.server import RemoteClient, Server, running
from tests.support.together import served_at_once

pytestmark = pytest.mark.usefixtures("store")

_people = count(1)


@pytest.fixture(scope="module")
def server(store: object, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("service"), workers=2) as server:
        yield server
        assert "Traceback" not in server.log()


@pytest.fixture
def owner(server: Server) -> RemoteClient:
    owner = server.client(f"owner-{next(_people)}")
    assert owner.get("/files").status == 200
    return owner


def versions_of(owner: RemoteClient, file_id: str) -> list[int]:
    listed = owner.get(f"/files/{file_id}/versions?page_size=200")
    return [version["version"] for version in listed["results"]]


def test_fifty_equal_commits_make_one_version(owner: RemoteClient) -> None:
    data = b"once"
    key = owner.put(data)["key"]
    answers = served_at_once([partial(owner.commit, key, data)] * 50)
    assert Counter(answer.status for answer in answers) == {201: 1, 200: 49}
    assert all(answer.json == answers[0].json for answer in answers)
    assert len(owner.get("/files")["results"]) == 1
    assert versions_of(owner, answers[0]["fileId"]) == [1]


def test_fifty_commits_onto_one_file_make_the_versions_1_to_50(owner: RemoteClient) -> None:
    bodies = [f"version {number}".encode() for number in range(50)]
    file_id = owner.upload(bodies[0])["fileId"]
    keys = [owner.put(body, file_id=file_id)["key"] for body in bodies[1:]]
    answers = served_at_once(
        [partial(owner.commit, key, body) for key, body in zip(keys, bodies[1:], strict=True)]
    )
    # 200: the answer to a commit that was done came too late, and it was repeated.
    assert {answer.status for answer in answers} <= {200, 201}, [a.json for a in answers]
    assert sorted(answer["version"] for answer in answers) == list(range(2, 51))
    assert versions_of(owner, file_id) == list(range(50, 0, -1))
    newest = max(answers, key=lambda answer: int(answer["version"]))
    file = owner.get(f"/files/{file_id}")
    assert (file["version"], file["key"]) == (50, newest["key"])
    assert file["checksum"] == newest["checksum"]
    for answer in answers[:5]:
        assert sha256(owner.read(file_id, answer["version"])) == answer["checksum"]


@pytest.mark.slow
def test_of_many_commits_with_the_same_base_version_exactly_one_wins(owner: RemoteClient) -> None:
    file_id = owner.upload(b"base")["fileId"]
    bodies = [f"from base {number}".encode() for number in range(20)]
    keys = [owner.put(body, file_id=file_id, base_version=1)["key"] for body in bodies]
    answers = served_at_once(
        [partial(owner.commit, key, body) for key, body in zip(keys, bodies, strict=True)]
    )
    assert Counter(answer.status for answer in answers) == {201: 1, 412: 19}
    for answer in answers:
        if answer.status == 412:
            assert_problem(answer, 412, "version-conflict")
            assert answer["version_current"] == 2
    assert versions_of(owner, file_id) == [2, 1]


@pytest.mark.slow
def test_a_commit_and_an_abort_at_once_leave_the_state_of_the_winner(owner: RemoteClient) -> None:
    committed_files = set()
    for attempt in range(10):
        data = f"attempt {attempt}".encode()
        begun = owner.put(data)
        upload = f"/uploads/{begun['upload_id']}"
        commits = [partial(owner.commit, begun["key"], data)] * 2
        aborts = [partial(owner.delete, upload)] * 2
        *committed, aborted, aborted_too = served_at_once([*commits, *aborts])
        state = owner.get(upload)["state"]
        if state == "committed":
            assert sorted(answer.status for answer in committed) == [200, 201]
            assert_problem(aborted, 409, "upload-complete")
            assert_problem(aborted_too, 409, "upload-complete")
            file_id = committed[0]["fileId"]
            committed_files.add(file_id)
            assert owner.read(file_id) == data
        else:
            assert state == "aborted"
            assert (aborted.status, aborted_too.status) == (204, 204)
            for answer in committed:
                assert_problem(answer, 410, "upload-aborted")
    assert owner.get("/uploads")["results"] == []
    assert {file["id"] for file in owner.get("/files")["results"]} == committed_files


def test_the_same_idempotency_key_at_once_begins_one_upload(owner: RemoteClient) -> None:
    body = {"filename": "a.txt", "size": 4}
    headers = {"Idempotency-Key": "same"}
    begin = partial(owner.post, "/files/init-upload", body, headers=headers)
    answers = served_at_once([begin] * 20)
    assert {answer.status for answer in answers} == {201}
    assert len({answer["upload_id"] for answer in answers}) == 1
    assert len(owner.get("/uploads")["results"]) == 1


def test_the_first_requests_of_a_new_person_at_once_make_one_user(server: Server) -> None:
    newcomer = server.client("newcomer")
    answers = served_at_once([partial(newcomer.init, b"x")] * 20)
    assert {answer.status for answer in answers} == {201}
    assert len(newcomer.get("/uploads")["results"]) == 20
