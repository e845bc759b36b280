"""The admin as a browser sees it, and one row of each of its tables."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from django.contrib.auth.hashers import make_password
from django.db.models import Model
from django.test import Client as Browser
from django.urls import reverse
from django.utils import timezone

from files.models import File, FileVersion, Share, ShareEvent, Upload, User
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
        self.file = File.objects.create(
            user=self.person,
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

    def __iter__(self) -> Any:
        return iter([self.person, self.file, self.version, self.upload, self.share, self.event])

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
