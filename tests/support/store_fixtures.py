"""A key, a PUT and a bucket in the store of the settings: a pytest plugin."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings

from tests.support.object_store import make_s3


@pytest.fixture
def s3() -> Any:
    return make_s3()


@pytest.fixture
def key() -> str:
    return f"uploads/test/{uuid.uuid4()}"


@pytest.fixture
def put(s3: Any, key: str) -> Any:
    """PUTs bytes under `key` and returns the version id."""

    def put(data: bytes, **options: Any) -> str:
        answer = s3.put_object(Bucket=settings.MINIO_BUCKET, Key=key, Body=data, **options)
        return str(answer["VersionId"])

    return put


@pytest.fixture
def unversioned(s3: Any) -> Iterator[str]:
    """A bucket that keeps no versions."""
    name = f"unversioned-{uuid.uuid4()}"
    s3.create_bucket(Bucket=name)
    yield name
    for found in s3.list_objects_v2(Bucket=name).get("Contents", []):
        s3.delete_object(Bucket=name, Key=found["Key"])
    s3.delete_bucket(Bucket=name)
