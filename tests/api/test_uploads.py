"""`/uploads`: what is under way, its fresh URLs, and its end without a version."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from django.utils import timezone

from files.models import Upload
from files.store import client
from tests.support.client import Answer, Client, assert_invalid, assert_problem, put, sha256
from tests.support.tcp_proxy import TcpProxy

pytestmark = pytest.mark.usefixtures("store")

DATA = b"hello"
MEMBERS = {
    "upload_id",
    "key",
    "filename",
    "size",
    "content_type",
    "checksum",
    "state",
    "multipart",
    "part_size",
    "part_count",
    "created_at",
    "commit_by",
    "folder_id",
    "fileId",
    "version",
}


def path(begun: Answer) -> str:
    return f"/uploads/{begun['upload_id']}"


def expire() -> None:
    Upload.objects.update(commit_by=timezone.now() - timedelta(seconds=1))


def test_nobody_sees_or_touches_uploads(anonymous: Client, owner: Client) -> None:
    begun = owner.init(DATA)
    assert_problem(anonymous.get("/uploads"), 401, "not-authenticated")
    assert_problem(anonymous.get(path(begun)), 401, "not-authenticated")
    assert_problem(anonymous.post(f"{path(begun)}/urls", {}), 401, "not-authenticated")
    assert_problem(anonymous.delete(path(begun)), 401, "not-authenticated")


def test_another_persons_uploads_are_not_listed(owner: Client, stranger: Client) -> None:
    owner.init(DATA)
    assert stranger.get("/uploads")["results"] == []


NEVER = "01a00000-abcd-0000-0000-000000000000"


@pytest.mark.parametrize("upload_id", ["x", "0", NEVER, NEVER.upper()])
def test_what_never_was_is_not_found(owner: Client, upload_id: str) -> None:
    assert_problem(owner.get(f"/uploads/{upload_id}"), 404, "not-found")
    assert_problem(owner.delete(f"/uploads/{upload_id}"), 404, "not-found")


def test_a_list_takes_no_filter_and_no_nonsense(owner: Client) -> None:
    assert_invalid(owner.get("/uploads?state=pending"), "state")
    assert_invalid(owner.get("/uploads?page_size=0&ordering=size"), "page_size", "ordering")
    assert_invalid(owner.get("/uploads?cursor=x"), "cursor")


def test_the_list_has_the_pending_ones_alone_newest_first(owner: Client) -> None:
    first, second = owner.init(DATA), owner.init(DATA)
    committed, aborted, expired = owner.put(DATA), owner.init(DATA), owner.init(DATA)
    owner.commit(committed["key"], DATA)
    owner.delete(path(aborted))
    Upload.objects.filter(pk=expired["upload_id"]).update(commit_by=timezone.now())
    listed = owner.get("/uploads")
    assert [upload["upload_id"] for upload in listed["results"]] == [
        second["upload_id"],
        first["upload_id"],
    ]
    assert all(upload.keys() == MEMBERS for upload in listed["results"])
    assert (listed["next"], listed["previous"]) == (None, None)


def test_the_list_is_paged(owner: Client) -> None:
    begun = [owner.init(DATA)["upload_id"] for _ in range(5)]
    seen, link = [], "/uploads?page_size=2"
    while link:
        answer = owner.get(link)
        seen += [upload["upload_id"] for upload in answer["results"]]
        link = answer["next"]
    assert seen == begun[::-1]
    oldest = owner.get("/uploads?ordering=created_at&page_size=1")["results"]
    assert [upload["upload_id"] for upload in oldest] == begun[:1]


def test_a_pending_upload_is_shown(owner: Client) -> None:
    begun = owner.init(DATA, filename="a b.txt", checksum=sha256(DATA))
    shown = owner.get(path(begun))
    assert shown.json.keys() == MEMBERS
    expected = {
        "upload_id": begun["upload_id"],
        "key": begun["key"],
        "filename": "a b.txt",
        "size": len(DATA),
        "content_type": "text/plain",
        "checksum": sha256(DATA),
        "state": "pending",
        "multipart": False,
        "part_size": None,
        "part_count": None,
        "fileId": None,
        "version": None,
    }
    assert {name: shown[name] for name in expected} == expected
    assert "X-Amz-Signature" not in shown.content.decode()


def test_a_committed_upload_is_shown_with_what_came_of_it(owner: Client) -> None:
    begun = owner.put(DATA)
    committed = owner.commit(begun["key"], DATA)
    shown = owner.get(path(begun))
    assert shown["state"] == "committed"
    assert (shown["fileId"], shown["version"]) == (committed["fileId"], 1)
    expire()
    assert owner.get(path(begun))["state"] == "committed"


def test_an_aborted_upload_is_shown(owner: Client) -> None:
    begun = owner.init(DATA)
    owner.delete(path(begun))
    assert owner.get(path(begun))["state"] == "aborted"


def test_every_call_on_an_expired_upload_says_so(owner: Client) -> None:
    begun = owner.put(DATA)
    expire()
    assert_problem(owner.get(path(begun)), 410, "upload-expired")
    assert_problem(owner.post(f"{path(begun)}/urls", {}), 410, "upload-expired")
    assert_problem(owner.delete(path(begun)), 410, "upload-expired")
    assert_problem(owner.commit(begun["key"], DATA), 410, "upload-expired")


def test_fresh_urls_are_for_pending_uploads_only(owner: Client) -> None:
    committed, aborted = owner.put(DATA), owner.init(DATA)
    owner.commit(committed["key"], DATA)
    owner.delete(path(aborted))
    assert_problem(owner.post(f"{path(committed)}/urls", {}), 409, "upload-complete")
    assert_problem(owner.post(f"{path(aborted)}/urls", {}), 410, "upload-aborted")


def test_a_single_put_has_no_part_numbers(owner: Client) -> None:
    begun = owner.init(DATA)
    refused = owner.post(f"{path(begun)}/urls", {"part_numbers": [1]})
    assert_invalid(refused, "part_numbers")
    assert_invalid(owner.post(f"{path(begun)}/urls", {"parts": [1]}), "parts")


@pytest.mark.parametrize("with_checksum", [False, True])
def test_a_fresh_url_works_and_can_be_committed_for_longer(
    owner: Client, with_checksum: bool
) -> None:
    begun = owner.init(DATA, **({"checksum": sha256(DATA)} if with_checksum else {}))
    soon = timezone.now() + timedelta(seconds=60)
    Upload.objects.update(commit_by=soon)
    fresh = owner.post(f"{path(begun)}/urls", {})
    assert fresh.status == 200
    assert fresh.json.keys() == begun.json.keys()
    for name in ("upload_id", "key", "headers"):
        assert fresh[name] == begun[name]
    assert "X-Amz-Signature" in parse_qs(urlsplit(fresh["presigned_put_url"]).query)
    assert Upload.objects.get().commit_by > soon
    assert put(fresh["presigned_put_url"], DATA, fresh["headers"]).status_code == 200
    assert owner.commit(begun["key"], DATA).status == 201


def test_fresh_urls_never_shorten_the_time_to_commit(owner: Client) -> None:
    begun = owner.init(DATA)
    late = timezone.now() + timedelta(days=30)
    Upload.objects.update(commit_by=late)
    owner.post(f"{path(begun)}/urls", {})
    assert Upload.objects.get().commit_by == late


def test_the_urls_may_be_asked_for_without_a_body(owner: Client) -> None:
    begun = owner.init(DATA)
    assert owner.post(f"{path(begun)}/urls").status == 200


def test_an_abort_ends_the_upload_and_may_be_repeated(owner: Client) -> None:
    begun = owner.put(DATA)
    first, again = owner.delete(path(begun)), owner.delete(path(begun))
    assert (first.status, again.status) == (204, 204)
    assert (first.content, again.content) == (b"", b"")
    assert_problem(owner.commit(begun["key"], DATA), 410, "upload-aborted")
    assert owner.get("/uploads")["results"] == []


def test_a_committed_upload_cannot_be_aborted(owner: Client) -> None:
    begun = owner.put(DATA)
    committed = owner.commit(begun["key"], DATA)
    assert_problem(owner.delete(path(begun)), 409, "upload-complete")
    assert owner.read(committed["fileId"]) == DATA


def test_an_abort_does_not_need_the_store(owner: Client, store_proxy: TcpProxy) -> None:
    single, multipart = owner.init(DATA), owner.init(DATA, multipart=True)
    store_proxy.refuse()
    assert owner.delete(path(single)).status == 204
    assert owner.delete(path(multipart)).status == 204
    assert owner.get(path(multipart))["state"] == "aborted"
    # Again is a second try to tell the store.
    store_proxy.pass_on()
    assert owner.delete(path(multipart)).status == 204
    upload = Upload.objects.get(pk=multipart["upload_id"])
    assert upload.multipart_id is not None
    parts = client.object_store().list_parts(upload.key, upload_id=upload.multipart_id)
    assert parts is None
