"""A running service for the command line client, and somebody who uses it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.drive import Person
from tests.support.object_store import address
from tests.support.server import Server, running
from tests.support.tcp_proxy import TcpProxy


@dataclass(frozen=True)
class Proxied:
    """A service whose clients reach the store through `proxy`; it reaches it directly."""

    server: Server
    proxy: TcpProxy


@pytest.fixture(scope="session")
def proxied_server(store: object, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxied]:
    """The one service of all these tests: to start it takes longer than most of them."""
    folder = tmp_path_factory.mktemp("service")
    with (
        TcpProxy(address()) as proxy,
        running(folder, MINIO_PUBLIC_ENDPOINT=proxy.endpoint, AUTH_CACHE_SECONDS="0") as server,
    ):
        yield Proxied(server, proxy)


@pytest.fixture
def proxied(proxied_server: Proxied) -> Iterator[Proxied]:
    """The service, and the proxy to break; afterwards it passes everything on again."""
    yield proxied_server
    proxied_server.proxy.pass_on()


@pytest.fixture
def server(proxied_server: Proxied) -> Server:
    return proxied_server.server


@pytest.fixture
def person(server: Server, tmp_path: Path) -> Person:
    return Person(server, tmp_path)
