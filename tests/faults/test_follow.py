"""Eight writers in one drive while the service is killed: a follower misses no change."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.support.client import Answer, put
from tests.support.follower import Follower
from tests.support.retries import persistently
from tests.support.server import RemoteClient, Server, running

pytestmark = [pytest.mark.usefixtures("store"), pytest.mark.slow]

WRITERS = 8


def test_a_follower_ends_with_the_drive_that_the_listings_show(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    rounds: int = request.config.getoption("--follow-rounds")
    with running(tmp_path, workers=2) as server:
        person = server.client("person")
        assert person.get("/changes/latest")["next"] == 0
        follower = Follower(person)
        writers = [Writer(server.client("person")) for _ in range(WRITERS)]
        for _ in range(rounds):
            _round(server, writers, follower)
            follower.follow()
            follower.check()
        again = Follower(person)
        again.follow()
        again.check()
        # What was read while others wrote is what there is: nothing came late, or was lost.
        assert again.entries == follower.entries
        assert len(follower.entries) == person.get("/changes/latest")["next"]
        kinds = {entry["kind"] for entry in follower.entries}
        assert len(kinds) >= 8, kinds
        log = server.log()
        assert "Traceback" not in log
        assert "deadlock" not in log


def _round(server: Server, writers: list[Writer], follower: Follower) -> None:
    stop = threading.Event()
    threads = [threading.Thread(target=writer.run, args=[stop]) for writer in writers]
    failures: list[BaseException] = []

    def follow() -> None:
        try:
            while not stop.is_set():
                follower.follow()
        except BaseException as error:
            failures.append(error)

    threads.append(threading.Thread(target=follow))
    for thread in threads:
        thread.start()
    time.sleep(random.uniform(0.5, 1.5))
    server.kill()
    server.start()
    time.sleep(1)
    stop.set()
    for thread in threads:
        thread.join(timeout=90)
        assert not thread.is_alive()
    failures += [failure for writer in writers for failure in writer.failures]
    if failures:
        print(server.log()[-20_000:])  # Shown where the test fails.
        raise failures[0]


@dataclass
class Writer:
    """One of those who write: anything, to whatever is in the drive."""

    client: RemoteClient
    failures: list[BaseException] = field(default_factory=list)

    def run(self, stop: threading.Event) -> None:
        steps: list[Callable[[], None]] = [
            *[self.upload] * 4,
            *[self.make_folder] * 2,
            *[self.rename, self.move, self.copy, self.trash, self.restore] * 2,
            *[self.purge, self.empty_the_trash],
            *[self.change_folder, self.trash_folder, self.restore_folder] * 2,
            *[self.purge_folder, self.share],
        ]
        try:
            while not stop.is_set():
                random.choice(steps)()
        except BaseException as error:
            self.failures.append(error)

    def call(self, method: str, path: str, body: Any = None) -> Answer:
        """Ask until there is an answer; another writer may have come first."""
        answer = persistently(lambda: self.client.call(method, path, body))
        assert answer.status < 500, answer.json
        assert answer.status in (200, 201, 204, 404, 409, 410, 412), answer.json
        return answer

    def any_of(self, listing: str) -> str | None:
        rows = self.call("GET", listing).json.get("results")
        return str(random.choice(rows)["id"]) if rows else None

    def a_file(self, **query: str) -> str | None:
        return self.any_of("/files?page_size=20" + "".join(f"&{k}={v}" for k, v in query.items()))

    def a_folder(self) -> str | None:
        """Return a folder, or None: the top, or there is none."""
        found, place = None, "root"
        while random.random() < 0.7:
            inside = self.any_of(f"/folders?parent_id={place}")
            if inside is None:
                break
            found = place = inside
        return found

    def upload(self) -> None:
        data = random.randbytes(10)
        onto = self.a_file() if random.random() < 0.4 else None
        body: dict[str, Any] = {"size": len(data)}
        body |= {"filename": "a", "folder_id": self.a_folder()} if onto is None else {}
        body |= {} if onto is None else {"file_id": onto}
        headers = {"Idempotency-Key": str(uuid4())}
        init = partial(self.client.post, "/files/init-upload", body, headers=headers)
        begun = persistently(init)
        if begun.status == 404:
            return
        assert begun.status == 201, begun.json
        sent = put(begun["presigned_put_url"], data, begun["headers"])
        assert sent.status_code == 200, sent.text
        for _ in range(random.choice([1, 1, 2])):
            persistently(lambda: self.client.commit(str(begun["key"]), data))

    def on_a_file(self, method: str, part: str = "", body: Any = None, **query: str) -> None:
        file_id = self.a_file(**query)
        if file_id is not None:
            self.call(method, f"/files/{file_id}{part}", body)

    def on_a_folder(self, method: str, part: str = "", body: Any = None) -> None:
        folder_id = self.a_folder()
        if folder_id is not None:
            self.call(method, f"/folders/{folder_id}{part}", body)

    def rename(self) -> None:
        self.on_a_file("PATCH", body={"name": random.choice("abcdef")})

    def move(self) -> None:
        self.on_a_file("PATCH", body={"folder_id": self.a_folder()})

    def copy(self) -> None:
        self.on_a_file("POST", "/copy", {"folder_id": self.a_folder()})

    def trash(self) -> None:
        self.on_a_file("DELETE")

    def restore(self) -> None:
        self.on_a_file("POST", "/restore", {}, trashed="true")

    def purge(self) -> None:
        self.on_a_file("DELETE", "?permanent=true")

    def empty_the_trash(self) -> None:
        if random.random() < 0.3:
            self.call("DELETE", "/files?trashed=true")

    def make_folder(self) -> None:
        body = {"name": random.choice("abcdef"), "parent_id": self.a_folder()}
        self.call("POST", "/folders", body)

    def change_folder(self) -> None:
        body = random.choice([{"name": random.choice("abcdef")}, {"parent_id": self.a_folder()}])
        self.on_a_folder("PATCH", body=body)

    def trash_folder(self) -> None:
        self.on_a_folder("DELETE")

    def restore_folder(self) -> None:
        folder_id = self.any_of("/folders?trashed=true")
        if folder_id is not None:
            self.call("POST", f"/folders/{folder_id}/restore", {})

    def purge_folder(self) -> None:
        self.on_a_folder("DELETE", "?permanent=true")

    def share(self) -> None:
        file_id = self.a_file()
        if file_id is None:
            return
        made = self.call("POST", "/shares", {"file_id": file_id, "permission": "read"})
        if made.status == 201 and random.random() < 0.5:
            self.call("DELETE", f"/shares/{made['id']}")
