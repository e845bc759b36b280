"""`manage.py migrate` beside a service that serves, and beside another migrate.

The migration that is applied here is one that the service's code does not know, as in an upgrade.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

import psycopg
import pytest

from tests.support.client import assert_problem
from tests.support.process import ROOT
from tests.support.server import Server

on_postgresql = pytest.mark.skipif(
    not os.environ.get("DATABASE_URL", "").startswith("postgres"),
    reason="DATABASE_URL names no PostgreSQL",
)
HEAD = """
from django.db import migrations, models

class Migration(migrations.Migration):
    dependencies = [("files", "{before}")]
    operations = [
"""
ADD_COLUMN = 'migrations.AddField("File", "later", models.TextField(null=True)),'
ADD_TABLE = 'migrations.CreateModel("Later", [("id", models.BigAutoField(primary_key=True))]),'
SLEEP = 'migrations.RunSQL("SELECT pg_sleep(1)"),'
Upgrade = Callable[..., dict[str, str]]


@pytest.fixture
def upgrade(tmp_path: Path) -> Upgrade:
    """Make the next release's migrations, and return the environment that `migrate` needs."""

    def make(server: Server, *operations: str) -> dict[str, str]:
        folder = tmp_path / "upgrade"
        later = folder / "later_migrations"
        shutil.copytree(ROOT / "files" / "migrations", later)
        before = max(path.stem for path in later.glob("0*.py"))
        text = HEAD.format(before=before) + "\n".join(operations) + "\n]\n"
        (later / "9999_later.py").write_text(text)
        (folder / "later_settings.py").write_text(
            "from remotedrive.settings import *\n"
            'MIGRATION_MODULES = {"files": "later_migrations"}\n'
        )
        return server.environment | {
            "DJANGO_SETTINGS_MODULE": "later_settings",
            "PYTHONPATH": str(folder),
        }

    return make


@pytest.fixture
def server(store: object, tmp_path: Path) -> Iterator[Server]:
    folder = tmp_path / "service"
    folder.mkdir()
    server = Server(folder)
    try:
        yield server
    finally:
        server.close()


@contextmanager
def migrating(environment: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "manage.py", "migrate"],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def test_a_service_of_the_release_before_goes_on_while_a_migration_is_applied(
    server: Server, upgrade: Upgrade
) -> None:
    server.start()
    owner = server.client("owner")
    owner.upload(b"before")
    assert owner.get("/readyz").status == 200
    done, rounds, failures = Event(), [], []

    def work() -> None:
        while not done.is_set():
            try:
                owner.read(owner.upload(b"during")["fileId"])
                assert owner.get("/files").status == 200
                assert owner.get("/readyz").status == 200
            except Exception as error:
                failures.append(error)
                return
            rounds.append(1)

    people = [Thread(target=work) for _ in range(2)]
    for person in people:
        person.start()
    try:
        with migrating(upgrade(server, ADD_COLUMN, ADD_TABLE)) as process:
            said, _ = process.communicate(timeout=60)
            assert process.returncode == 0, said
            assert "9999_later... OK" in said
        served = len(rounds)
        while len(rounds) < served + 4 and not failures:
            time.sleep(0.05)
    finally:
        done.set()
        for person in people:
            person.join()
    assert failures == []
    # A process that starts only now knows as little of it.
    server.stop()
    server.start()
    assert owner.get("/readyz").status == 200
    assert len(owner.get("/files?page_size=200")["results"]) > 4


@pytest.mark.slow
@on_postgresql
def test_of_two_at_once_one_migrates_however_long_it_takes_and_the_other_finds_it_done(
    server: Server, upgrade: Upgrade
) -> None:
    environment = upgrade(server, SLEEP, ADD_TABLE)
    # Far shorter than the migration's own statement.
    environment["DATABASE_URL"] += "?options=-c%20statement_timeout%3D500"
    with migrating(environment) as one, migrating(environment) as other:
        outputs = [process.communicate(timeout=60)[0] for process in (one, other)]
        assert [one.returncode, other.returncode] == [0, 0], outputs
    assert sum("9999_later... OK" in said for said in outputs) == 1
    assert sum("No migrations to apply" in said for said in outputs) == 1


@pytest.mark.slow
@on_postgresql
def test_a_lock_that_is_held_is_asked_for_again_and_nobody_queues_behind_it_for_long(
    server: Server, upgrade: Upgrade
) -> None:
    environment = upgrade(server, ADD_COLUMN)
    with (
        psycopg.connect(server.environment["DATABASE_URL"]) as holder,
        migrating(environment) as process,
    ):
        holder.execute("LOCK TABLE files IN ACCESS SHARE MODE")
        assert process.stdout is not None
        line = next((line for line in process.stdout if "waits for a lock" in line), "")
        assert "files.9999_later waits for a lock (attempt 1 of" in line
        assert f"pid {holder.info.backend_pid}," in line
        with psycopg.connect(server.environment["DATABASE_URL"]) as reader:
            reader.execute("SET lock_timeout = '5s'")
            reader.execute("SELECT count(*) FROM files")
        holder.rollback()
        said, _ = process.communicate(timeout=60)
        assert process.returncode == 0, said


@on_postgresql
def test_what_a_slow_migration_locks_is_503_and_then_there_again(
    server: Server,
) -> None:
    url = server.environment["DATABASE_URL"]
    server.environment["DATABASE_URL"] = f"{url}?options=-c%20lock_timeout%3D300"
    server.start()
    owner = server.client("owner")
    assert owner.get("/files").status == 200
    with psycopg.connect(url) as migration:
        migration.execute("LOCK TABLE files IN ACCESS EXCLUSIVE MODE")
        assert_problem(owner.get("/files"), 503, "unavailable")
        # Uploads begin in another table.
        assert owner.get("/uploads").status == 200
    assert owner.get("/files").status == 200
