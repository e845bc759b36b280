"""The steps in which something fails: the store is lost and found, the service is killed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress

import httpx
from hypothesis import strategies as st
from hypothesis.stateful import rule

from tests.stateful import model
from tests.stateful.model import COMMITTED
from tests.stateful.people import PICKS, hold, when
from tests.stateful.uploading import Uploading
from tests.support.client import Answer
from tests.support.retries import persistently
from tests.support.tcp_proxy import TcpProxy, response

FAULTS: dict[str, Callable[[TcpProxy], None]] = {
    "refuses": lambda proxy: proxy.refuse(),
    "resets": lambda proxy: proxy.cut(0, reset=True),
    "answers 503": lambda proxy: proxy.answer(response("503 Slow Down")),
}


class Failing(Uploading):
    """Lose the store, or the service, and find it again."""

    @rule(fault=st.sampled_from(sorted(FAULTS)))
    @when(lambda self: self.store_up)
    def lose_the_store(self, fault: str) -> None:
        FAULTS[fault](self.service.proxy)
        self.store_up = False

    @rule()
    @when(lambda self: not self.store_up)
    def find_the_store(self) -> None:
        self.bring_the_store_back()

    @rule(number=PICKS, milliseconds=st.integers(0, 60))
    @when(lambda self: self.uploads and not self.killed)
    def kill_the_service_while_it_commits(self, number: int, milliseconds: int) -> None:
        """Once in an example, as a start takes as long as all else."""
        self.killed = True
        upload = self.pick_upload(number)
        said = self.arguments(upload, "right")
        body = said.body(upload)
        got: list[Answer] = []

        def commit() -> None:
            with suppress(httpx.TransportError):
                got.append(self.owner_of(upload).post("/files/commit", body))

        thread = threading.Thread(target=commit)
        thread.start()
        time.sleep(milliseconds / 1000)
        self.service.server.kill()
        thread.join()
        self.service.server.start()
        expected = model.expect_commit(upload, said, store_up=self.store_up)
        if expected != COMMITTED:
            hold(self.ask(lambda: self.owner_of(upload).post("/files/commit", body)), expected)
            return
        answer = persistently(lambda: self.owner_of(upload).post("/files/commit", body))
        assert answer.status in (200, 201), answer.json
        if got and got[0].status == 201:
            assert (answer.status, answer.json) == (200, got[0].json)
        self.committed(upload, answer)
