"""The feed of changes: numbered by the user's counter, in the transaction of the change."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest
from django.db import transaction
from django.db.transaction import TransactionManagementError

from files.models import Change, User
from files.models.changes import Entry
from files.services import changes
from files.services.changes import Kind
from tests.support.client import Client
from tests.support.rows import make_file


def numbers(user: User) -> list[int]:
    return list(Change.objects.visible_to(user).order_by("seq").values_list("seq", flat=True))


@pytest.mark.django_db(transaction=True)
def test_a_change_is_recorded_within_a_transaction_only(owner: Client) -> None:
    with pytest.raises(TransactionManagementError):
        changes.record(
            user_id=owner.user.pk, kind=Kind.FILE_CREATED, by=owner.user, file_id=uuid4()
        )
    assert numbers(owner.user) == []


def test_entries_are_numbered_in_their_order_for_each_user(owner: Client, stranger: Client) -> None:
    file_id, folder_id = uuid4(), uuid4()
    with transaction.atomic():
        changes.record(
            user_id=owner.user.pk, kind=Kind.FILE_CREATED, by=owner.user, file_id=file_id, version=1
        )
        changes.record(
            user_id=stranger.user.pk, kind=Kind.FOLDER_MOVED, by=None, folder_id=folder_id
        )
        entries = [
            Entry(Kind.VERSION_ADDED, file_id=file_id, version=2),
            Entry(Kind.FOLDER_TRASHED, folder_id=folder_id),
        ]
        changes.record_many(user_id=owner.user.pk, by=owner.user, entries=entries)
        changes.record_many(user_id=owner.user.pk, by=owner.user, entries=[])
    columns = ("seq", "kind", "file_id", "folder_id", "version", "by_user")
    pk: UUID = owner.user.pk
    assert list(Change.objects.visible_to(owner.user).order_by("seq").values_list(*columns)) == [
        (1, "file-created", file_id, None, 1, pk),
        (2, "version-added", file_id, None, 2, pk),
        (3, "folder-trashed", None, folder_id, None, pk),
    ]
    assert list(Change.objects.visible_to(stranger.user).values_list(*columns)) == [
        (1, "folder-moved", None, folder_id, None, None)
    ]
    owner.user.refresh_from_db()
    assert owner.user.change_seq == 3


@pytest.mark.django_db(transaction=True)
def test_a_number_is_given_back_with_its_transaction(owner: Client) -> None:
    for fails in (True, False):
        with transaction.atomic():
            changes.record(user_id=owner.user.pk, kind=Kind.FILE_TRASHED, by=None, file_id=uuid4())
            transaction.set_rollback(fails)
    assert numbers(owner.user) == [1]


def test_many_entries_cost_as_many_statements_as_one(
    owner: Client, django_assert_max_num_queries: object
) -> None:
    file = make_file(owner.user)
    entries = [Entry(Kind.FILE_RENAMED, file_id=file.pk)] * 1_000
    with transaction.atomic(), django_assert_max_num_queries(2):  # type: ignore[operator]
        changes.record_many(user_id=owner.user.pk, by=owner.user, entries=entries)
    assert numbers(owner.user) == list(range(1, 1_001))
