"""The store and the people of every test, and how a test speaks for one of them."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django.fixtures import Settings

from files.keys import object_key
from files.models import User
from files.store import client, signing
from tests import settings as test_settings
from tests.support import log_secrets
from tests.support.client import Client, put, sha256
from tests.support.object_store import address
from tests.support.store import EmbeddedStore, make_bucket
from tests.support.tcp_proxy import TcpProxy


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--kill-rounds", type=int, default=5, help="how often tests/faults/test_kill.py kills"
    )
    parser.addoption(
        "--race-rounds", type=int, default=10, help="how often two calls meet in a test of a race"
    )
    parser.addoption(
        "--put-kill-rounds",
        type=int,
        default=2,
        help="how often tests/client/test_put_killed.py kills; from 10 on with a file of 1 GiB",
    )
    parser.addoption(
        "--follow-rounds", type=int, default=2, help="how often tests/faults/test_follow.py kills"
    )
    parser.addoption(
        "--stateful-steps",
        type=int,
        help="steps that tests/stateful/test_stateful.py takes; 1000 if slow",
    )
    parser.addoption(
        "--soak-seconds", type=int, default=30, help="how long tests/load/test_soak.py loads"
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that have slow tests, or a process would end alone with a long one."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(scope="session")
def watching() -> Iterator[log_secrets.Watching]:
    """What is logged in this process."""
    handler = log_secrets.Watching()
    logging.getLogger().addHandler(handler)
    yield handler
    logging.getLogger().removeHandler(handler)


@pytest.fixture(autouse=True)
def no_secret_in_the_log(watching: log_secrets.Watching) -> Iterator[None]:
    """Hold the lines of each test against the secrets that were used so far."""
    yield
    watching.check()


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedStore | None]:
    """The store that the settings name, with its bucket; the embedded one is started here."""
    embedded = None
    if test_settings.EMBEDDED_STORE_PORT is not None:
        data: Path = tmp_path_factory.mktemp("store")
        embedded = EmbeddedStore(data=data, port=test_settings.EMBEDDED_STORE_PORT)
        embedded.start()
    make_bucket()
    yield embedded
    if embedded is not None:
        embedded.stop()


@pytest.fixture(scope="session")
def attests(store: object) -> bool:
    """Whether the store attests, in its answer to HEAD, the SHA-256 that it checked at the PUT."""
    key = object_key("attests")
    signed = signing.uploads().put(key, size=2, checksum=sha256(b"ok"), expires_in=60)
    assert put(signed.url, b"ok", signed.headers).status_code == 200
    found = client.object_store().head(key)
    assert found is not None
    return found.sha256 is not None


@pytest.fixture
def race_rounds(request: pytest.FixtureRequest) -> int:
    rounds: int = request.config.getoption("--race-rounds")
    return rounds


@pytest.fixture
def proxy(store: object) -> Iterator[TcpProxy]:
    """A proxy before the store, which nobody uses yet: to count requests, or to break them."""
    with TcpProxy(address()) as proxy:
        yield proxy


@pytest.fixture
def store_proxy(proxy: TcpProxy, settings: Settings) -> TcpProxy:
    """The proxy as the service's, not its clients', way to the store."""
    settings.MINIO_ENDPOINT = proxy.endpoint
    return proxy


@pytest.fixture
def owner(db: None) -> Client:
    return Client(User.objects.create_user("owner"))


@pytest.fixture
def grantee(db: None) -> Client:
    return Client(User.objects.create_user("grantee"))


@pytest.fixture
def stranger(db: None) -> Client:
    return Client(User.objects.create_user("stranger"))


@pytest.fixture
def anonymous(db: None) -> Client:
    return Client(None)
