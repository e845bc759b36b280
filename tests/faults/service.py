"""A service on its own process whose way to the store leads through a proxy, and what must be so
after each fault. Clients reach the store itself, as they would in a network that is fine for them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings

from tests.support.audit import audit
from tests.support.client import Answer, assert_problem, put
from tests.support.server import RemoteClient, Server, running
from tests.support.tcp_proxy import TcpProxy

STORE_TIMEOUT = 2
ENOUGH = 20
"""Seconds after which an answer, which is due within 10, counts as one that does not come."""

_names = count(1)


@dataclass
class Service:
    """A running service, and the proxy between it and its store."""

    server: Server
    proxy: TcpProxy

    def person(self) -> RemoteClient:
        """Return somebody who has nothing yet."""
        person = self.server.client(f"person-{next(_names)}")
        assert person.get("/files").status == 200
        return person

    def audit(self) -> None:
        """Hold every row against the store, and find no failure that nobody foresaw in the log."""
        public = self.server.environment["MINIO_PUBLIC_ENDPOINT"]
        audit(self.server.environment | {"MINIO_ENDPOINT": public})
        assert "Traceback" not in self.server.log()


@contextmanager
def proxied(folder: Path, *, store: str | None = None, **environment: str) -> Iterator[Service]:
    """Run a service with a proxy to `store` (a URL), by default that of the test run."""
    endpoint = store or settings.MINIO_ENDPOINT
    address = urlsplit(endpoint)
    with TcpProxy((str(address.hostname), int(address.port or 80))) as proxy:
        ways = {"MINIO_ENDPOINT": proxy.endpoint, "MINIO_PUBLIC_ENDPOINT": endpoint}
        timeout = {"STORE_TIMEOUT": str(STORE_TIMEOUT)}
        with running(folder, workers=1, **ways, **timeout | environment) as server:
            yield Service(server, proxy)


def in_time(call: Callable[[], Answer]) -> Answer:
    """Return the answer to `call`; a guard against one that hangs, no measurement."""
    began = time.monotonic()
    answer = call()
    assert time.monotonic() - began < ENOUGH
    return answer


def retried(call: Callable[[], Answer]) -> Answer:
    """Return the first answer that is not 503, which asks for a retry."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        answer = in_time(call)
        if answer.status != 503:
            return answer
        assert int(answer.headers["Retry-After"]) >= 1
        time.sleep(0.2)
    raise AssertionError(f"the retry does not succeed: {answer.json}")


def seen(person: RemoteClient) -> tuple[Any, ...]:
    """Return all that the API shows of what a person has, without the store being asked."""
    return tuple(person.get(path).json for path in ("/files", "/files?trashed=true", "/uploads"))


@dataclass
class Upload:
    """What a person has put into the store and not committed yet; multipart in a single part."""

    owner: RemoteClient
    data: bytes
    multipart: bool = False
    checksum: str | None = None
    begun: Answer = field(init=False)

    def __post_init__(self) -> None:
        members = {} if self.checksum is None else {"checksum": self.checksum}
        self.begun = retried(
            lambda: self.owner.init(self.data, multipart=self.multipart, **members)
        )
        assert self.begun.status == 201
        url = self.begun.json["parts"][0] if self.multipart else self.begun.json
        assert put(url["presigned_put_url"], self.data, url["headers"]).status_code == 200

    @property
    def key(self) -> str:
        return str(self.begun["key"])

    @property
    def path(self) -> str:
        return f"/uploads/{self.begun['upload_id']}"

    def commit(self) -> Answer:
        return self.owner.commit(self.key, self.data)

    def refused(self) -> None:
        """Commit, to be answered 503, and find that nothing has changed."""
        before = seen(self.owner)
        assert_problem(in_time(self.commit), 503, "store-unavailable")
        assert seen(self.owner) == before

    def committed(self, *statuses: int) -> None:
        """Commit until it is taken, and find one version, with these bytes, however often."""
        done = retried(self.commit)
        assert done.status in (statuses or (201,)), done.json
        again = retried(self.commit)
        assert (again.status, again.json) == (200, done.json)
        versions = self.owner.get(f"/files/{done['fileId']}/versions")["results"]
        assert [version["version"] for version in versions] == [1]
        assert [version["key"] for version in versions] == [self.key]
        files = self.owner.get("/files?page_size=200")["results"]
        assert [file["id"] for file in files if file["key"] == self.key] == [done["fileId"]]
        assert self.owner.read(done["fileId"]) == self.data
