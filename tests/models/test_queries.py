"""The compiled queries of the hot paths ask, and give, what the ORM's querysets do."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pytest
from django.db import IntegrityError, connection, models, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from files.models import Change, File, FileVersion, Folder, Integrity, Share, Upload, User, queries
from files.models.changes import Entry
from files.models.compiled import CompiledQuery, Statement, execute, insert, update
from files.services import changes
from files.services.changes import Kind
from files.services.files import list_files, page_of_files
from files.services.versions import set_current_version
from tests.support.client import Client
from tests.support.rows import make_file


@dataclass
class People:
    """An owner, a stranger, and a file, a share and uploads of each."""

    owner: User
    stranger: User

    def __post_init__(self) -> None:
        self.files = {user: make_file(user, "ä.txt", versions=3) for user in self.both}
        self.folders = {
            user: Folder.objects.create(user=user, name="ä", deleted_at=None) for user in self.both
        }
        make_file(self.owner)
        self.shares = {user: self._share(user) for user in self.both}
        self.pending = {user: self._upload(user, None) for user in self.both}
        self.next_version = {user: self._upload(user, self.files[user]) for user in self.both}
        self.committed = {user: self._committed(user) for user in self.both}
        self.through_share = {user: self._through_share(user) for user in self.both}

    @property
    def both(self) -> tuple[User, User]:
        return self.owner, self.stranger

    def _share(self, user: User) -> Share:
        file = self.files[user]
        return Share.objects.create(
            file=file, created_by=user, token_digest=user.subject, permission="write"
        )

    def _upload(self, user: User, file: File | None, **values: Any) -> Upload:
        values |= {"key": uuid.uuid4().hex, "filename": "ä", "content_type": "a/b", "size": 1 << 40}
        return Upload.objects.create(user=user, file=file, commit_by=timezone.now(), **values)

    def _through_share(self, user: User) -> Upload:
        return self._upload(user, self.files[user], share=self.shares[user])

    def _committed(self, user: User) -> Upload:
        version = self.files[user].versions.get(version=2)
        values = {"state": "committed", "file_version": version, "checksum": version.checksum}
        return self._upload(user, None, **values)


@pytest.fixture
def people(owner: Client, stranger: Client) -> People:
    return People(owner.user, stranger.user)


@dataclass(frozen=True)
class Case:
    """A compiled query, its values for somebody, and the ORM's rows of these."""

    query: CompiledQuery[Any]
    values: Callable[[People, User], dict[str, Any]]
    rows: Callable[..., models.QuerySet[Any]]


def committed(uploads: models.QuerySet[Upload], key: str) -> models.QuerySet[Upload]:
    return uploads.filter(key=key).select_related("file", "folder", "file_version__file")


def upload_of_user(kind: str) -> Case:
    return Case(
        queries.UPLOAD_OF_USER,
        lambda people, user: {"user": user, "key": getattr(people, kind)[user].key},
        lambda user, key: committed(Upload.objects.visible_to(user), key),
    )


CASES = {
    "newest version": Case(
        queries.NEWEST_VERSION,
        lambda people, user: {"user": user, "file": people.files[user].pk},
        lambda user, file: (
            FileVersion.objects.visible_to(user).filter(file=file).newest().select_related("file")
        ),
    ),
    "numbered version": Case(
        queries.NUMBERED_VERSION,
        lambda people, user: {"user": user, "file": people.files[user].pk, "version": 2},
        lambda user, file, version: (
            FileVersion.objects.visible_to(user)
            .filter(file=file, version=version)
            .select_related("file")
        ),
    ),
    "upload of user, pending": upload_of_user("pending"),
    "upload of user, next version": upload_of_user("next_version"),
    "upload of user, committed": upload_of_user("committed"),
    "upload through share": Case(
        queries.UPLOAD_THROUGH_SHARE,
        lambda people, user: {
            "share": people.shares[user],
            "key": people.through_share[user].key,
        },
        lambda share, key: committed(Upload.objects.through(share), key),
    ),
    "locked upload": Case(
        queries.LOCKED_UPLOAD,
        lambda people, user: {"upload": people.pending[user].pk},
        lambda upload: (
            Upload.objects.filter(pk=upload)
            .select_for_update(no_key=True, of=("self",))
            .select_related("user")
        ),
    ),
    "locked file": Case(
        queries.LOCKED_FILE,
        lambda people, user: {"file": people.files[user].pk},
        lambda file: File.objects.filter(pk=file).select_for_update(no_key=True),
    ),
}
CASES |= {
    "present folder": Case(
        queries.PRESENT_FOLDER,
        lambda people, user: {"user": user, "folder": people.folders[user].pk},
        lambda user, folder: Folder.objects.visible_to(user).present().filter(pk=folder),
    ),
    "locked folder": Case(
        queries.LOCKED_FOLDER,
        lambda people, user: {"user": user, "folder": people.folders[user].pk},
        lambda user, folder: Folder.objects.filter(user=user, pk=folder).select_for_update(
            no_key=True
        ),
    ),
}
OF_SOMEBODY = [name for name in CASES if not name.startswith("locked")]


def columns(row: models.Model) -> dict[str, Any]:
    """Return the columns that were read, without reading others."""
    deferred = row.get_deferred_fields()
    names = [field.attname for field in row._meta.concrete_fields]
    return {name: getattr(row, name) for name in names if name not in deferred}


def assert_same(
    row: models.Model, expected: models.Model, back: models.Model | None = None
) -> None:
    """Assert that all that `row` has, its related rows too, is as `expected` has it."""
    read = columns(row)
    assert row.pk == expected.pk
    assert read == {name: getattr(expected, name) for name in read}
    assert {name: type(value) for name, value in read.items()} == {
        name: type(getattr(expected, name)) for name in read
    }
    assert row._state.db == expected._state.db
    assert not row._state.adding
    for name, related in row._state.fields_cache.items():
        found = getattr(expected, name)
        assert (related is None) == (found is None)
        if related is not None and related is not back:
            assert_same(related, found, row)


@pytest.mark.parametrize("name", CASES)
def test_a_compiled_query_gives_what_the_orm_gives(people: People, name: str) -> None:
    case = CASES[name]
    for user in (*people.both, *people.both):
        values = case.values(people, user)
        expected = case.rows(**values).get()
        with CaptureQueriesContext(connection) as captured:
            row = case.query.one(**values)
            assert row is not None
            assert_same(row, expected)
        assert len(captured) == 1


@pytest.mark.parametrize("name", CASES)
def test_a_compiled_query_is_what_the_orm_would_send(people: People, name: str) -> None:
    case = CASES[name]
    for user in people.both:
        values = case.values(people, user)
        sent = case.query.statement(**values)
        assert sent == Statement(*case.query.build(**values).query.sql_with_params())
        # All but the columns is the same as in the query that a reader would write.
        rows, _ = case.rows(**values).query.sql_with_params()
        assert sent.sql.partition(" FROM ")[2] == rows.partition(" FROM ")[2]


@pytest.mark.parametrize("name", OF_SOMEBODY)
def test_a_compiled_query_gives_nothing_of_somebody_else(people: People, name: str) -> None:
    case = CASES[name]
    own, other = (case.values(people, user) for user in people.both)
    someone = "share" if "share" in own else "user"
    assert case.query.one(**own) is not None
    assert case.query.one(**own | {someone: other[someone]}) is None
    assert case.query.one(**other | {someone: own[someone]}) is None


def test_an_upload_through_a_share_is_not_the_owners_to_commit(people: People) -> None:
    key = people.through_share[people.owner].key
    assert queries.UPLOAD_OF_USER.one(user=people.owner, key=key) is None


@pytest.mark.parametrize("purged", [False, True])
def test_a_version_of_a_file_in_the_trash_or_purged_is_not_found(
    people: People, purged: bool
) -> None:
    file = people.files[people.owner]
    now = timezone.now()
    File.objects.filter(pk=file.pk).update(deleted_at=now, purged_at=now if purged else None)
    values = {"user": people.owner, "file": file.pk}
    assert queries.NEWEST_VERSION.one(**values) is None
    assert queries.NUMBERED_VERSION.one(**values, version=1) is None


@pytest.mark.parametrize("version", [0, -1, 1 << 63, -(1 << 64), 10**30])
def test_a_number_that_no_column_has_finds_nothing(people: People, version: int) -> None:
    values = {"user": people.owner, "file": people.files[people.owner].pk, "version": version}
    assert queries.NUMBERED_VERSION.one(**values) is None


def test_a_parameter_that_the_query_does_not_use_is_refused(db: None) -> None:
    query = CompiledQuery(lambda user, key: Upload.objects.filter(key=key), user=User, key=str)
    with pytest.raises(ValueError, match="user"):
        query.one(user=User(), key="a")


@pytest.mark.parametrize("ascending", [False, True])
@pytest.mark.parametrize("limit", [2, 51])
def test_a_page_of_files_is_what_the_listing_asks_for(
    people: People, ascending: bool, limit: int
) -> None:
    names = ("created_at", "id", "name", "size", "deleted_at")
    now = timezone.now()
    for number in range(6):
        make_file(people.owner, str(number), created_at=now if number < 3 else None)
    trashed = make_file(people.owner)
    File.objects.filter(pk=trashed.pk).update(deleted_at=now)
    for user in people.both:
        beyond: tuple[datetime, uuid.UUID] | None = None
        for _ in range(5):
            page: dict[str, Any] = {
                "columns": names,
                "ascending": ascending,
                "limit": limit,
                "beyond": beyond,
            }
            with CaptureQueriesContext(connection) as captured:
                expected = list(queries.keyset_page(list_files(user=user), "created_at", **page))
                found = page_of_files(user=user, **page)
            assert found == expected
            assert len({query["sql"] for query in captured.captured_queries}) == 1
            if not found:
                break
            beyond = found[-1]["created_at"], found[-1]["id"]


def test_a_page_of_changes_is_what_the_orm_gives(people: People) -> None:
    entries = [Entry(Kind.FILE_RENAMED, file_id=people.files[people.owner].pk)] * 5
    for user in people.both:
        changes.record_many(user_id=user.pk, by=user, entries=entries)
    columns = ("seq", "kind", "by_user__subject", "at")
    for first, limit in ((0, 2), (2, 9), (6, 1)):
        found = Change.objects.visible_to(people.owner).filter(seq__gte=first).order_by("seq")
        page = queries.changes_page(columns, limit=limit).all(user=people.owner, first=first)
        assert page == list(found.values(*columns)[:limit])


def test_an_insert_writes_what_save_writes(people: People) -> None:
    saved = people.committed[people.owner]
    values = columns(saved) | {"id": uuid.uuid4(), "key": "another", "file_version_id": None}
    row = Upload(**values | {"state": "pending"})
    execute(insert(row))
    assert columns(Upload.objects.get(pk=row.pk)) == columns(row)
    assert not row._state.adding


def test_an_update_writes_these_columns_of_this_row_only(people: People) -> None:
    file = people.files[people.owner]
    rows = {row.pk: columns(row) for row in File.objects.all()}
    file.name, file.deleted_at, file.size = "b", timezone.now(), 77
    execute(update(file, "name", "deleted_at"))
    rows[file.pk] |= {"name": "b", "deleted_at": file.deleted_at}
    assert {row.pk: columns(row) for row in File.objects.all()} == rows


def new_version(user: User, file: File, number: int) -> FileVersion:
    version = FileVersion(file=file, version=number, key=uuid.uuid4().hex, created_by=user)
    version.store_version_id = version.etag = "none"
    version.size, version.content_type, version.checksum = number, "a/b", "sha256:0"
    version.integrity = Integrity.DECLARED
    return version


def test_statements_that_are_executed_together_are_one_on_postgresql(people: People) -> None:
    upload = people.next_version[people.owner]
    file = people.files[people.owner]
    version = new_version(people.owner, file, 4)
    upload.state, upload.file_version = Upload.State.COMMITTED, version
    with CaptureQueriesContext(connection) as captured:
        execute(
            set_current_version(file, version),
            insert(version),
            update(upload, "state", "file_version"),
        )
    assert len(captured) == (1 if connection.vendor == "postgresql" else 3)
    for row in (upload, file, version):
        assert columns(type(row).objects.get(pk=row.pk)) == columns(row)


def test_of_statements_that_are_executed_together_all_or_none_hold(people: People) -> None:
    file = people.files[people.owner]
    before = columns(File.objects.get(pk=file.pk))
    version = new_version(people.owner, file, 3)
    with pytest.raises(IntegrityError), transaction.atomic():
        execute(set_current_version(file, version), insert(version))
    assert columns(File.objects.get(pk=file.pk)) == before
