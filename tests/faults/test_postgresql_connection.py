"""A persistent connection to PostgreSQL that dies: replaced without being asked after, and what is
run again. Needs a `DATABASE_URL` of postgresql:// in the environment.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.db import OperationalError, connections, transaction

from remotedrive.database.postgresql import base
from remotedrive.database.postgresql.base import DatabaseWrapper
from tests.support.tcp_proxy import TcpProxy

DATABASE = urlsplit(os.environ.get("DATABASE_URL", ""))
WRITE = "CREATE TEMPORARY TABLE IF NOT EXISTS written (n integer)"

pytestmark = pytest.mark.skipif(
    DATABASE.scheme not in ("postgres", "postgresql") or not DATABASE.hostname,
    reason="DATABASE_URL names no PostgreSQL that is reached by TCP",
)


@pytest.fixture
def proxy() -> Iterator[TcpProxy]:
    with TcpProxy((str(DATABASE.hostname), DATABASE.port or 5432)) as proxy:
        yield proxy


@pytest.fixture
def database(
    proxy: TcpProxy, django_db_setup: None, django_db_blocker: Any
) -> Iterator[DatabaseWrapper]:
    """A connection by way of the proxy, open and used."""
    settings = connections["default"].settings_dict | {"HOST": "127.0.0.1", "PORT": proxy.port}
    settings["OPTIONS"] = settings["OPTIONS"] | {"sslmode": "disable", "gssencmode": "disable"}
    connections["proxied"] = database = DatabaseWrapper(settings, "proxied")
    database.reconnects = True
    with django_db_blocker.unblock():
        assert ask(database) == 42
        yield database
        database.close()
    del connections["proxied"]


def ask(database: DatabaseWrapper, statement: str = "SELECT 42") -> Any:
    with database.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchone()[0] if statement.startswith("SELECT") else None


def test_a_statement_is_one_round_trip(proxy: TcpProxy, database: DatabaseWrapper) -> None:
    before = proxy.requests
    for statement in ("SELECT 42", WRITE, "SELECT 42"):
        database.close_if_unusable_or_obsolete()
        ask(database, statement)
    assert proxy.requests == before + 3


@pytest.mark.parametrize("statement", ["SELECT 42", WRITE])
@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
def test_a_connection_that_was_closed_is_replaced_before_anything_is_sent(
    proxy: TcpProxy, database: DatabaseWrapper, statement: str, reset: bool
) -> None:
    proxy.drop(reset=reset)
    ask(database, statement)
    proxy.drop(reset=reset)
    with transaction.atomic("proxied"):
        ask(database, statement)


def test_a_connection_that_the_server_ended_is_replaced_before_anything_is_sent(
    database: DatabaseWrapper,
) -> None:
    backend = ask(database, "SELECT pg_backend_pid()")
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [backend])
    ask(database, WRITE)
    assert ask(database, "SELECT pg_backend_pid()") != backend


def test_a_query_whose_connection_is_dead_is_run_again_once(
    proxy: TcpProxy, database: DatabaseWrapper
) -> None:
    proxy.cut(0, times=1, only=b"Q")
    assert ask(database) == 42
    proxy.cut(0, only=b"Q")
    with pytest.raises(OperationalError):
        ask(database)
    proxy.pass_on()
    assert ask(database) == 42


def test_what_writes_is_not_run_again(proxy: TcpProxy, database: DatabaseWrapper) -> None:
    proxy.received = []
    proxy.cut(0, times=1, only=b"Q")
    with pytest.raises(OperationalError):
        ask(database, WRITE)
    assert len(proxy.received) == 1
    ask(database, WRITE)


def test_a_query_within_a_transaction_is_not_run_again(
    proxy: TcpProxy, database: DatabaseWrapper
) -> None:
    with transaction.atomic("proxied"):
        ask(database, WRITE)
        proxy.cut(0, times=1, only=b"Q")
        with pytest.raises(OperationalError):
            ask(database)
        transaction.set_rollback(True, "proxied")
    assert ask(database) == 42


def test_a_query_that_fails_late_is_not_run_again(
    proxy: TcpProxy, database: DatabaseWrapper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base, "SOON_SECONDS", 0)
    proxy.cut(0, times=1, only=b"Q")
    with pytest.raises(OperationalError):
        ask(database)


def test_a_query_that_the_database_refuses_is_not_run_again(
    proxy: TcpProxy, database: DatabaseWrapper
) -> None:
    ask(database, "SET statement_timeout = 100")
    before = proxy.requests
    with pytest.raises(OperationalError):
        ask(database, "SELECT pg_sleep(60)")
    assert (proxy.requests, ask(database)) == (before + 1, 42)


def test_a_connection_that_was_idle_is_asked_before_anything_is_written(
    proxy: TcpProxy, database: DatabaseWrapper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base, "IDLE_SECONDS", 0)
    before = proxy.requests
    ask(database, WRITE)
    assert proxy.requests == before + 2
    proxy.cut(0, times=1, only=b"Q")
    ask(database, WRITE)
