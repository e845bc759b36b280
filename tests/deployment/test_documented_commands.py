"""The commands of the README and of the page on shares, typed as they stand against a service.

Its store has another host name, and no secret may arrive there.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from tests.support.documents import commands
from tests.support.object_store import address
from tests.support.process import ROOT
from tests.support.server import Server, running
from tests.support.tcp_proxy import TcpProxy

PASSWORDS = (b"gr%C3%BCn", "grün".encode(), b"gr%c3%bcn")
_ADDRESS = "API=http://127.0.0.1:8000\n"
_TOKEN = "TOKEN=$(.venv/bin/python manage.py mint_jwt alice --create)\n"


@pytest.fixture
def elsewhere(store: object) -> Iterator[TcpProxy]:
    """The way to the store under its other name, which keeps what arrives there."""
    with TcpProxy(address()) as proxy:
        proxy.received = []
        yield proxy


@pytest.fixture
def server(elsewhere: TcpProxy, tmp_path: Path) -> Iterator[Server]:
    endpoint = f"http://localhost:{urlsplit(elsewhere.endpoint).port}"
    with running(tmp_path, MINIO_PUBLIC_ENDPOINT=endpoint) as server:
        yield server


def test_no_documented_command_hands_a_secret_to_the_stores_host(
    server: Server, elsewhere: TcpProxy, tmp_path: Path
) -> None:
    typed = commands("README.md", "Upload a file by hand", "Share a file")
    assert _ADDRESS in typed
    assert _TOKEN in typed
    token = server.token("alice")
    typed = typed.replace(_ADDRESS, f"API={server.url}\n").replace(_TOKEN, f"TOKEN={token}\n")
    typed += commands("docx/sequence-share.md")
    folder = tmp_path / "typed"
    folder.mkdir()
    shutil.copy(ROOT / "README.md", folder)
    done = subprocess.run(
        ["sh", "-eux", "-c", typed], cwd=folder, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert (folder / "copy").read_bytes() == (ROOT / "README.md").read_bytes()
    heads = [
        each.partition(b"\r\n\r\n")[0] for each in elsewhere.received or () if b" HTTP/1.1" in each
    ]
    arrived = b"\n".join(heads)
    assert arrived.count(b"PUT /") >= 2
    assert arrived.count(b"GET /") >= 3
    assert b"localhost" in arrived
    assert b"authorization:" not in arrived.lower()
    assert b"x-share-password" not in arrived.lower()
    assert token.encode() not in arrived
    assert not [password for password in PASSWORDS if password in arrived]


def by_curl(url: str, bearer: str) -> None:
    command = ["curl", "-sSL", "-o", "/dev/null", "-H", f"Authorization: {bearer}", url]
    subprocess.run(command, check=True, timeout=60)


def by_httpx(url: str, bearer: str) -> None:
    headers = {"Authorization": bearer}
    httpx.get(url, headers=headers, follow_redirects=True, trust_env=False).raise_for_status()


@pytest.mark.parametrize("fetch", [by_curl, by_httpx])
def test_a_client_that_docx_api_names_keeps_the_bearer_token_from_the_store(
    server: Server, elsewhere: TcpProxy, fetch: Callable[[str, str], None]
) -> None:
    file_id = server.client("alice").upload(b"kept")["fileId"]
    elsewhere.received = []
    url = f"{server.url}/files/{file_id}/download?redirect=true"
    fetch(url, f"Bearer {server.token('alice')}")
    assert len(elsewhere.received) == 1
    assert b"authorization" not in elsewhere.received[0].lower()
