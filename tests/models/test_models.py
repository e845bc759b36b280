"""The rules that the database keeps by itself, whoever writes to it."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, connection, models, transaction
from django.db.models import ProtectedError
from django.utils import timezone

from files.models import (
    Change,
    File,
    FileVersion,
    Folder,
    Share,
    ShareEvent,
    SweptDay,
    Upload,
    User,
    WrongPasswords,
)
from tests.support.client import sha256

TABLES: list[type[models.Model]] = [
    User,
    File,
    FileVersion,
    Folder,
    Upload,
    Share,
    ShareEvent,
    WrongPasswords,
    SweptDay,
    Change,
]
COMMON: dict[str, Any] = {"size": 1, "content_type": "a/b", "checksum": sha256(b"")}


class Rows:
    """Makes rows that are good but for what the caller changes; a file and its owner are there."""

    def __init__(self) -> None:
        self.user = User.objects.create_user("owner")
        self.saved_file = self.file()
        self.saved_file.save()

    def file(self, **changes: Any) -> File:
        values = {"name": "a", "integrity": "read", "key_current": "k", "version_current": 1}
        return File(**({"user": self.user} | COMMON | values | changes))

    def version(self, **changes: Any) -> FileVersion:
        values: dict[str, Any] = {"file": self.saved_file, "version": 1, "created_by": self.user}
        values |= {"key": uuid.uuid4().hex, "store_version_id": "v", "etag": "e"}
        return FileVersion(**(COMMON | values | {"integrity": "read"} | changes))

    def upload(self, **changes: Any) -> Upload:
        values = {"key": uuid.uuid4().hex, "filename": "a", "commit_by": timezone.now()}
        return Upload(**({"user": self.user} | COMMON | values | changes))

    def folder(self, **changes: Any) -> Folder:
        return Folder(**({"user": self.user, "name": "a"} | changes))

    def change(self, **changes: Any) -> Change:
        values = {"seq": 1, "kind": "file-created", "file_id": self.saved_file.pk}
        return Change(**({"user": self.user} | values | changes))

    def share(self, **changes: Any) -> Share:
        values: dict[str, Any] = {"file": self.saved_file, "created_by": self.user}
        values |= {"token_digest": uuid.uuid4().hex, "permission": "read"}
        return Share(**(values | changes))

    def saved_folder(self, **changes: Any) -> Folder:
        folder = self.folder(**changes)
        folder.save()
        return folder

    def saved_version(self, **changes: Any) -> FileVersion:
        version = self.version(**changes)
        version.save()
        return version

    def saved_share(self) -> Share:
        share = self.share()
        share.save()
        return share


@pytest.fixture
def rows(db: None) -> Rows:
    return Rows()


def owner_with(**changes: Any) -> User:
    return User(username="another", subject="another", **changes)


VIOLATIONS: dict[str, Any] = {
    "users_quota_min": lambda rows: [owner_with(quota_bytes=-1)],
    "users_used_min": lambda rows: [owner_with(bytes_used=-1)],
    "users_reserved_min": lambda rows: [owner_with(bytes_reserved=-1)],
    "users_change_seq_min": lambda rows: [owner_with(change_seq=-1)],
    "changes_number": lambda rows: [rows.change(), rows.change()],
    "changes_seq_min": lambda rows: [rows.change(seq=0)],
    "changes_one_subject": lambda rows: [rows.change(folder_id=uuid.uuid4())],
    "changes_one_maker": lambda rows: [rows.change(by_user=rows.user, by_share_id=uuid.uuid4())],
    "files_purged_not_present": lambda rows: [rows.file(purged_at=timezone.now())],
    "files_trashed_with_not_present": lambda rows: [rows.file(trashed_with=uuid.uuid4())],
    "folders_name": lambda rows: [
        parent := rows.folder(),
        rows.folder(parent=parent),
        rows.folder(parent=parent),
    ],
    "folders_name_at_top": lambda rows: [rows.folder(), rows.folder()],
    "folders_purged_not_present": lambda rows: [rows.folder(purged_at=timezone.now())],
    "folders_trashed_with_not_present": lambda rows: [rows.folder(trashed_with=uuid.uuid4())],
    "files_version_min": lambda rows: [rows.file(version_current=0)],
    "files_size_min": lambda rows: [rows.file(size=-1)],
    "files_integrity": lambda rows: [rows.file(integrity="hoped")],
    "file_versions_number": lambda rows: [rows.version(), rows.version()],
    "file_versions_version_min": lambda rows: [rows.version(version=0)],
    "file_versions_size_min": lambda rows: [rows.version(size=-1)],
    "file_versions_integrity": lambda rows: [rows.version(integrity="")],
    "file_versions_one_maker": lambda rows: [rows.version(created_by=None)],
    "uploads_idempotency": lambda rows: [
        rows.upload(idempotency_key="same"),
        rows.upload(idempotency_key="same"),
    ],
    "uploads_size_min": lambda rows: [rows.upload(size=-1)],
    "uploads_state": lambda rows: [rows.upload(state="committed")],
    "uploads_multipart": lambda rows: [rows.upload(multipart_id="m")],
    "shares_permission": lambda rows: [rows.share(permission="admin")],
    "shares_max_downloads_min": lambda rows: [rows.share(max_downloads=0)],
    "shares_downloads_within": lambda rows: [rows.share(max_downloads=1, download_count=2)],
    "wrong_passwords_one_count": lambda rows: [
        WrongPasswords(subject="sign-in", address="*", since=timezone.now(), count=count)
        for count in (1, 2)
    ],
}
"""A constraint's name, and rows that the last of breaks it."""


def test_every_constraint_of_every_table_is_tried_here() -> None:
    named = {constraint.name for table in TABLES for constraint in table._meta.constraints}
    assert named == VIOLATIONS.keys()


def refused(row: models.Model, name: str = "") -> None:
    """Hold the database to refuse `row`; PostgreSQL names the constraint, SQLite the columns."""
    with pytest.raises(IntegrityError) as error, transaction.atomic():
        row.save(force_insert=True)
    if name and connection.vendor == "postgresql":
        assert name in str(error.value)


@pytest.mark.parametrize("name", VIOLATIONS)
def test_a_row_that_breaks_a_rule_is_refused_by_the_database(rows: Rows, name: str) -> None:
    *good, bad = VIOLATIONS[name](rows)
    for row in good:
        row.save(force_insert=True)
    refused(bad, name)


def test_good_rows_are_taken(rows: Rows) -> None:
    share = rows.saved_share()
    version = rows.saved_version()
    good: list[models.Model] = [
        rows.file(size=0),
        rows.version(version=2, created_by=None, share=share),
        rows.version(version=3, key=version.key),
        rows.file(deleted_at=timezone.now(), purged_at=timezone.now()),
        owner_with(quota_bytes=0, bytes_used=0, bytes_reserved=0),
        rows.upload(state="committed", file_version=version),
        rows.upload(multipart_id="m", part_size=1),
        rows.upload(idempotency_key="same"),
        rows.upload(idempotency_key="same", user=User.objects.create_user("other")),
        rows.upload(),
        rows.share(max_downloads=1, download_count=1),
        folder := rows.folder(),
        rows.folder(parent=folder),
        rows.folder(parent=folder, name="b"),
        rows.folder(parent=folder, deleted_at=timezone.now(), trashed_with=folder.pk),
        rows.folder(deleted_at=timezone.now(), purged_at=timezone.now()),
        rows.folder(user=User.objects.create_user("third")),
        rows.file(folder=folder),
        rows.upload(folder=folder),
    ]
    for row in good:
        row.save(force_insert=True)


def test_the_other_ways_to_break_a_rule_of_two_sides_are_refused_too(rows: Rows) -> None:
    version, share = rows.saved_version(), rows.saved_share()
    refused(rows.version(version=2, share=share), "file_versions_one_maker")
    refused(rows.upload(state="pending", file_version=version), "uploads_state")
    refused(rows.upload(state="aborted", file_version=version), "uploads_state")
    refused(rows.upload(state="lost"), "uploads_state")
    refused(rows.upload(part_size=1), "uploads_multipart")
    refused(rows.upload(multipart_id="m", part_size=0), "uploads_multipart")


def test_what_must_be_unique_is(rows: Rows) -> None:
    version, share = rows.saved_version(), rows.saved_share()
    upload = rows.upload(state="committed", file_version=version)
    upload.save()
    refused(rows.upload(key=upload.key))
    refused(rows.upload(state="committed", file_version=version))
    refused(rows.share(token_digest=share.token_digest))
    refused(User(username="owner", subject="another"))
    refused(User(username="another", subject="owner"))


def test_a_rule_holds_for_updates_as_well(rows: Rows) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        File.objects.update(size=-1)
    with pytest.raises(IntegrityError), transaction.atomic():
        File.objects.update(version_current=0)


def test_a_size_of_more_than_four_gibibytes_is_kept(rows: Rows) -> None:
    rows.upload(size=5 << 40, part_size=1 << 29, multipart_id="m").save()
    assert Upload.objects.get().size == 5 << 40


def test_a_size_that_has_no_64_bits_is_refused(rows: Rows) -> None:
    with pytest.raises((DatabaseError, OverflowError)), transaction.atomic():
        rows.upload(size=1 << 63).save()


def test_nothing_that_something_rests_on_can_be_deleted(rows: Rows) -> None:
    version, share = rows.saved_version(), rows.saved_share()
    rows.upload(state="committed", file_version=version, share=share).save()
    parent, folder = rows.saved_folder(), rows.saved_folder(name="b")
    rows.folder(parent=parent).save()
    rows.file(folder=folder).save()
    ShareEvent.objects.create(share=share, what="committed")
    for row in (rows.user, rows.saved_file, version, share, parent, folder):
        with pytest.raises(ProtectedError):
            row.delete()
    assert User.objects.filter(pk=rows.user.pk).exists()


def delete_users() -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("DELETE FROM users")


@pytest.mark.django_db(transaction=True)
def test_the_database_itself_refuses_to_delete_a_user_with_files() -> None:
    rows = Rows()
    with pytest.raises(IntegrityError):
        delete_users()
    assert File.objects.get().user == rows.user


def test_ids_sort_by_the_time_that_they_were_made(rows: Rows) -> None:
    ids = [rows.upload().pk for _ in range(3)]
    assert len(set(ids)) == 3
    assert all(isinstance(identifier, uuid.UUID) for identifier in ids)
    milliseconds = [identifier.int >> 80 for identifier in ids]
    now = int(timezone.now().timestamp() * 1000)
    assert all(abs(now - at) < timedelta(minutes=1).total_seconds() * 1000 for at in milliseconds)


def test_the_tables_have_the_names_of_the_design() -> None:
    names = {table._meta.db_table for table in TABLES}
    assert names == {
        *("users", "files", "file_versions", "uploads", "shares", "share_events"),
        *("wrong_passwords", "swept_days", "changes", "folders"),
    }


def test_a_users_subject_is_its_name_where_none_is_given(db: None) -> None:
    assert User.objects.create_user("a").subject == "a"
    assert User.objects.create_user("b", subject="idp|7").subject == "idp|7"
