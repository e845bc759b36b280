"""An OpenID provider before a running service: its keys change, and it goes away."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.client import assert_problem
from tests.support.issuer import Key, KeyServer, Provider, issuer_of, key_server
from tests.support.process import wait_for
from tests.support.server import RemoteClient, running

__all__ = ["key_server"]

pytestmark = [pytest.mark.slow, pytest.mark.once, pytest.mark.usefixtures("store")]


@pytest.fixture
def provider(tmp_path: Path) -> Iterator[Provider]:
    provider = Provider(tmp_path / "provider.log")
    provider.start()
    yield provider
    provider.stop()


def test_tokens_of_a_provider_open_the_api_through_new_keys_and_its_end(
    provider: Provider, tmp_path: Path
) -> None:
    folder = tmp_path / "service"
    folder.mkdir()
    with running(
        folder,
        AUTH_CACHE_SECONDS="0",
        JWT_SECRET="",
        JWT_JWKS_URL=f"{provider.url}/jwks",
        JWT_ISSUER=provider.url,
        JWT_AUDIENCE="drive",
    ) as server:
        somebody = RemoteClient(server, None)

        def status(token: str) -> int:
            somebody.token = token
            return somebody.get("/files").status

        assert status(provider.id_token("alice", client="another")) == 401
        token = provider.id_token("alice", client="drive")
        assert status(token) == 200
        assert somebody.get("/me").json["subject"] == "alice"
        provider.stop()
        assert status(token) == 200
        provider.start()
        new = provider.id_token("alice", client="drive")
        assert status(new) == 200
        assert status(token) == 401, "its key is no longer published"
        provider.stop()
        assert [status(new) for _ in range(5)] == [200] * 5
        somebody.token = Key("RS256", kid="unknown").token(iss=provider.url, aud="drive")
        begun = time.monotonic()
        assert_problem(somebody.get("/files"), 401, "token-invalid")
        assert time.monotonic() - begun < 2
        assert token not in server.log()


def test_while_keys_are_replaced_under_load_no_valid_token_fails(
    key_server: KeyServer, tmp_path: Path
) -> None:
    keys = [Key("RS256", kid="first"), Key("EdDSA", kid="second")]
    with issuer_of(key_server) as issuer:
        issuer.publish(keys[0])
        with running(
            tmp_path,
            workers=2,
            AUTH_CACHE_SECONDS="0",
            JWT_SECRET="",
            JWT_JWKS_URL=issuer.url,
        ) as server:
            in_use, done, statuses = [keys[0]], threading.Event(), list[int]()

            def load() -> None:
                somebody = RemoteClient(server, None)
                while not done.is_set():
                    somebody.token = in_use[0].token(sub="alice")
                    statuses.append(somebody.get("/files").status)

            def after_more(count: int) -> None:
                wanted = len(statuses) + count
                while len(statuses) < wanted:
                    time.sleep(0.01)

            threads = [threading.Thread(target=load, daemon=True) for _ in range(8)]
            for thread in threads:
                thread.start()
            after_more(100)
            issuer.publish(*keys)
            after_more(100)
            in_use[0] = keys[1]
            after_more(100)
            issuer.publish(keys[1])
            after_more(100)
            done.set()
            for thread in threads:
                thread.join(30)
        assert set(statuses) == {200}
        # Of each worker one at first, and one for the new key.
        assert 2 <= issuer.proxy.requests <= 4


def test_while_a_provider_is_replaced_under_load_its_new_tokens_open_the_api(
    provider: Provider, tmp_path: Path
) -> None:
    folder = tmp_path / "service"
    folder.mkdir()
    with running(
        folder,
        workers=2,
        AUTH_CACHE_SECONDS="0",
        JWT_SECRET="",
        JWT_JWKS_URL=f"{provider.url}/jwks",
        JWT_ISSUER=provider.url,
        JWT_AUDIENCE="drive",
    ) as server:
        tokens = [provider.id_token("alice", client="drive")]
        statuses = list[tuple[str, int]]()
        done = threading.Event()

        def load() -> None:
            somebody = RemoteClient(server, None)
            while not done.is_set():
                somebody.token = token = tokens[-1]
                statuses.append((token, somebody.get("/files").status))

        def after_more(count: int) -> None:
            wanted = len(statuses) + count
            wait_for(lambda: len(statuses) >= wanted, seconds=60)

        threads = [threading.Thread(target=load, daemon=True) for _ in range(8)]
        for thread in threads:
            thread.start()
        after_more(100)
        provider.stop()
        after_more(100)
        provider.start()
        after_more(100)
        # Nobody has seen the new key, so nothing that came before has failed.
        assert set(statuses) == {(tokens[0], 200)}
        tokens.append(provider.id_token("alice", client="drive"))
        after_more(200)
        done.set()
        for thread in threads:
            thread.join(30)
    assert {status for token, status in statuses if token == tokens[1]} == {200}
