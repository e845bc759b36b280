"""What a call costs: statements to the database, requests to the store."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.support.client import Client, assert_problem, put, sha256
from tests.support.folders import make_file_in, make_folder, make_folders
from tests.support.rows import make_file
from tests.support.shares import share
from tests.support.tcp_proxy import TcpProxy

DATA = b"hello"
STATEMENTS = ("SELECT", "INSERT", "UPDATE", "DELETE", "WITH")


@contextmanager
def counted(proxy: TcpProxy) -> Iterator[dict[str, int]]:
    """Count, until the block ends, the `queries` to the database and `calls` of the store."""
    counts = {"queries": 0, "calls": -proxy.requests}
    with CaptureQueriesContext(connection) as captured:
        yield counts
    words = [query["sql"].split(None, 1)[0] for query in captured.captured_queries]
    counts["queries"] = sum(word in STATEMENTS for word in words)
    counts["calls"] += proxy.requests


def test_init_upload_makes_two_queries_and_no_store_call(
    owner: Client, store_proxy: TcpProxy
) -> None:
    owner.init(DATA)  # Pending uploads are counted for the first, and then for every hundredth.
    with counted(store_proxy) as counts:
        assert owner.init(DATA, checksum=sha256(DATA)).status == 201
    assert counts == {"queries": 2, "calls": 0}


@pytest.mark.django_db(transaction=True)
def test_init_upload_begins_no_transaction_without_an_idempotency_key(owner: Client) -> None:
    owner.init(DATA)
    with CaptureQueriesContext(connection) as captured:
        assert owner.init(DATA).status == 201
    words = [query["sql"].split(None, 1)[0] for query in captured.captured_queries]
    assert [word for word in words if word != "SELECT"] == ["INSERT"]


def test_init_upload_of_a_new_version_makes_three_queries_and_no_store_call(
    owner: Client, store_proxy: TcpProxy
) -> None:
    owner.init(DATA)
    file_id = str(make_file(owner.user).id)
    with counted(store_proxy) as counts:
        assert owner.init(DATA, file_id=file_id, base_version=1).status == 201
    assert counts == {"queries": 3, "calls": 0}


def test_init_upload_into_a_folder_makes_one_query_more(
    owner: Client, store_proxy: TcpProxy
) -> None:
    folder_id = make_folder(owner, "a")
    owner.init(DATA)
    with counted(store_proxy) as counts:
        assert owner.init(DATA, folder_id=folder_id).status == 201
    assert counts == {"queries": 3, "calls": 0}


def commit_queries(*, new_version: bool) -> int:
    """User, upload, the locked upload and file; then file, version, upload and change are written.

    A change is two statements: the user's counter, and its entry.
    """
    return 3 + new_version + (1 if connection.vendor == "postgresql" else 5)


@pytest.mark.parametrize("new_version", [False, True])
def test_commit_of_a_bound_upload_asks_the_store_once_where_it_attests(
    owner: Client, store_proxy: TcpProxy, attests: bool, new_version: bool
) -> None:
    members = {"file_id": str(make_file(owner.user).id)} if new_version else {}
    begun = owner.put(DATA, checksum=sha256(DATA), **members)
    with counted(store_proxy) as counts:
        assert owner.commit(begun["key"], DATA).status == 201
    assert counts["queries"] == commit_queries(new_version=new_version)
    assert counts["calls"] == (1 if attests else 2)


@pytest.mark.parametrize("new_version", [False, True])
def test_commit_asks_the_store_twice_when_it_must_read(
    owner: Client, store_proxy: TcpProxy, new_version: bool
) -> None:
    members = {"file_id": str(make_file(owner.user).id)} if new_version else {}
    begun = owner.put(DATA, **members)
    with counted(store_proxy) as counts:
        assert owner.commit(begun["key"], DATA).status == 201
    assert counts["queries"] == commit_queries(new_version=new_version)
    assert counts["calls"] == 2


@pytest.mark.parametrize("through_share", [False, True])
def test_an_object_is_read_once_for_however_many_wrong_commits(
    owner: Client, anonymous: Client, store_proxy: TcpProxy, through_share: bool
) -> None:
    shared = share(owner, anonymous, permission="write")
    begun = shared.init(DATA) if through_share else owner.init(DATA, file_id=shared.file_id)
    commit = shared.commit if through_share else owner.commit
    assert put(begun["presigned_put_url"], DATA).status_code == 200
    calls = []
    for _ in range(3):
        with counted(store_proxy) as counts:
            wrong = commit(begun["key"], DATA, checksum=sha256(b"other"))
            assert_problem(wrong, 422, "checksum-mismatch")
        calls.append(counts["calls"])
    assert calls == [2, 1, 1]
    assert put(begun["presigned_put_url"], b"OTHER").status_code == 200
    with counted(store_proxy) as counts:
        assert_problem(commit(begun["key"], DATA), 422, "checksum-mismatch")
    assert counts["calls"] == 2
    assert put(begun["presigned_put_url"], DATA).status_code == 200
    assert commit(begun["key"], DATA).status == 201


def test_an_object_is_read_once_for_commits_onto_an_old_version(
    owner: Client, store_proxy: TcpProxy
) -> None:
    file_id = owner.upload(DATA)["fileId"]
    owner.upload(DATA, file_id=file_id)
    begun = owner.put(DATA, file_id=file_id, base_version=1)
    calls = []
    for _ in range(2):
        with counted(store_proxy) as counts:
            assert_problem(owner.commit(begun["key"], DATA), 412, "version-conflict")
        calls.append(counts["calls"])
    assert calls == [2, 1]
    with counted(store_proxy) as counts:
        assert owner.commit(begun["key"], DATA, base_version=2).status == 201
    assert counts["calls"] == 1


def test_an_equal_commit_again_makes_two_queries_and_no_store_call(
    owner: Client, store_proxy: TcpProxy
) -> None:
    key = owner.put(DATA)["key"]
    owner.commit(key, DATA)
    with counted(store_proxy) as counts:
        assert owner.commit(key, DATA).status == 200
    assert counts == {"queries": 2, "calls": 0}


@pytest.mark.parametrize("part", ["", "/versions/1"])
def test_download_makes_two_queries_and_no_store_call(
    owner: Client, store_proxy: TcpProxy, part: str
) -> None:
    file_id = make_file(owner.user).id
    with counted(store_proxy) as counts:
        assert owner.get(f"/files/{file_id}{part}/download").status == 200
    assert counts == {"queries": 2, "calls": 0}


@pytest.mark.parametrize("files", [1, 30])
def test_a_page_of_files_makes_two_queries_however_many_there_are(
    owner: Client, store_proxy: TcpProxy, files: int
) -> None:
    for _ in range(files):
        make_file(owner.user)
    with counted(store_proxy) as counts:
        answer = owner.get("/files?page_size=20")
        assert len(answer["results"]) == min(files, 20)
    assert counts == {"queries": 2, "calls": 0}
    if answer["next"]:
        with counted(store_proxy) as counts:
            assert owner.get(answer["next"]).status == 200
        assert counts == {"queries": 2, "calls": 0}


def test_a_page_of_a_folder_makes_two_queries_and_of_a_subtree_three(
    owner: Client, store_proxy: TcpProxy
) -> None:
    outer, inner = make_folders(owner, "outer/inner")
    for _ in range(30):
        make_file_in(owner.user, inner)
    sampled = connection.vendor == "postgresql"
    for query, queries in {
        f"folder_id={inner}": 2,
        "folder_id=root": 2,
        f"folder_id={inner}&name=a": 2 + sampled,
        f"within={outer}": 3,
        f"within={outer}&name=a": 3 + sampled,
    }.items():
        with counted(store_proxy) as counts:
            assert owner.get(f"/files?{query}&page_size=20").status == 200
        assert counts["queries"] == queries, query


def test_a_page_of_folders_makes_two_queries_beside_the_users(
    owner: Client, store_proxy: TcpProxy
) -> None:
    outer = make_folder(owner, "outer")
    for number in range(5):
        make_folder(owner, str(number), outer)
    for query, queries in {"": 2, f"?parent_id={outer}": 3, "?trashed=true": 2}.items():
        with counted(store_proxy) as counts:
            assert owner.get(f"/folders{query}").status == 200
        assert counts == {"queries": queries, "calls": 0}
    with counted(store_proxy) as counts:
        assert owner.get(f"/folders/{outer}").status == 200
    assert counts == {"queries": 2, "calls": 0}


def test_a_page_of_uploads_makes_two_queries_however_many_there_are(
    owner: Client, store_proxy: TcpProxy
) -> None:
    for _ in range(10):
        owner.init(DATA)
    with counted(store_proxy) as counts:
        assert len(owner.get("/uploads")["results"]) == 10
    assert counts == {"queries": 2, "calls": 0}


def test_a_page_of_versions_makes_three_queries_however_many_there_are(
    owner: Client, store_proxy: TcpProxy
) -> None:
    file_id = make_file(owner.user, versions=30).id
    with counted(store_proxy) as counts:
        assert len(owner.get(f"/files/{file_id}/versions")["results"]) == 30
    assert counts == {"queries": 3, "calls": 0}
    with counted(store_proxy) as counts:
        assert len(owner.get(f"/files/{file_id}")["versions"]) == 30
    assert counts == {"queries": 3, "calls": 0}


@pytest.mark.django_db(transaction=True)
def test_no_store_call_is_made_inside_a_transaction(
    store_proxy: TcpProxy, owner: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside = []
    request = http.client.HTTPConnection.putrequest

    def putrequest(self: http.client.HTTPConnection, *args: Any, **options: Any) -> None:
        if self.port == store_proxy.port:
            inside.append(connection.in_atomic_block)
        request(self, *args, **options)

    monkeypatch.setattr(http.client.HTTPConnection, "putrequest", putrequest)
    file_id = owner.upload(DATA)["fileId"]
    begun = owner.init(DATA, multipart=True, file_id=file_id)
    owner.post(f"/uploads/{begun['upload_id']}/urls", {})
    part = begun["parts"][0]
    assert put(part["presigned_put_url"], DATA, part["headers"]).status_code == 200
    assert len(owner.get(f"/uploads/{begun['upload_id']}")["received_parts"]) == 1
    assert owner.commit(begun["key"], DATA).status == 201
    assert owner.delete(f"/uploads/{owner.init(DATA, multipart=True)['upload_id']}").status == 204
    # HEAD and GET; begin, list twice, list, complete, HEAD, GET; begin and abort.
    assert inside == [False] * 11
