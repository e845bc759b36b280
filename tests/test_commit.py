from __future__ import annotations

import pytest

from tests.support.client import Client

pytestmark = pytest.mark.usefixtures("store")


def test_a_committed_upload_is_listed_and_downloads_back(owner: Client) -> None:
    data = b"hello, world" * 100
    begun = owner.put(data, filename="hello.txt")
    committed = owner.commit(begun["key"], data)
    assert committed.status == 201
    assert committed["version"] == 1
    listed = owner.get("/files")["results"]
    assert [file["id"] for file in listed] == [committed["fileId"]]
    assert owner.read(committed["fileId"]) == data
