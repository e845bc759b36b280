"""`POST /files/commit`: who may, what is refused, what a version then is, and that it is one."""

from __future__ import annotations

import re
import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from pytest_django.fixtures import Settings

from files.models import File, FileVersion, Upload
from files.store import client, signing
from tests.support.client import Answer, Client, assert_invalid, assert_problem, put, sha256

pytestmark = pytest.mark.usefixtures("store")

DATA = b"hello, world" * 100
MEMBERS = {
    "fileId",
    "version",
    "key",
    "name",
    "size",
    "content_type",
    "checksum",
    "integrity",
    "created_at",
}


def commit(client: Client, **members: Any) -> Answer:
    body = {"key": "uploads/none", "checksum": "0" * 64, "size": 1} | members
    return client.post("/files/commit", body)


def test_nobody_may_commit(anonymous: Client, owner: Client) -> None:
    key = owner.put(DATA)["key"]
    assert_problem(anonymous.commit(key, DATA), 401, "not-authenticated")
    assert not File.objects.exists()


def test_another_person_may_not_commit(owner: Client, stranger: Client) -> None:
    key = owner.put(DATA)["key"]
    refused = assert_problem(stranger.commit(key, DATA), 404, "not-found")
    unknown = commit(stranger)
    assert {**refused.json, "request_id": ""} == {**unknown.json, "request_id": ""}
    assert owner.commit(key, DATA).status == 201
    # Nor see that it was.
    assert_problem(stranger.commit(key, DATA), 404, "not-found")
    assert_problem(stranger.commit(key, b"other"), 404, "not-found")


@pytest.mark.parametrize(
    "disguise",
    [
        "{key}x",
        "/{key}",
        "{key} ",
        "./{key}",
        "uploads/../{key}",
        "uploads/%2e%2e/{key}",
        "{key}%00",
        "other/{key}",
        "{upper}",
        "../../etc/passwd",
        "{upload_id}",
        "日本",
        "%",
        "_" * 1024,
    ],
)
def test_a_made_up_key_is_not_found(owner: Client, disguise: str) -> None:
    begun = owner.put(DATA)
    key = disguise.format(
        key=begun["key"], upper=begun["key"].upper(), upload_id=begun["upload_id"]
    )
    assert_problem(owner.commit(key, DATA), 404, "not-found")
    assert not File.objects.exists()


def test_members_that_are_needed_or_not_known_are_named(owner: Client) -> None:
    assert_invalid(owner.post("/files/commit", {}), "key", "checksum", "size")
    assert_invalid(commit(owner, base_verison=1), "base_verison")
    assert_invalid(owner.post("/files/commit?key=x", {}), "key")


def test_a_new_file_has_no_base_version(owner: Client) -> None:
    key = owner.put(DATA)["key"]
    assert_invalid(owner.commit(key, DATA, base_version=1), "base_version")
    assert owner.commit(key, DATA).status == 201


def test_before_the_put_there_is_nothing_and_after_it_there_is(owner: Client) -> None:
    begun = owner.init(DATA)
    assert_problem(owner.commit(begun["key"], DATA), 409, "object-missing")
    put(begun["presigned_put_url"], DATA)
    assert owner.commit(begun["key"], DATA).status == 201


def test_a_wrong_size_or_checksum_is_refused_and_the_right_ones_then_taken(owner: Client) -> None:
    key = owner.put(DATA)["key"]
    assert_problem(owner.commit(key, DATA, size=len(DATA) + 1), 422, "size-mismatch")
    assert_problem(owner.commit(key, DATA, checksum="0" * 64), 422, "checksum-mismatch")
    assert owner.commit(key, DATA).status == 201


def test_other_bytes_are_refused_until_the_right_ones_are_put(owner: Client) -> None:
    begun = owner.init(DATA)
    put(begun["presigned_put_url"], DATA[::-1])
    assert_problem(owner.commit(begun["key"], DATA), 422, "checksum-mismatch")
    put(begun["presigned_put_url"], DATA)
    assert owner.commit(begun["key"], DATA).status == 201


@pytest.mark.parametrize("encoding", ["gzip", "identity", "br, gzip"])
def test_an_object_with_a_content_encoding_is_refused_until_put_without(
    owner: Client, encoding: str
) -> None:
    begun = owner.init(DATA)
    sent = put(begun["presigned_put_url"], DATA, {"Content-Encoding": encoding})
    assert sent.status_code == 200
    assert_problem(owner.commit(begun["key"], DATA), 422, "content-encoding")
    put(begun["presigned_put_url"], DATA)
    assert owner.commit(begun["key"], DATA).status == 201


def test_a_file_in_the_trash_takes_the_commit_once_it_is_restored(owner: Client) -> None:
    file_id = owner.upload(b"one")["fileId"]
    key = owner.put(b"two", file_id=file_id)["key"]
    owner.delete(f"/files/{file_id}")
    assert_problem(owner.commit(key, b"two"), 409, "file-trashed")
    owner.post(f"/files/{file_id}/restore")
    assert owner.commit(key, b"two")["version"] == 2


def test_after_a_412_the_bytes_need_not_be_sent_again(owner: Client) -> None:
    file_id = owner.upload(b"one")["fileId"]
    key = owner.put(b"mine", file_id=file_id, base_version=1)["key"]
    owner.upload(b"theirs", file_id=file_id)
    refused = assert_problem(owner.commit(key, b"mine"), 412, "version-conflict")
    assert refused["version_current"] == 2
    behind = owner.commit(key, b"mine", base_version=1)
    assert_problem(behind, 412, "version-conflict")
    ahead = owner.commit(key, b"mine", base_version=3)
    assert_problem(ahead, 412, "version-conflict")
    committed = owner.commit(key, b"mine", base_version=refused["version_current"])
    assert (committed.status, committed["version"]) == (201, 3)


def test_base_version_may_come_with_the_commit_alone(owner: Client) -> None:
    file_id = owner.upload(b"one")["fileId"]
    key = owner.put(b"two", file_id=file_id)["key"]
    assert_problem(owner.commit(key, b"two", base_version=2), 412, "version-conflict")
    assert owner.commit(key, b"two", base_version=1)["version"] == 2


def test_without_a_base_version_the_newest_is_simply_followed(owner: Client) -> None:
    file_id = owner.upload(b"one")["fileId"]
    key = owner.put(b"three", file_id=file_id)["key"]
    owner.upload(b"two", file_id=file_id)
    assert owner.commit(key, b"three")["version"] == 3


def test_a_commit_that_comes_too_late_is_gone(owner: Client) -> None:
    begun = owner.put(DATA)
    Upload.objects.update(commit_by=timezone.now() - timedelta(seconds=1))
    assert_problem(owner.commit(begun["key"], DATA), 410, "upload-expired")
    assert not File.objects.exists()


def test_the_answer_has_the_documented_members(owner: Client) -> None:
    begun = owner.put(DATA, filename="hello.txt", content_type="text/x-hello")
    committed = owner.commit(begun["key"], DATA)
    assert committed.status == 201
    assert committed.json.keys() == MEMBERS
    assert str(uuid.UUID(committed["fileId"])) == committed["fileId"]
    assert committed["version"] == 1
    assert committed["key"] == begun["key"]
    assert committed["name"] == "hello.txt"
    assert committed["size"] == len(DATA)
    assert committed["content_type"] == "text/x-hello"
    assert committed["checksum"] == sha256(DATA)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", committed["created_at"])


def test_a_committed_upload_is_listed_and_downloads_back(owner: Client) -> None:
    committed = owner.upload(DATA)
    listed = owner.get("/files")["results"]
    assert [file["id"] for file in listed] == [committed["fileId"]]
    assert owner.read(committed["fileId"]) == DATA


def test_the_type_and_the_checksum_are_those_declared_not_those_of_the_put(owner: Client) -> None:
    begun = owner.init(DATA, content_type="image/png")
    put(begun["presigned_put_url"], DATA, {"Content-Type": "text/html"})
    spelled = sha256(DATA).removeprefix("sha256:").upper()
    committed = owner.commit(begun["key"], DATA, checksum=spelled)
    assert committed["content_type"] == "image/png"
    assert committed["checksum"] == sha256(DATA)


def test_the_same_commit_again_has_the_same_answer_with_200(owner: Client) -> None:
    key = owner.put(DATA)["key"]
    committed = owner.commit(key, DATA)
    again = owner.commit(key, DATA)
    assert (committed.status, again.status) == (201, 200)
    assert again.json == committed.json
    assert (File.objects.count(), FileVersion.objects.count()) == (1, 1)


def test_a_differing_commit_conflicts_and_changes_nothing(owner: Client) -> None:
    key = owner.put(DATA)["key"]
    committed = owner.commit(key, DATA)
    assert_problem(owner.commit(key, DATA, checksum="0" * 64), 409, "commit-conflict")
    assert_problem(owner.commit(key, DATA, size=0), 409, "commit-conflict")
    assert owner.commit(key, DATA).json == committed.json


def test_the_same_commit_again_shows_the_rest_as_it_is_now_and_is_never_412(
    owner: Client,
) -> None:
    file_id = owner.upload(b"one")["fileId"]
    key = owner.put(b"two", file_id=file_id, base_version=1)["key"]
    committed = owner.commit(key, b"two")
    owner.upload(b"three", file_id=file_id)
    owner.patch(f"/files/{file_id}", {"name": "renamed.txt"})
    for members in ({}, {"base_version": 1}, {"base_version": 99}):
        again = owner.commit(key, b"two", **members)
        assert again.status == 200
        assert again.json == committed.json | {"name": "renamed.txt"}


def test_the_same_commit_again_is_answered_for_a_file_in_the_trash_too(owner: Client) -> None:
    key = owner.put(DATA)["key"]
    committed = owner.commit(key, DATA)
    owner.delete(f"/files/{committed['fileId']}")
    again = owner.commit(key, DATA)
    assert (again.status, again.json) == (200, committed.json)


def test_an_upload_that_was_committed_in_time_is_never_too_late(owner: Client) -> None:
    key = owner.put(DATA)["key"]
    owner.commit(key, DATA)
    Upload.objects.update(commit_by=timezone.now() - timedelta(days=1))
    assert owner.commit(key, DATA).status == 200


def test_the_checksum_of_a_bound_upload_is_the_stores_word_where_it_gives_it(
    owner: Client, attests: bool
) -> None:
    committed = owner.upload(DATA, checksum=sha256(DATA))
    assert committed["integrity"] == ("store" if attests else "read")


def test_bytes_that_the_store_does_not_attest_are_read(owner: Client) -> None:
    assert owner.upload(DATA)["integrity"] == "read"


def test_bytes_that_are_too_many_to_read_are_declared(owner: Client, settings: Settings) -> None:
    settings.COMMIT_READ_MAX = len(DATA) - 1
    assert owner.upload(DATA)["integrity"] == "declared"
    settings.COMMIT_READ_MAX = len(DATA)
    assert owner.upload(DATA)["integrity"] == "read"


def test_the_newest_object_version_at_the_commit_is_the_one_that_is_pinned(owner: Client) -> None:
    begun = owner.put(DATA[::-1])
    put(begun["presigned_put_url"], DATA)
    owner.commit(begun["key"], DATA)
    version = FileVersion.objects.get()
    found = client.object_store().head(version.key)
    assert found is not None
    assert (version.store_version_id, version.etag) == (found.version_id, found.etag)
    assert version.size == found.size == len(DATA)


def test_the_objects_newest_state_counts_not_an_earlier_right_one(owner: Client) -> None:
    begun = owner.put(DATA)
    longer = signing.uploads().put(begun["key"], size=len(DATA) + 1, checksum=None, expires_in=60)
    assert put(longer.url, DATA + b"!").status_code == 200
    assert_problem(owner.commit(begun["key"], DATA), 422, "size-mismatch")


def test_versions_of_a_file_count_up_and_the_file_shows_the_newest(owner: Client) -> None:
    file_id = owner.upload(b"one", content_type="text/plain")["fileId"]
    second = owner.upload(b"second", file_id=file_id, content_type="text/markdown")
    assert second["version"] == 2
    file = owner.get(f"/files/{file_id}")
    for member in ("size", "content_type", "checksum", "integrity", "key", "version"):
        assert file[member] == second[member]
    assert file["updated_at"] == second["created_at"] > file["created_at"]
