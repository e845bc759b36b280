from __future__ import annotations

from pytest_django.fixtures import Settings

from files import checks


def test_a_deployment_without_an_upload_key_is_warned(settings: Settings) -> None:
    settings.MINIO_UPLOAD_ACCESS_KEY = None
    assert checks.upload_key(None) == [checks.NO_UPLOAD_KEY]
    settings.MINIO_UPLOAD_ACCESS_KEY = "narrow"
    assert checks.upload_key(None) == []
