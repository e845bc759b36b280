"""`manage.py runserver`, with which people develop: the same answers, without the ASGI layer."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.client import assert_problem, fetch
from tests.support.server import Server

pytestmark = [pytest.mark.usefixtures("store"), pytest.mark.once]


@pytest.fixture(scope="module")
def server(store: object, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("service"), DEBUG="true")
    try:
        server.start("manage.py", "runserver", "--noreload", str(server.port))
        yield server
    finally:
        server.close()


def test_a_file_is_uploaded_listed_and_downloaded(server: Server) -> None:
    owner = server.client("owner")
    file_id = owner.upload(b"some bytes")["fileId"]
    assert [file["id"] for file in owner.get("/files")["results"]] == [file_id]
    url = owner.get(f"/files/{file_id}/download")["presigned_get_url"]
    assert fetch(url).content == b"some bytes"


def test_an_error_is_a_problem_document_with_the_id_of_its_request(server: Server) -> None:
    answer = server.client(None).get("/files", headers={"X-Request-ID": "an-id-of-mine"})
    assert_problem(answer, 401, "not-authenticated")
    assert answer["request_id"] == "an-id-of-mine"
