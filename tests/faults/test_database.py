"""A database that is locked or not there: a 503 that says to try again, whoever asks it."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator

import psycopg
import pytest
from django.db import connection

from files.models import Upload
from tests.support.client import Client, assert_problem


@contextlib.contextmanager
def locked_database() -> Iterator[None]:
    """Hold a lock, from outside, that every write to `uploads` waits for, but not for long."""
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA busy_timeout=100")
        other = sqlite3.connect(connection.settings_dict["NAME"], isolation_level=None)
        other.execute("BEGIN EXCLUSIVE")
        try:
            yield
        finally:
            other.close()
            connection.close()
        return
    with connection.cursor() as cursor:
        cursor.execute("SET lock_timeout = 100")
    parameters = connection.get_connection_params()
    names = ("host", "port", "user", "password", "dbname")
    given = {name: parameters[name] for name in names if parameters.get(name)}
    with psycopg.connect(**given) as outside:
        outside.execute("LOCK TABLE uploads IN ACCESS EXCLUSIVE MODE")
        try:
            yield
        finally:
            outside.rollback()
            connection.close()


@pytest.mark.django_db(transaction=True)
def test_a_database_that_is_locked_is_a_503_and_the_retry_succeeds(owner: Client) -> None:
    with locked_database():
        assert_problem(owner.init(), 503, "unavailable")
    assert not Upload.objects.exists()
    assert owner.init().status == 201


WITHOUT_DATABASE = """
import json, sys
import django
django.setup()
from django.test import Client
from files.services.tokens import mint
client = Client(raise_request_exception=False)
token = {"Authorization": "Bearer " + mint(subject="owner", ttl=60)}
session = {"Cookie": "sessionid=abcdefghijklmnopqrstuvwxyz012345"}
for path, headers in (("/files", token), ("/admin/", session), ("/readyz", {})):
    answer = client.get(path, headers=headers)
    print(json.dumps([path, answer.status_code, answer.headers.get("Retry-After"), answer.json()]))
"""


@pytest.mark.slow
@pytest.mark.parametrize("database", ["sqlite:////proc/no/such/db", "postgresql://127.0.0.1:9/x"])
def test_a_database_that_is_not_there_is_a_503_everywhere(database: str, store: object) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_DATABASE],
        env=os.environ
        | {
            "DATABASE_URL": database,
            "DJANGO_SETTINGS_MODULE": "remotedrive.settings",
            "ALLOWED_HOSTS": "testserver",
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [answer[0] for answer in answers] == ["/files", "/admin/", "/readyz"]
    for path, status, retry_after, problem in answers:
        assert (status, problem["code"]) == (503, "unavailable"), path
        assert int(retry_after) >= 1
    assert answers[2][3]["not_ready"].keys() == {"database"}
