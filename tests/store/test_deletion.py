"""Lists of object versions and multipart uploads in pages, and deletion by version id."""

from __future__ import annotations

import pytest

from files.exceptions import StoreUnavailableError
from files.store import deletion
from files.store.deletion import StoredVersion
from tests.support.object_store import make_s3
from tests.support.tcp_proxy import TcpProxy, response

pytest_plugins = ["tests.support.garbage_fixtures"]

PREFIX = "uploads/2026/01/02/"


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deletion, "_PAGE", 2)


@pytest.fixture
def five_versions(bucket: str) -> set[tuple[str, str]]:
    """Three versions of one key and two of another, with a character that has to be quoted."""
    s3 = make_s3()
    return {
        (key, s3.put_object(Bucket=bucket, Key=key, Body=b"x")["VersionId"])
        for key in 3 * [f"{PREFIX}a+b %41é"] + 2 * [f"{PREFIX}b"]
    }


def listed() -> list[list[StoredVersion]]:
    return list(deletion.versions(prefix=PREFIX))


def test_all_versions_and_delete_markers_are_listed_in_pages(
    bucket: str, five_versions: set[tuple[str, str]]
) -> None:
    marker = make_s3().delete_object(Bucket=bucket, Key=f"{PREFIX}b")["VersionId"]
    pages = listed()
    assert len(pages) >= 3
    found = [(each.key, each.version_id) for page in pages for each in page]
    assert sorted(found) == sorted({*five_versions, (f"{PREFIX}b", marker)})


def test_a_list_goes_on_where_its_pages_are_deleted(five_versions: set[tuple[str, str]]) -> None:
    deleted = 0
    for page in deletion.versions(prefix=PREFIX):
        assert deletion.delete(page) == {}
        # Again: what is gone is no error.
        assert deletion.delete(page) == {}
        deleted += len(page)
    assert deleted == len(five_versions)
    assert listed() == []


@pytest.mark.parametrize("page", [1, 2, 3, 7, 1000])
def test_the_versions_of_some_keys_are_listed_and_deleted_without_their_neighbours(
    bucket: str, page: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deletion, "_PAGE", page)
    s3 = make_s3()
    keys = [f"{PREFIX}{name}" for name in ("a", "ab", "abc", "b", "c", "d", "da", "e")]
    keys += ["uploads/2026/01/03/a", "uploads/2026/01/03/b"]
    here = {
        (key, s3.put_object(Bucket=bucket, Key=key, Body=b"x")["VersionId"])
        for number, key in enumerate(keys)
        for _ in range(1 + number % 3)
    }
    for key in (keys[1], keys[5]):
        here.add((key, s3.delete_object(Bucket=bucket, Key=key)["VersionId"]))
    for wanted in ([], keys[1:2], [keys[2], keys[7], "uploads/2026/01/01/gone"], keys[::4], keys):
        found = []
        for each in deletion.versions_of(keys=[*wanted, *wanted]):
            assert deletion.delete(each) == {}
            found += [(one.key, one.version_id) for one in each]
        assert sorted(found) == sorted(one for one in here if one[0] in wanted)
        here -= set(found)
    assert here == set()
    assert listed() == []


def test_folders_are_listed_in_pages(bucket: str) -> None:
    s3 = make_s3()
    for number in range(5):
        s3.put_object(Bucket=bucket, Key=f"uploads/{number}/a", Body=b"x")
        s3.put_object(Bucket=bucket, Key=f"uploads/{number}/b", Body=b"x")
    s3.put_object(Bucket=bucket, Key="uploads/no-folder", Body=b"x")
    assert deletion.folders(prefix="uploads/") == ["0", "1", "2", "3", "4"]
    assert deletion.folders(prefix="nothing/") == []


def test_multipart_uploads_are_listed_in_pages(bucket: str) -> None:
    s3 = make_s3()
    begun = {
        (key, s3.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"])
        for key in [f"{PREFIX}a", f"{PREFIX}a", f"{PREFIX}b", f"{PREFIX}c", f"{PREFIX}c"]
    }
    found = [(each.key, each.upload_id) for page in deletion.multipart_uploads() for each in page]
    assert sorted(found) == sorted(begun)


def test_each_failure_is_told_and_one_without_a_name_is_of_all(
    five_versions: set[tuple[str, str]], store_proxy: TcpProxy
) -> None:
    (first, second), *_ = listed()
    named = f"<Key>{first.key}</Key><VersionId>{first.version_id}</VersionId>"
    for error, failed in (
        (f"<Error>{named}<Code>AccessDenied</Code></Error>", {first: "AccessDenied"}),
        (f"<Error>{named}<Code>NoSuchVersion</Code></Error>", {}),
        ("<Error><Code>Broken</Code></Error>", {first: "Broken", second: "Broken"}),
    ):
        body = f"<DeleteResult>{error}</DeleteResult>".encode()
        store_proxy.answer(response("200 OK", body), only=b"POST /")
        assert deletion.delete([first, second]) == failed


def test_a_list_without_an_end_and_a_store_that_is_down_are_failures(
    bucket: str, store_proxy: TcpProxy
) -> None:
    body = b"<R><Name>b</Name><IsTruncated>true</IsTruncated></R>"
    store_proxy.answer(response("200 OK", body))
    for call in (listed, lambda: list(deletion.multipart_uploads())):
        with pytest.raises(StoreUnavailableError):
            call()
    store_proxy.refuse()
    with pytest.raises(StoreUnavailableError):
        deletion.folders(prefix="uploads/")
