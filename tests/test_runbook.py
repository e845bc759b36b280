"""Backup and restore as docx/deployment.md has them, typed as they stand, onto a new host.

The host has no Docker: `docker compose` is `scripts/compose_on_host`, with real servers of its own.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import httpx
import pytest

from tests.support.client import Answer, put, sha256
from tests.support.ports import free_port
from tests.support.server import ROOT, RemoteClient, Server
from tests.test_kill import Uploader

pytestmark = [pytest.mark.slow, pytest.mark.once]
LARGE = b"".join(bytes([number]) * (1 << 20) for number in range(17))


def blocks(heading: str) -> list[str]:
    """Return the shell commands that stand under a heading of the runbook, block by block."""
    text = (ROOT / "docx" / "deployment.md").read_text(encoding="utf-8")
    section = text.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    return re.findall(r"```sh\n(.*?)```", section, re.DOTALL)


class ComposeHost:
    """A folder with the compose file and an `.env`, as an operator has it on a host."""

    def __init__(self, folder: Path, environment: str) -> None:
        folder.mkdir()
        self.folder = folder
        shutil.copy(ROOT / "docker-compose.yml", folder)
        (folder / ".env").write_text(environment)
        programs = folder / "bin"
        programs.mkdir()
        docker = programs / "docker"
        docker.write_text(f'#!/bin/sh\nshift\nexec "{ROOT}/scripts/compose_on_host" "$@"\n')
        docker.chmod(0o755)
        # Nothing of this test run's settings: compose takes the environment before .env.
        self._environment = {
            "PATH": f"{programs}:{os.environ['PATH']}",
            "HOME": os.environ.get("HOME", "/"),
        }
        port = re.findall(r"^API_PORT=(\d+)$", environment, re.MULTILINE)[-1]
        self.http = httpx.Client(
            base_url=f"http://127.0.0.1:{port}", timeout=30, trust_env=False, verify=False
        )

    def type(self, commands: str) -> str:
        """Type the commands into a shell; return what they print."""
        done = subprocess.run(
            ["sh", "-e", "-c", commands],
            cwd=self.folder,
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def token(self, subject: str) -> str:
        mint = f"docker compose run --rm tools python manage.py mint_jwt {subject} --create"
        return self.type(mint).split()[-1]

    def client(self, subject: str) -> RemoteClient:
        # Of a server a client uses no more than what there is here.
        return RemoteClient(cast(Server, self), subject)


@pytest.fixture
def hosts() -> Iterator[tuple[ComposeHost, ComposeHost]]:
    """The host that is backed up, and a new one with the same `.env`; neither has started."""
    new_env = subprocess.run(
        [str(ROOT / "scripts" / "new-env")], capture_output=True, text=True, check=True
    ).stdout
    environment = f"{new_env}\nAPI_PORT={free_port()}\nSTORE_PORT={free_port()}\n"
    # Not pytest's folder for temporary files, which PostgreSQL's user may not enter.
    with tempfile.TemporaryDirectory(prefix="remotedrive-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        both = (
            ComposeHost(Path(folder) / "old", environment),
            ComposeHost(Path(folder) / "new", environment),
        )
        try:
            yield both
        finally:
            for host in both:
                host.type("docker compose down --volumes")
                host.http.close()


def test_a_backup_made_under_load_is_restored_on_a_new_host(
    hosts: tuple[ComposeHost, ComposeHost],
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
    end = time.monotonic() + 120
    while min(len(each.acknowledged) for each in uploaders) < count:
        assert time.monotonic() < end, "commits do not go on"
        time.sleep(0.1)


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
