"""`kill -9` of `drive put` at random moments: the file is there once, and little is sent twice."""

from __future__ import annotations

import os
import random
import subprocess
import time
from functools import partial
from pathlib import Path

import pytest

from tests.client.conftest import Proxied
from tests.support.client import sha256
from tests.support.drive import Person
from tests.support.tcp_proxy import TcpProxy

pytestmark = pytest.mark.slow

MIB = 1 << 20
PART = 16 * MIB
HEADS = 4096
"""Bytes of the head of one PUT, at most."""


def test_a_large_file_is_there_once_after_each_kill(
    proxied: Proxied, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    rounds: int = request.config.getoption("--put-kill-rounds")
    person = Person(proxied.server, tmp_path)
    file = tmp_path / "large.bin"
    size = (1024 if rounds >= 10 else 160) * MIB
    with file.open("wb") as output:
        for _ in range(size // MIB):
            output.write(os.urandom(MIB))
    old = time.time() - 60
    os.utime(file, (old, old))
    before, requests = proxied.proxy.request_bytes, proxied.proxy.requests
    share = size // rounds
    for number in range(rounds):
        process = person.start("put", file, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        # Somewhere in this round's share of the bytes, or between two of them.
        goal = before + number * share + random.randrange(share)
        process.wait_until(partial(_reached, proxied.proxy, goal), seconds=300)
        process.kill()
        process.wait(timeout=20)
    person.drive("put", file)
    sent = proxied.proxy.request_bytes - before
    heads = (proxied.proxy.requests - requests) * HEADS
    assert sent - size - heads <= rounds * PART
    (shown,) = person.files()
    assert (shown["size"], shown["version"]) == (size, 1)
    assert shown["checksum"] == sha256(file.read_bytes())
    assert person.pending() == []
    person.drive("get", "/large.bin", "-o", tmp_path / "copy")
    print(
        f"{rounds} kills: {max(0, sent - size - heads) / rounds / MIB:.1f} MiB sent twice for each"
    )


def _reached(proxy: TcpProxy, goal: int) -> bool:
    return proxy.request_bytes >= goal
