"""One client repeats what is expensive: the others are served meanwhile."""

from __future__ import annotations

import itertools
import re
import secrets
from collections.abc import Iterator
from functools import partial
from typing import Any

import httpx
import pytest
from django.db import connection

from tests.support.attack import Others, assert_served, attacking
from tests.support.client import put, sha256
from tests.support.server import Server, running
from tests.support.shares import share, with_password

pytestmark = pytest.mark.usefixtures("store")

LARGE = bytes(64 << 20)
WRONG = sha256(b"something else")


@pytest.fixture(scope="module")
def server(
    store: object, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("service"), workers=request.param) as server:
        yield server
        assert "Traceback" not in server.log()


def on(*variants: tuple[int, str]) -> pytest.MarkDecorator:
    """Run the test on so many workers, in each of these variants.

    One worker: with SQLite and the embedded store. Two: with PostgreSQL and MinIO.
    """
    two = pytest.mark.skipif(connection.vendor != "postgresql", reason="runs on PostgreSQL")
    return pytest.mark.parametrize(
        ("server", "variant"),
        [
            pytest.param(
                workers,
                variant,
                id=f"{variant}, workers: {workers}",
                marks=pytest.mark.once if workers == 1 else two,
            )
            for workers, variant in variants
        ],
        indirect=["server"],
        scope="module",
    )


def post(http: httpx.Client, path: str, **options: Any) -> httpx.Response:
    return http.post(path, **options)


@pytest.mark.slow
@on((1, "by an account"), (2, "by a share"))
def test_wrong_commits_of_a_large_object(server: Server, variant: str) -> None:
    through_share = variant == "by a share"
    attacker = server.client("attacker")
    shared = share(attacker, server.client(None), permission="write")
    begun = shared.init(LARGE) if through_share else attacker.init(LARGE)
    assert put(begun["presigned_put_url"], LARGE).status_code == 200
    path = f"{shared.path}/commit" if through_share else "/files/commit"
    headers = {} if through_share else {"Authorization": f"Bearer {attacker.token}"}
    body = {"key": begun["key"], "size": len(LARGE), "checksum": WRONG}
    others = Others(server)
    commit = partial(post, path=path, json=body, headers=headers)
    with attacking(server, [commit], connections=48) as statuses:
        assert_served(others.served())
    assert statuses.keys() <= {422, 503}
    assert statuses[422] > 0


@pytest.mark.slow
@on((1, "with ever other names"), (2, "with one name"))
def test_wrong_sign_ins(server: Server, variant: str) -> None:
    def sign_in(http: httpx.Client) -> httpx.Response:
        name = secrets.token_hex(8) if variant == "with ever other names" else "admin"
        page = http.get("/admin/login/")
        found = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page.text)
        if found is None:
            return page
        form = {"csrfmiddlewaretoken": found[1], "username": name, "password": "wrong"}
        return http.post("/admin/login/", data=form)

    others = Others(server)
    with attacking(server, [sign_in], connections=64) as statuses:
        assert_served(others.served())
    assert statuses.keys() <= {200, 429, 503}


@pytest.mark.slow
@on((1, "wrong"), (2, "right"))
def test_passwords_of_a_share_shown_again_and_again(server: Server, variant: str) -> None:
    attacker = server.client("attacker")
    shared = share(attacker, server.client(None), password="right")
    numbers = itertools.count()

    def show(http: httpx.Client) -> httpx.Response:
        shown = "right" if variant == "right" else f"wrong {next(numbers)}"
        return http.get(f"{shared.path}/download", headers=with_password(shown))

    others = Others(server)
    with attacking(server, [show], connections=16) as statuses:
        assert_served(others.served())
    assert statuses.keys() <= ({200, 503} if variant == "right" else {401, 429, 503})


@pytest.mark.slow
@on((1, "both"))
def test_sign_ins_and_shares_with_passwords_at_the_same_time(server: Server, variant: str) -> None:
    attacker = server.client("attacker")
    body = {"file_id": attacker.upload(b"x")["fileId"], "permission": "read", "password": "any"}
    headers = {"Authorization": f"Bearer {attacker.token}"}

    def sign_in(http: httpx.Client) -> httpx.Response:
        http.get("/admin/login/")
        form = {"username": secrets.token_hex(8), "password": "wrong"}
        form["csrfmiddlewaretoken"] = http.cookies["csrftoken"]
        return http.post("/admin/login/", data=form)

    make = partial(post, path="/shares", json=body, headers=headers)
    others = Others(server)
    with attacking(server, [sign_in, make], connections=32):
        assert_served(others.served())


@pytest.mark.slow
@on((1, "parts"), (2, "parts"))
def test_parts_sent_again_while_their_upload_is_committed(server: Server, variant: str) -> None:
    attacker = server.client("attacker")
    headers = {"Authorization": f"Bearer {attacker.token}"}
    uploads = [attacker.init(b"0000", multipart=True)]

    def send_again(http: httpx.Client) -> httpx.Response:
        return put(uploads[-1]["parts"][0]["presigned_put_url"], secrets.token_bytes(4))

    def commit(http: httpx.Client) -> httpx.Response:
        body = {"key": uploads[-1]["key"], "size": 4, "checksum": WRONG}
        response = http.post("/files/commit", json=body, headers=headers)
        if response.status_code == 422:
            uploads.append(attacker.init(b"0000", multipart=True))
        return response

    others = Others(server)
    with attacking(server, [commit, send_again], connections=12) as statuses:
        assert_served(others.served())
    assert statuses[409] + statuses[422] > 0
    # The store answered all the time: nobody was told that it is not asked.
    assert "is not asked for some seconds" not in server.log()


@pytest.mark.slow
@on((1, "both"))
def test_uploads_and_downloads_by_a_share_beyond_count(server: Server, variant: str) -> None:
    attacker = server.client("attacker")
    shared = share(attacker, server.client(None), permission="write")
    begin = partial(post, path=f"{shared.path}/init-upload", json={"size": 1})

    def download(http: httpx.Client) -> httpx.Response:
        return http.get(f"{shared.path}/download")

    others = Others(server)
    with attacking(server, [begin, download], connections=16) as statuses:
        assert_served(others.served())
    assert statuses.keys() <= {200, 201, 429, 503}
    assert statuses[201] <= 50
    assert len(attacker.get(f"/shares/{shared.id}/events?page_size=200")["results"]) < 20
