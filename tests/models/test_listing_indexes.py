"""Which indexes PostgreSQL uses for a listing, and the migration that makes them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlencode

import pytest
from django.db import connection
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations import Migration
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.state import ProjectState
from django.test.utils import CaptureQueriesContext

from files.models import File
from tests.support.client import Client

INDEXES = {"files_present", "files_trash", "files_type", "files_kind"}
"""Those of migration 0004; a later one puts `files_trashed` in the place of `files_trash`."""
ON_POSTGRESQL = {"files_name"} if connection.vendor == "postgresql" else set()


@pytest.fixture
def folder(owner: Client) -> str:
    return str(owner.post("/folders", {"name": "folder"})["id"])


@pytest.fixture
def many_files(owner: Client, folder: str) -> None:
    """Insert files whose indexes the planner finds worth their while."""
    File.objects.bulk_create(
        File(
            user=owner.user,
            name=f"{number} report.txt",
            content_type="text/plain",
            size=0,
            version_current=1,
            integrity="store",
            folder_id=None if number % 10 else folder,
        )
        for number in range(5000)
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE files")
        # Of so few files of one user, all are read as quickly.
        cursor.execute("SET LOCAL enable_seqscan = off")


@pytest.mark.django_db
@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has other plans")
@pytest.mark.usefixtures("many_files")
@pytest.mark.parametrize(
    ("query", "index"),
    [
        ({}, "files_present"),
        ({"created_before": "2020-01-01T00:00:00Z"}, "files_present"),
        ({"trashed": "true"}, "files_trashed"),
        ({"folder_id": "root"}, "files_top"),
        ({"folder_id": "{folder}"}, "files_folder"),
        ({"content_type": "image/png"}, "files_type"),
        ({"content_type": "image/*"}, "files_kind"),
        ({"name": "report"}, "files_present"),
        ({"name": "nothing of it"}, "files_name"),
        ({"name": "no report.txt"}, "files_name"),
    ],
    ids=str,
)
def test_a_page_is_read_from_the_index_of_its_filter(
    owner: Client, folder: str, query: dict[str, str], index: str
) -> None:
    query = {name: value.format(folder=folder) for name, value in query.items()}
    with CaptureQueriesContext(connection) as captured:
        assert owner.get(f"/files?{urlencode(query)}").status == 200
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {captured.captured_queries[-1]['sql']}")
        plan = "\n".join(line for (line,) in cursor.fetchall())
    # With the blank that ends a name, as one begins another.
    assert f"using {index} " in plan or f"on {index} " in plan, plan


@contextmanager
def migration() -> Iterator[tuple[Migration, ProjectState, BaseDatabaseSchemaEditor]]:
    """Yield the migration, the models before it, and what executes it."""
    loader = MigrationLoader(connection)
    before = loader.project_state(("files", "0003_limits"))
    with connection.schema_editor(atomic=False) as editor:
        yield loader.get_migration("files", "0004_listing"), before, editor


def valid_indexes() -> set[str]:
    """Return the indexes of listings that a query may use."""
    catalogue = (
        "SELECT indexrelid::regclass::text FROM pg_index"
        " WHERE indrelid = 'files'::regclass AND indisvalid AND NOT indisprimary"
        if connection.vendor == "postgresql"
        else "SELECT name FROM sqlite_master WHERE tbl_name = 'files' AND name LIKE 'files%'"
        " AND type = 'index'"
    )
    of_listings = INDEXES | ON_POSTGRESQL | {"files_listing"}
    with connection.cursor() as cursor:
        cursor.execute(catalogue)
        return {name for (name,) in cursor.fetchall()} & of_listings


@pytest.mark.django_db(transaction=True)
def test_the_migration_can_be_repeated_after_an_interruption() -> None:
    with connection.cursor() as cursor:
        cursor.execute("DROP INDEX files_kind")
        if connection.vendor == "postgresql":
            # As an interruption leaves one that was being made.
            cursor.execute(
                "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'files_type'::regclass"
            )
    with migration() as (forwards, before, editor):
        forwards.apply(before, editor)
    assert valid_indexes() == INDEXES | ON_POSTGRESQL


@pytest.mark.django_db(transaction=True)
def test_the_migration_goes_back_and_forth() -> None:
    with migration() as (backwards, before, editor):
        backwards.unapply(before.clone(), editor)
    assert valid_indexes() == {"files_listing"}
    with migration() as (forwards, before, editor):
        forwards.apply(before, editor)
    assert valid_indexes() == INDEXES | ON_POSTGRESQL
