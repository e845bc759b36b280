"""`PATCH /files/{id}`: another name, and nothing else."""

from __future__ import annotations

import pytest

from files.models import FileVersion
from tests.support.client import Client, assert_invalid, assert_problem, fetch
from tests.support.rows import make_file

pytestmark = pytest.mark.usefixtures("store")


def test_nobody_renames(anonymous: Client, owner: Client) -> None:
    file_id = make_file(owner.user).id
    renamed = anonymous.patch(f"/files/{file_id}", {"name": "b.txt"})
    assert_problem(renamed, 401, "not-authenticated")


def test_only_the_name_can_be_changed(owner: Client) -> None:
    file_id = make_file(owner.user).id
    assert_invalid(owner.patch(f"/files/{file_id}", {}), "name")
    for member in ("size", "content_type", "version", "deleted_at", "user"):
        assert_invalid(owner.patch(f"/files/{file_id}", {"name": "b", member: "1"}), member)
    assert_problem(owner.call("PUT", f"/files/{file_id}", {"name": "b"}), 405, "method-not-allowed")


def test_a_renamed_file_keeps_all_else(owner: Client) -> None:
    file_id = owner.upload(b"bytes", filename="a.txt")["fileId"]
    before = owner.get(f"/files/{file_id}")
    renamed = owner.patch(f"/files/{file_id}", {"name": "Cafe\u0301 \N{SNOWMAN}.txt"})
    assert renamed.status == 200
    assert renamed["name"] == "Caf\u00e9 \N{SNOWMAN}.txt"
    after = owner.get(f"/files/{file_id}")
    assert after["updated_at"] > before["updated_at"]
    changed = {"name": renamed["name"], "updated_at": after["updated_at"]}
    assert after.json == before.json | changed
    assert renamed.json == {name: value for name, value in after.json.items() if name != "versions"}
    assert FileVersion.objects.count() == 1
    assert owner.read(file_id) == b"bytes"


def test_a_download_carries_the_new_name(owner: Client) -> None:
    file_id = owner.upload(b"bytes", filename="a.txt")["fileId"]
    owner.patch(f"/files/{file_id}", {"name": "b.txt"})
    download = owner.get(f"/files/{file_id}/download")
    assert download["filename"] == "b.txt"
    sent = fetch(download["presigned_get_url"]).headers["Content-Disposition"]
    assert sent == "attachment; filename=\"b.txt\"; filename*=utf-8''b.txt"
