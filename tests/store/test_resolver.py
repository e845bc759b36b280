"""How often, and by whom, the name of the store is resolved."""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import Iterator

import pytest

from files.exceptions import StoreUnavailableError
from remotedrive import resolver
from tests.support.object_store import make_store
from tests.support.tcp_proxy import TcpProxy

pytestmark = pytest.mark.usefixtures("store")

_asked: list[tuple[str, str]] | None = None


def _note(event: str, arguments: tuple[object, ...]) -> None:
    if event == "socket.getaddrinfo" and _asked is not None:
        _asked.append((str(arguments[0]), threading.current_thread().name))


# A hook of the interpreter cannot be taken away again.
sys.addaudithook(_note)


@pytest.fixture
def nothing_resolved(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No name is remembered, and from now on it is noted which are asked for."""
    global _asked
    monkeypatch.setattr(resolver, "_remembered", {})
    _asked = []
    yield
    _asked = None


def by_threads() -> list[str]:
    """Return the names that were resolved in a thread made for it."""
    assert _asked is not None
    return [host for host, thread in _asked if thread == "resolve-name"]


def new_connections(proxy: TcpProxy, host: str, times: int) -> None:
    store = make_store(endpoint=f"http://{host}:{proxy.port}")
    before = proxy.connections
    for _ in range(times):
        proxy.drop()
        assert store.bucket_state().exists
    assert proxy.connections == before + times


@pytest.mark.usefixtures("nothing_resolved")
def test_an_address_is_not_resolved(proxy: TcpProxy) -> None:
    new_connections(proxy, "127.0.0.1", 3)
    assert by_threads() == []


@pytest.mark.usefixtures("nothing_resolved")
def test_a_name_is_resolved_once_in_some_seconds(
    proxy: TcpProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    new_connections(proxy, "localhost", 3)
    assert by_threads() == ["localhost"]
    monkeypatch.setattr(resolver, "REMEMBERED_SECONDS", -1)
    resolver.forget("localhost", proxy.port)
    new_connections(proxy, "localhost", 2)
    assert by_threads() == ["localhost"] * 3


@pytest.mark.usefixtures("nothing_resolved")
def test_a_name_is_resolved_again_when_none_of_its_addresses_answered(proxy: TcpProxy) -> None:
    new_connections(proxy, "localhost", 1)
    proxy.refuse()
    with pytest.raises(StoreUnavailableError):
        make_store(endpoint=f"http://localhost:{proxy.port}").bucket_state()
    proxy.pass_on()
    before = len(by_threads())
    new_connections(proxy, "localhost", 1)
    assert len(by_threads()) == before + 1


def test_a_name_that_has_no_address_is_an_error() -> None:
    with pytest.raises(socket.gaierror):
        resolver.addresses("no-such-host.invalid", 80, timeout=10)
    with pytest.raises(StoreUnavailableError):
        make_store(endpoint="http://no-such-host.invalid").bucket_state()
