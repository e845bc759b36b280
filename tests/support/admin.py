"""The admin as a browser sees it, and one row of each of its tables."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import Any

import pytest
from django.contrib.auth.hashers import make_password
from django.db.models import Model
from django.test import Client as Browser
from django.urls import reverse
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

DIGEST = "d1" * 32
NAME = '<i>"name" & more</i>.txt'


@dataclass
class Rows:
    """One row of each table, linked with one another, and the secrets among them."""

    person: User = field(default_factory=lambda: User.objects.create_user("person", password="pw"))

    def __post_init__(self) -> None:
        common: dict[str, Any] = {
            "size": 1,
            "content_type": "text/plain",
            "checksum": sha256(b"1"),
        }
        self.folder = Folder.objects.create(user=self.person, name=NAME)
        self.file = File.objects.create(
            user=self.person,
            folder=self.folder,
            name=NAME,
            integrity="read",
            key_current="uploads/a",
            version_current=1,
            **common,
        )
        self.share = Share.objects.create(
            file=self.file,
            created_by=self.person,
            token_digest=DIGEST,
            permission="write",
            password=make_password("share password"),
        )
        self.version = FileVersion.objects.create(
            file=self.file,
            version=1,
            key="uploads/a",
            store_version_id="v",
            etag="e",
            integrity="read",
            share=self.share,
            **common,
        )
        self.upload = Upload.objects.create(
            user=self.person,
            share=self.share,
            key="uploads/a",
            filename=NAME,
            file=self.file,
            state="committed",
            file_version=self.version,
            commit_by=timezone.now(),
            **common,
        )
        self.event = ShareEvent.objects.create(share=self.share, what="committed", version=1)
        self.wrong = WrongPasswords.objects.create(
            subject="sign-in", address="*", since=timezone.now(), count=1
        )
        self.day = SweptDay.objects.create(day=date(2026, 1, 31), swept_at=timezone.now())
        User.objects.filter(pk=self.person.pk).update(change_seq=1)
        self.change = Change.objects.create(
            user=self.person,
            seq=1,
            kind="version-added",
            file_id=self.file.pk,
            version=1,
            by_share_id=self.share.pk,
        )

    def __iter__(self) -> Any:
        return iter(
            [
                *(self.person, self.file, self.version, self.upload, self.share, self.event),
                *(self.wrong, self.day, self.change, self.folder),
            ]
        )

    @property
    def secrets(self) -> list[str]:
        assert self.share.password is not None
        return [
            DIGEST,
            self.share.password,
            self.person.password,
            self.share.password.split("$")[-1],
            self.person.password.split("$")[-1],
        ]


@pytest.fixture
def rows(db: None) -> Rows:
    return Rows()


@pytest.fixture
def root(db: None) -> Browser:
    browser = Browser(raise_request_exception=False)
    browser.force_login(User.objects.create_superuser("root"))
    return browser


def page(table: type[Model], name: str, *arguments: Any) -> str:
    return reverse(f"admin:files_{table._meta.model_name}_{name}", args=arguments)


def html(browser: Browser, path: str) -> str:
    response = browser.get(path)
    assert response.status_code == 200, path
    return str(response.content.decode())
