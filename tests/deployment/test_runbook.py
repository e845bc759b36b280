"""Backup and restore as docx/deployment.md has them, typed as they stand, onto a new host.

The host has no Docker: `docker compose` is `tests/compose_host`, with real servers of its own.
"""

from __future__ import annotations

import re
import shutil
import threading
from collections.abc import Iterator
from typing import cast

import httpx
import pytest

from tests.support.client import Answer, put, sha256
from tests.support.compose import Compose, compose
from tests.support.process import ROOT, wait_for
from tests.support.retries import Uploader
from tests.support.server import RemoteClient, Server

pytestmark = [pytest.mark.slow, pytest.mark.once]
LARGE = b"".join(bytes([number]) * (1 << 20) for number in range(17))


def blocks(heading: str) -> list[str]:
    """Return the shell commands that stand under a heading of the runbook, block by block."""
    text = (ROOT / "docx" / "deployment.md").read_text(encoding="utf-8")
    section = text.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    return re.findall(r"```sh\n(.*?)```", section, re.DOTALL)


class Host:
    """A host on which the compose file is run, and how its people speak to it."""

    def __init__(self, project: Compose, http: httpx.Client) -> None:
        self.folder, self.type, self.http = project.folder, project.do, http

    def token(self, subject: str) -> str:
        mint = f"docker compose run --rm tools python manage.py mint_jwt {subject} --create"
        return self.type(mint).split()[-1]

    def client(self, subject: str) -> RemoteClient:
        # Of a server a client uses no more than what there is here.
        return RemoteClient(cast(Server, self), subject)


@pytest.fixture
def hosts() -> Iterator[tuple[Host, Host]]:
    """The host that is backed up, and a new one with the same `.env`; neither has started."""
    with compose() as old, compose() as new:
        shutil.copy(old.folder / ".env", new.folder)
        with httpx.Client(base_url=old.url, timeout=30, trust_env=False) as http:
            yield Host(old, http), Host(new, http)


def test_a_backup_made_under_load_is_restored_on_a_new_host(
    hosts: tuple[Host, Host],
) -> None:
    old, new = hosts
    back_up, restore = blocks("Backup and restore")
    old.type("docker compose up -d --wait")
    alice = old.client("alice")
    large = alice.upload(LARGE)
    share = alice.post("/shares", {"file_id": large["fileId"], "permission": "read"})
    pending = alice.init(b"pending")
    assert put(pending["presigned_put_url"], b"pending").status_code == 200
    uploaders = [Uploader(old.client(f"client-{number}")) for number in range(3)]
    stop = threading.Event()
    threads = [threading.Thread(target=each.run, args=[stop]) for each in uploaders]
    try:
        for thread in threads:
            thread.start()
        _wait_until_each_has_committed(uploaders, 3)
        acknowledged = [dict(each.acknowledged) for each in uploaders]
        old.type(back_up)
        _wait_until_each_has_committed(uploaders, max(map(len, acknowledged)) + 1)
    finally:
        stop.set()
        for thread in threads:
            thread.join(timeout=90)
    assert [failure for each in uploaders for failure in each.failures] == []
    shutil.copytree(old.folder / "backup", new.folder / "backup")
    old.type("docker compose down --volumes")

    said = new.type(restore)
    assert re.search(r"^\d+ versions checked, 0 corrupt$", said, re.MULTILINE), said
    for number, versions in enumerate(acknowledged):
        client = new.client(f"client-{number}")
        for (file_id, version), checksum in versions.items():
            assert sha256(client.read(file_id, version)) == checksum
        _hold_all(client)
        file_id = next(iter(versions))[0]
        newest = client.get(f"/files/{file_id}")["version"]
        again = client.upload(b"after the restore", file_id=file_id)
        assert again["version"] == newest + 1
        assert client.read(file_id) == b"after the restore"
    alice = new.client("alice")
    assert alice.read(large["fileId"]) == LARGE
    visited = new.http.get(f"/s/{share['token']}/download").json()
    assert httpx.get(visited["presigned_get_url"], trust_env=False).content == LARGE
    _finish(alice, pending)


def _wait_until_each_has_committed(uploaders: list[Uploader], count: int) -> None:
    wait_for(lambda: min(len(each.acknowledged) for each in uploaders) >= count, seconds=120)


def _hold_all(client: RemoteClient) -> None:
    """Download every version that the service shows, those committed during the dump, too."""
    for file in client.get("/files?page_size=200")["results"]:
        versions = client.get(f"/files/{file['id']}/versions?page_size=200")["results"]
        for shown in versions:
            read = client.read(file["id"], shown["version"])
            assert sha256(read) == shown["checksum"]


def _finish(client: RemoteClient, begun: Answer) -> None:
    """Go on with an upload whose bytes were not in the backup, as the runbook says."""
    missing = client.commit(begun["key"], b"pending")
    assert (missing.status, missing["code"]) == (409, "object-missing")
    fresh = client.post(f"/uploads/{begun['upload_id']}/urls", {})
    assert put(fresh["presigned_put_url"], b"pending", fresh["headers"]).status_code == 200
    committed = client.commit(begun["key"], b"pending")
    assert committed.status == 201
    assert client.read(committed["fileId"]) == b"pending"
