"""The store and the people of every test, and how a test speaks for one of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from files.models import User
from tests import settings as test_settings
from tests.support.client import Client
from tests.support.store import EmbeddedStore, make_bucket


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
