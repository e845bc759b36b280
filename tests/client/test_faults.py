"""A store or a service that fails for a while, under `drive put` and `drive get`."""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from remotedrive_client import Drive, UnavailableError, retries
from remotedrive_client.uploads import Uploader
from tests.client.conftest import Proxied
from tests.support.drive import Person, contents
from tests.support.tcp_proxy import TcpProxy, response

DATA = os.urandom(300_000)
SLOW_DOWN = response("503 Slow Down", b"<Error><Code>SlowDown</Code></Error>")
BUSY = b"HTTP/1.1 503 Busy\r\nRetry-After: 1\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
FAULTS: dict[str, Callable[[TcpProxy], None]] = {
    "cut before the answer": lambda proxy: proxy.cut(0, times=3),
    "reset before the answer": lambda proxy: proxy.cut(0, reset=True, times=3),
    "cut in the answer": lambda proxy: proxy.cut(20, times=3),
    "answered 503": lambda proxy: proxy.answer(SLOW_DOWN, times=3),
    "answered 503 with Retry-After": lambda proxy: proxy.answer(BUSY, times=1),
    "answered 403, as an expired URL": lambda proxy: proxy.answer(
        response("403 Forbidden", b"<Error><Code>AccessDenied</Code></Error>"), times=2
    ),
}


def faults(*quick: str) -> list[Any]:
    """Return the names of all faults; those that are not `quick` are slow."""
    return [pytest.param(name, marks=[] if name in quick else pytest.mark.slow) for name in FAULTS]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_bytes(DATA)
    return path


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits between attempts that are short, but for those that an answer asks for."""
    monkeypatch.setattr(retries, "FIRST_WAIT", 0.01)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Patience that ends soon."""
    monkeypatch.setattr(retries.Retries.__init__, "__kwdefaults__", {"patience": 0.1})


@contextmanager
def before_the_service(person: Person) -> Iterator[TcpProxy]:
    """Let `person` reach the service through a proxy."""
    address = urlsplit(person.server.url)
    with TcpProxy((str(address.hostname), int(address.port or 80))) as proxy:
        person.drive("login", proxy.endpoint, "--token-file", person.folder / "token")
        yield proxy


@pytest.mark.parametrize("fault", faults("cut before the answer", "answered 503"))
def test_a_put_outlasts_a_store_that_is(
    person: Person, proxied: Proxied, file: Path, fault: str
) -> None:
    FAULTS[fault](proxied.proxy)
    person.drive("put", file)
    (shown,) = person.files()
    assert person.api.read(shown["id"]) == DATA
    assert person.pending() == []


@pytest.mark.parametrize("fault", faults("reset before the answer", "cut in the answer"))
def test_a_get_outlasts_a_store_that_is(
    person: Person, proxied: Proxied, tmp_path: Path, fault: str
) -> None:
    person.api.upload(DATA)
    FAULTS[fault](proxied.proxy)
    person.drive("get", "/a.txt", "-o", tmp_path / "out")
    assert contents(tmp_path / "out") == {"a.txt": DATA}


@pytest.mark.usefixtures("impatient")
def test_a_store_that_stays_away_is_said_and_leaves_no_half_file(
    person: Person, proxied: Proxied, file: Path, tmp_path: Path
) -> None:
    person.api.upload(DATA)
    proxied.proxy.cut(0)
    output = person.drive("put", file, status=6)
    assert output.err == f"drive: {file}: The store does not answer: the connection broke.\n"
    person.drive("get", "/a.txt", "-o", tmp_path / "out", status=6)
    assert all(name.endswith(".part") for name in contents(tmp_path / "out"))


def test_a_store_that_refuses_every_url_ends_the_transfer(
    person: Person, proxied: Proxied, file: Path
) -> None:
    proxied.proxy.answer(response("403 Forbidden"))
    output = person.drive("put", file, status=9)
    assert output.err == f"drive: {file}: The store refused a URL that was just signed.\n"


def test_the_service_is_asked_again_when_it_says_so(person: Person) -> None:
    with before_the_service(person) as proxy:
        proxy.answer(BUSY, times=1)
        began = time.monotonic()
        person.drive("whoami")
        assert time.monotonic() - began >= 1


def test_what_may_have_been_done_is_not_asked_again(person: Person, file: Path) -> None:
    person.drive("put", file)
    with before_the_service(person) as proxy:
        proxy.cut(0, only=b"POST /shares")
        output = person.drive("share", "create", "/file", status=6)
        assert "whether it did what was asked is not known" in output.err
    (share,) = person.api.get("/shares")["results"]
    assert share["permission"] == "read"


def test_a_put_outlasts_a_service_whose_answers_are_lost(
    person: Person, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # All three files are begun in one batch, and committed in one.
    monkeypatch.setattr(Uploader, "_messages", lambda self: [self._inbox.get() for _ in range(3)])
    tree = tmp_path / "tree"
    tree.mkdir()
    for number in range(3):
        (tree / str(number)).write_bytes(b"x" * number)
    with before_the_service(person) as proxy:
        for start in (b"POST /files/init", b"POST /files/commit", b"GET /files", b"POST /folders"):
            proxy.cut(0, only=start, times=2)
            person.drive("put", "-r", tree, "--to", f"/{start.split()[-1].decode()[1:]}")
        listed = person.json("ls", "-r", "/")
    assert sum(each["kind"] == "file" for each in listed) == 4 * 3
    assert person.pending() == []


@pytest.mark.usefixtures("impatient")
def test_nobody_at_the_address_is_said() -> None:
    with TcpProxy(("127.0.0.1", 1)) as nobody:
        nobody.refuse()
        with (
            Drive(nobody.endpoint, "token", patience=0.1) as drive,
            pytest.raises(
                UnavailableError, match=r"^The service does not answer: no connection\.$"
            ),
        ):
            drive.account()


@pytest.mark.slow
def test_two_hundred_files_come_and_go_through_a_store_that_fails_at_random(
    person: Person, proxied: Proxied, tmp_path: Path
) -> None:
    tree, out = tmp_path / "tree", tmp_path / "out"
    for number in range(200):
        path = tree / str(number % 7) / f"{number}.bin"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.urandom(random.choice((0, 10, 5_000, 400_000))))
    wrong: list[str] = []

    def watch() -> None:
        for path in out.rglob("*.bin"):
            if path.read_bytes() != (tree / path.relative_to(out / "tree")).read_bytes():
                wrong.append(path.name)

    with failing_at_random(proxied.proxy, watch):
        person.drive("put", "-r", tree)
        person.drive("get", "-r", "/tree", "-o", out)
    assert wrong == []
    assert contents(out / "tree") == contents(tree)
    assert person.pending() == []
    assert len(person.json("ls", "-r", "/tree")) == 200 + 7


@contextmanager
def failing_at_random(proxy: TcpProxy, watch: Callable[[], None]) -> Iterator[None]:
    """Cut, slow and refuse what passes the proxy, and `watch` after each."""
    stop = threading.Event()
    faults: list[Callable[[], None]] = [
        lambda: proxy.cut(random.randrange(200_000), times=3),
        lambda: proxy.cut(random.randrange(1000), reset=True, times=3),
        lambda: proxy.delay(0.3, times=4),
        lambda: proxy.answer(SLOW_DOWN, times=4),
        lambda: proxy.answer(BUSY, times=1),
        proxy.drop,
        proxy.pass_on,
    ]

    def run() -> None:
        while not stop.wait(0.2):
            random.choice(faults)()
            watch()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        proxy.pass_on()
