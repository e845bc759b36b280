"""`drive put` of more files than the throttles allow at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.drive import Person
from tests.support.exposition import scraped
from tests.support.server import running

pytestmark = [pytest.mark.slow, pytest.mark.once, pytest.mark.usefixtures("store")]


def test_the_client_waits_until_the_throttles_let_the_rest_through(tmp_path: Path) -> None:
    data, folder = tmp_path / "data", tmp_path / "person"
    data.mkdir()
    folder.mkdir()
    files = [data / f"file-{number}" for number in range(7)]
    for number, file in enumerate(files):
        file.write_bytes(b"x" * number)
    (tmp_path / "service").mkdir()
    service = running(tmp_path / "service", THROTTLE_INIT="3/s", THROTTLE_COMMIT="3/s")
    with service as server:
        person = Person(server, folder)
        person.drive("put", *files)
        assert sorted(file["size"] for file in person.files()) == list(range(7))
        assert person.pending() == []
        assert "limit: " not in server.log()
        assert scraped(server).total("remotedrive_throttled_total") > 0
