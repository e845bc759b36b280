"""What whoever holds the token of a share sees, downloads and uploads."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.utils import timezone

from files.models import FileVersion, Integrity, Share, User
from tests.support.client import Client, assert_invalid, assert_problem, fetch, put, sha256
from tests.support.shares import events, share, with_password

pytestmark = pytest.mark.usefixtures("store")


def test_an_unknown_token_is_as_anything_that_is_not_there(anonymous: Client) -> None:
    nothing = anonymous.get("/no/such/path")
    for token in ("x", "A" * 32, "A" * 5000, "%00", "%ff", "a.b", "../admin"):
        for path in ("", "/download", "/init-upload", "/commit"):
            method = "GET" if path in ("", "/download") else "POST"
            answer = assert_problem(
                anonymous.call(method, f"/s/{token}{path}", {}), 404, "not-found"
            )
            assert answer["detail"] == nothing["detail"]


def test_every_answer_under_s_says_no_referrer_and_no_store(
    owner: Client, anonymous: Client
) -> None:
    shared = share(owner, anonymous)
    answers = [
        shared.look(),
        shared.download(),
        shared.init(b"x"),
        shared.commit("k", b"x"),
        anonymous.get("/s/unknown"),
        anonymous.delete(shared.path),
        anonymous.get(f"{shared.path}/nothing"),
        anonymous.get("/s/"),
        shared.download(query="?redirect=true"),
    ]
    assert {answer.status for answer in answers} == {200, 302, 403, 404, 405}
    for answer in answers:
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert answer.headers["Cache-Control"] == "no-store"


def test_a_look_shows_the_file_and_nothing_of_the_owners(owner: Client, anonymous: Client) -> None:
    shared = share(owner, anonymous)
    assert shared.look().json == {
        "filename": "shared.txt",
        "size": 6,
        "content_type": "text/plain",
        "version": 1,
        "permission": "read",
        "expires_at": None,
        "password_required": False,
    }
    assert events(owner, shared) == []
    assert owner.get(f"/shares/{shared.id}")["last_used_at"] is None


def test_a_download_gives_the_newest_version_and_is_counted(
    owner: Client, anonymous: Client
) -> None:
    shared = share(owner, anonymous)
    owner.upload(b"second", file_id=shared.file_id)
    answer = shared.download()
    assert answer.json.keys() == owner.get(f"/files/{shared.file_id}/download").json.keys()
    assert fetch(answer["presigned_get_url"]).content == b"second"
    assert (answer["version"], answer["filename"]) == (2, "shared.txt")
    redirected = shared.download(query="?redirect=true&disposition=inline")
    assert redirected.status == 302
    assert fetch(redirected.headers["Location"]).headers["Content-Disposition"].startswith("inline")
    assert owner.get(f"/shares/{shared.id}")["download_count"] == 2
    assert events(owner, shared) == [("downloaded", None)] * 2


def test_a_later_put_to_the_old_url_does_not_reach_a_share(
    owner: Client, anonymous: Client
) -> None:
    begun = owner.put(b"right", filename="a.txt")
    file_id = owner.commit(begun["key"], b"right")["fileId"]
    shared = share(owner, anonymous, file_id=file_id)
    assert put(begun["presigned_put_url"], b"wrong").status_code == 200
    assert fetch(shared.download()["presigned_get_url"]).content == b"right"


def test_head_never_counts_as_a_download(owner: Client, anonymous: Client) -> None:
    shared = share(owner, anonymous)
    assert anonymous.call("HEAD", f"{shared.path}/download").status == 405
    assert anonymous.call("HEAD", shared.path).status == 200
    assert owner.get(f"/shares/{shared.id}")["download_count"] == 0


def test_a_url_ends_with_the_share(owner: Client, anonymous: Client) -> None:
    ends = timezone.now() + timedelta(seconds=100)
    shared = share(owner, anonymous, permission="write", expires_at=ends.isoformat())
    download = shared.download()
    assert datetime.fromisoformat(download["expires_at"]) <= ends
    assert int(parse_qs(urlsplit(download["presigned_get_url"]).query)["X-Amz-Expires"][0]) <= 100
    assert datetime.fromisoformat(shared.init(b"x")["expires_at"]) <= ends


def test_less_than_a_second_left_is_expired(owner: Client, anonymous: Client) -> None:
    shared = share(owner, anonymous, permission="write")
    Share.objects.update(expires_at=timezone.now() + timedelta(seconds=0.9))
    assert_problem(shared.download(), 410, "share-expired")
    assert_problem(shared.init(b"x"), 410, "share-expired")


def test_an_expired_share_answers_so_everywhere(owner: Client, anonymous: Client) -> None:
    shared = share(owner, anonymous, permission="write", password="right")
    Share.objects.update(expires_at=timezone.now())
    for answer in (shared.look(), shared.download(), shared.init(b""), shared.commit("k", b"")):
        assert_problem(answer, 410, "share-expired")


def test_a_revoked_share_answers_so_everywhere(owner: Client, anonymous: Client) -> None:
    shared = share(owner, anonymous, permission="write", max_downloads=1)
    shared.download()
    owner.delete(f"/shares/{shared.id}")
    for answer in (shared.look(), shared.download(), shared.init(b""), shared.commit("k", b"")):
        assert_problem(answer, 410, "share-revoked")
    assert events(owner, shared) == [("downloaded", None)] + [("refused", "share-revoked")] * 4


def test_a_used_up_share_answers_so(owner: Client, anonymous: Client) -> None:
    shared = share(owner, anonymous, max_downloads=2)
    assert [shared.download().status for _ in range(2)] == [200, 200]
    assert_problem(shared.download(), 410, "share-exhausted")
    assert_problem(shared.look(), 410, "share-exhausted")


def test_the_shares_of_an_owner_who_is_not_active_are_not_found(
    owner: Client, anonymous: Client
) -> None:
    shared = share(owner, anonymous, permission="write")
    User.objects.filter(pk=owner.user.pk).update(is_active=False)
    for answer in (shared.look(), shared.download(), shared.init(b""), shared.commit("k", b"")):
        assert_problem(answer, 404, "not-found")


def test_a_corrupt_version_is_refused_and_not_counted(owner: Client, anonymous: Client) -> None:
    shared = share(owner, anonymous, max_downloads=1)
    FileVersion.objects.update(integrity=Integrity.CORRUPT)
    assert_problem(shared.download(), 409, "corrupt")
    assert owner.get(f"/shares/{shared.id}")["download_count"] == 0


def test_a_read_share_cannot_upload(owner: Client, anonymous: Client) -> None:
    shared = share(owner, anonymous)
    key = owner.put(b"mine", file_id=shared.file_id)["key"]
    assert_problem(shared.init(b"x"), 403, "permission-denied")
    assert_problem(shared.commit(key, b"mine"), 403, "permission-denied")
    assert ("refused", "permission-denied") in events(owner, shared)


def test_a_write_share_makes_the_next_version(owner: Client, anonymous: Client) -> None:
    shared = share(owner, anonymous, permission="write")
    committed = shared.upload(b"from outside")
    assert (committed.status, committed["version"]) == (201, 2)
    assert committed["name"] == "shared.txt"
    version = owner.get(f"/files/{shared.file_id}/versions/2")
    assert version["created_by"] == {"share": shared.id}
    assert owner.read(shared.file_id) == b"from outside"
    again = shared.commit(committed["key"], b"from outside")
    assert (again.status, again.json) == (200, committed.json)
    assert events(owner, shared) == [("upload_started", None), ("committed", None)]
    assert shared.look()["version"] == 2


def test_an_upload_through_a_share_never_renames(owner: Client, anonymous: Client) -> None:
    shared = share(owner, anonymous, permission="write")
    begun = shared.init(b"x", filename="Other Name.md", content_type="text/markdown")
    assert begun["key"].endswith("-other-name.md")
    put(begun["presigned_put_url"], b"x", begun["headers"])
    assert shared.commit(begun["key"], b"x")["name"] == "shared.txt"


def test_what_is_for_owners_only_is_unknown_through_a_share(
    owner: Client, anonymous: Client
) -> None:
    shared = share(owner, anonymous, permission="write")
    owners: dict[str, Any] = {"multipart": True, "file_id": shared.file_id, "base_version": 1}
    for name, value in owners.items():
        assert_invalid(shared.init(b"x", **{name: value}), name)
    assert_invalid(shared.commit("k", b"x", base_version=1), "base_version")
    keyed = anonymous.post(
        f"{shared.path}/init-upload", {"size": 1}, headers={"Idempotency-Key": "k"}
    )
    assert_invalid(keyed, "Idempotency-Key")
    assert_invalid(shared.init(b"x", size=(5 << 30) + 1), "size")


def test_the_checks_of_a_commit_hold_through_a_share(owner: Client, anonymous: Client) -> None:
    shared = share(owner, anonymous, permission="write")
    begun = shared.init(b"right")
    assert_problem(shared.commit(begun["key"], b"right"), 409, "object-missing")
    assert put(begun["presigned_put_url"], b"longer than that").status_code == 403
    put(begun["presigned_put_url"], b"wrong")
    assert_problem(shared.commit(begun["key"], b"righ"), 422, "size-mismatch")
    assert_problem(shared.commit(begun["key"], b"right"), 422, "checksum-mismatch")
    put(begun["presigned_put_url"], b"right")
    assert shared.commit(begun["key"], b"right").status == 201


def test_an_upload_of_a_share_is_found_through_that_share_only(
    owner: Client, anonymous: Client
) -> None:
    shared = share(owner, anonymous, permission="write")
    other = share(owner, anonymous, permission="write", file_id=shared.file_id)
    begun = shared.init(b"x")
    put(begun["presigned_put_url"], b"x", begun["headers"])
    assert_problem(other.commit(begun["key"], b"x"), 404, "not-found")
    assert_problem(owner.commit(begun["key"], b"x"), 404, "not-found")
    assert owner.get("/uploads")["results"] == []
    for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/urls")):
        answer = owner.call(method, f"/uploads/{begun['upload_id']}{path}", {})
        assert_problem(answer, 404, "not-found")
    owners = owner.put(b"o", file_id=shared.file_id)
    assert_problem(shared.commit(owners["key"], b"o"), 404, "not-found")
    assert shared.commit(begun["key"], b"x").status == 201


@pytest.mark.parametrize("end", ["revoked", "expired"])
def test_a_share_that_ended_stops_commits_too(owner: Client, anonymous: Client, end: str) -> None:
    shared = share(owner, anonymous, permission="write")
    begun = shared.init(b"late")
    put(begun["presigned_put_url"], b"late", begun["headers"])
    if end == "revoked":
        owner.delete(f"/shares/{shared.id}")
    else:
        Share.objects.update(expires_at=timezone.now())
    assert_problem(shared.commit(begun["key"], b"late"), 410, f"share-{end}")
    assert owner.get(f"/files/{shared.file_id}")["version"] == 1


def test_a_locked_share_shows_little_without_its_password(owner: Client, anonymous: Client) -> None:
    shared = share(owner, anonymous, permission="write", password="pässword 1")
    little = {"permission": "write", "expires_at": None, "password_required": True}
    assert shared.look().json == little
    assert events(owner, shared) == []
    assert shared.look("wrong").json == little
    assert shared.look("pässword 1")["filename"] == "shared.txt"
    for answer in (shared.download(), shared.init(b""), shared.commit("k", b"")):
        assert_problem(answer, 401, "share-password")
    assert_problem(shared.download("wrong"), 401, "share-password")
    assert shared.download("pässword 1").status == 200
    assert shared.upload(b"new", "pässword 1")["version"] == 2


def test_a_password_is_taken_from_json_or_a_form(owner: Client, anonymous: Client) -> None:
    shared = share(owner, anonymous, password="ä b&c")
    path = f"{shared.path}/download"
    as_json = anonymous.post(path, {"password": "ä b&c"})
    assert fetch(as_json["presigned_get_url"]).content == b"shared"
    form = anonymous.call(
        "POST", path, raw=b"password=%C3%A4+b%26c", content_type="application/x-www-form-urlencoded"
    )
    assert form.status == 303
    assert fetch(form.headers["Location"]).content == b"shared"
    wrong = anonymous.call(
        "POST", path, raw=b"password=x", content_type="application/x-www-form-urlencoded"
    )
    assert_problem(wrong, 401, "share-password")
    assert_problem(anonymous.post(path, {"password": "x"}), 401, "share-password")
    assert_invalid(anonymous.post(path, {"password": 1}), "password")
    assert_invalid(anonymous.post(path, {"pass": "x"}), "pass")
    assert anonymous.post(path, {}, headers=with_password("ä b&c")).status == 200


def test_a_password_header_that_cannot_be_is_refused(owner: Client, anonymous: Client) -> None:
    shared = share(owner, anonymous, password="right")
    for value in ("%ff", "%00", "x" * 300):
        answer = anonymous.get(f"{shared.path}/download", headers={"X-Share-Password": value})
        assert_invalid(answer, "X-Share-Password")


def test_a_share_without_a_password_needs_none(owner: Client, anonymous: Client) -> None:
    shared = share(owner, anonymous)
    assert shared.download("any").status == 200
    form = anonymous.call(
        "POST",
        f"{shared.path}/download",
        raw=b"password=",
        content_type="application/x-www-form-urlencoded",
    )
    assert form.status == 303


def test_a_grantee_with_an_account_gets_no_more_than_the_token_opens(
    owner: Client, grantee: Client, anonymous: Client
) -> None:
    shared = share(owner, grantee, permission="write")
    assert shared.download().status == 200
    assert_problem(grantee.get(f"/files/{shared.file_id}"), 404, "not-found")
    assert_problem(grantee.get(f"/files/{shared.file_id}/versions/1/download"), 404, "not-found")
    assert_problem(anonymous.get(f"{shared.path}/versions/1"), 404, "not-found")
    assert sha256(fetch(shared.download()["presigned_get_url"]).content) == sha256(b"shared")
