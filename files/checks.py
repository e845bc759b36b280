"""Deployment checks: what `manage.py check --deploy` says beside what Django itself says."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Tags, Warning, register

NO_UPLOAD_KEY = Warning(
    "Uploads are signed with the store's main key.",
    hint="Set MINIO_UPLOAD_ACCESS_KEY and MINIO_UPLOAD_SECRET_KEY to a key that may only write "
    "under uploads/; manage.py bootstrap_store makes it on MinIO. On some stores whoever has a "
    "presigned PUT can copy with it any object that the signing key may read.",
    id="files.W001",
)


@register(Tags.security, deploy=True)
def upload_key(app_configs: Any, **options: Any) -> list[CheckMessage]:
    """Warn where no narrow key signs uploads."""
    return [] if settings.MINIO_UPLOAD_ACCESS_KEY else [NO_UPLOAD_KEY]
