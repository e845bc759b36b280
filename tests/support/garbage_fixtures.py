"""A bucket that a test can sweep: a pytest plugin."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest
from pytest_django.fixtures import Settings

from files.store import signing
from tests.support.store import make_bucket


@pytest.fixture
def bucket(store: object, settings: Settings) -> Iterator[str]:
    """A bucket of the test's own: a sweep deletes all that no row of its database pins."""
    settings.MINIO_BUCKET = f"collect-{uuid.uuid4()}"
    settings.MINIO_UPLOAD_ACCESS_KEY = settings.MINIO_UPLOAD_SECRET_KEY = None
    make_bucket()
    _sign_anew()
    yield settings.MINIO_BUCKET
    _sign_anew()


def _sign_anew() -> None:
    signing._uploads.cache_clear()
    signing._downloads.cache_clear()
