"""What must be so when many ask at the same moment, on the service as it is run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import partial
from itertools import count

import pytest

from files.services.tokens import mint
from tests.support.client import Answer, assert_problem, sha256
from tests.support.server import RemoteClient, Server, running
from tests.support.together import at_once, served_at_once

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


def feed(owner: RemoteClient) -> list[tuple[str, int | None]]:
    """Return kind and version of all changes of the owner's drive, numbered from 1."""
    changes = owner.get("/changes?limit=1000")["results"]
    assert [change["seq"] for change in changes] == list(range(1, len(changes) + 1))
    return [(change["kind"], change["version"]) for change in changes]


def test_fifty_equal_commits_make_one_version(owner: RemoteClient) -> None:
    data = b"once"
    key = owner.put(data)["key"]
    answers = served_at_once([partial(owner.commit, key, data)] * 50)
    assert Counter(answer.status for answer in answers) == {201: 1, 200: 49}
    assert all(answer.json == answers[0].json for answer in answers)
    assert len(owner.get("/files")["results"]) == 1
    assert versions_of(owner, answers[0]["fileId"]) == [1]
    assert feed(owner) == [("file-created", 1)]


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
    added = [("version-added", number) for number in range(2, 51)]
    assert feed(owner) == [("file-created", 1), *added]
    newest = max(answers, key=lambda answer: int(answer["version"]))
    file = owner.get(f"/files/{file_id}")
    assert (file["version"], file["key"]) == (50, newest["key"])
    assert file["checksum"] == newest["checksum"]
    for answer in answers[:5]:
        assert sha256(owner.read(file_id, answer["version"])) == answer["checksum"]


def test_a_change_that_many_make_at_once_is_recorded_once(owner: RemoteClient) -> None:
    path = f"/files/{owner.upload(b'changed')['fileId']}"
    for call in (
        partial(owner.patch, path, {"name": "b.txt"}),
        partial(owner.delete, path),
        partial(owner.post, f"{path}/restore"),
        partial(owner.delete, f"{path}?permanent=true"),
    ):
        assert {answer.status for answer in served_at_once([call] * 8)} <= {200, 204, 404}
    kinds = [kind for kind, _ in feed(owner)]
    changed = ["file-renamed", "file-trashed", "file-restored", "file-purged"]
    assert kinds == ["file-created", *changed]


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


def test_of_200_uploads_at_once_against_a_quota_for_100_exactly_100_begin(
    server: Server, owner: RemoteClient
) -> None:
    subject = owner.get("/me")["subject"]
    server.manage("quota", subject, "1000")
    # Another token, as the processes remember whose the first one is.
    owner.token = mint(subject=subject, ttl=1800)
    body = {"filename": "a", "size": 10}
    # With a key each, so that one whose answer was lost in a 503 is not begun, and counted, twice.
    begin = [
        partial(owner.post, "/files/init-upload", body, headers={"Idempotency-Key": str(number)})
        for number in range(200)
    ]
    answers = served_at_once(begin)
    assert Counter(answer.status for answer in answers) == {201: 100, 507: 100}
    for answer in answers:
        if answer.status == 507:
            assert_problem(answer, 507, "quota-exceeded")
    me = owner.get("/me")
    assert (me["bytes_used"], me["bytes_reserved"], me["quota_bytes"]) == (0, 1000, 1000)


def test_the_same_idempotency_key_at_once_reserves_once(
    server: Server, owner: RemoteClient
) -> None:
    server.manage("quota", owner.get("/me")["subject"], "1000")
    owner.token = mint(subject=owner.get("/me")["subject"], ttl=1800)
    headers = {"Idempotency-Key": "same"}
    begin = partial(owner.post, "/files/init-upload", {"filename": "a", "size": 4}, headers=headers)
    answers = served_at_once([begin] * 20)
    assert {answer.status for answer in answers} == {201}
    assert owner.get("/me")["bytes_reserved"] == 4


@pytest.mark.slow
def test_what_is_committed_while_the_bytes_are_counted_is_counted_once(
    server: Server, owner: RemoteClient
) -> None:
    subject = owner.get("/me")["subject"]
    body = b"bytes"

    def upload_some() -> Answer:
        for _ in range(15):
            file_id = owner.upload(body)["fileId"]
            owner.post(f"/files/{file_id}/versions/1/restore")
            owner.init(body)
        return owner.get("/me")

    def change_quota() -> Answer:
        for size in ("1GiB", "none", "1GiB", "2GiB"):
            server.manage("quota", subject, size)
        return owner.get("/me")

    at_once([*[upload_some] * 4, change_quota])
    files = owner.get("/files?page_size=200")["results"]
    used = sum(len(body) * int(file["version"]) for file in files)
    kept = owner.get("/me")
    assert kept["bytes_used"] == used
    counted = server.manage("quota", subject, "1GiB")
    assert f"used {used}" in counted or f"used {used} (" in counted
    owner.token = mint(subject=subject, ttl=1800)
    # Only what a process begins while it remembers no quota is not reserved.
    assert kept["bytes_reserved"] <= owner.get("/me")["bytes_reserved"] == 60 * len(body)


@pytest.mark.slow
def test_a_version_is_purged_or_restored_or_both_but_never_restored_after_its_purge(
    owner: RemoteClient,
) -> None:
    for attempt in range(20):
        file_id = owner.upload(f"first {attempt}".encode())["fileId"]
        owner.upload(b"second", file_id=file_id)
        path = f"/files/{file_id}/versions/1"
        restored, purged = served_at_once(
            [partial(owner.post, f"{path}/restore"), partial(owner.delete, path)]
        )
        assert purged.status == 204
        if restored.status == 201:
            assert owner.read(file_id) == f"first {attempt}".encode()
        else:
            assert_problem(restored, 410, "version-purged")
            assert versions_of(owner, file_id) == [2, 1]


@pytest.mark.slow
def test_a_commit_and_a_purge_at_once_leave_no_version_behind(owner: RemoteClient) -> None:
    for attempt in range(10):
        file_id = owner.upload(b"first")["fileId"]
        data = f"attempt {attempt}".encode()
        keys = [owner.put(data, file_id=file_id)["key"] for _ in range(3)]
        commits = [partial(owner.commit, key, data) for key in keys]
        purges = [partial(owner.delete, f"/files/{file_id}?permanent=true")] * 2
        *committed, purged, purged_too = served_at_once([*commits, *purges])
        assert sorted((purged.status, purged_too.status)) == [204, 404]
        assert {answer.status for answer in committed} <= {200, 201, 404, 410}
        for key in keys:
            assert_problem(owner.commit(key, data), 404, "not-found")
    assert owner.get("/uploads")["results"] == []
    assert owner.get("/files")["results"] == []
