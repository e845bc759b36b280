"""Stores for the tests of the embedded store: one that most share, and fresh ones."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .store_process import Store


@pytest.fixture(scope="session")
def shared_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    store = Store(tmp_path_factory.mktemp("embedded-store"))
    try:
        store.make_bucket()
        yield store
        code, output, errors = store.stop()
        assert (code, output, errors) == (0, "", "")  # quiet, whatever the tests sent
    finally:
        store.kill()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Store]]:
    """Starts a store; the data folder is ``tmp_path / "data"`` unless another is given."""
    started: list[Store] = []

    def start_one(data: Path | None = None, *options: str, wrapped: str = "") -> Store:
        started.append(Store(data or tmp_path / "data", *options, wrapped=wrapped))
        return started[-1]

    yield start_one
    for store in started:
        store.kill()


@pytest.fixture
def key(request: pytest.FixtureRequest) -> str:
    """An object key that no other test uses, with what needs escaping."""
    return f"uploads/{request.node.name}/a b+ü.txt"
