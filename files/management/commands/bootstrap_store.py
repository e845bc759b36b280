"""`manage.py bootstrap_store`: makes the store of the settings ready, and says what it did."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from files.store.config import StoreConfig
from files.store.ops.bootstrap import StoreSetup, StoreSetupError


class Command(BaseCommand):
    help = (
        "Make the bucket if it is missing, turn versioning on, set CORS where the store can, and on"
        " MinIO make the user of MINIO_UPLOAD_ACCESS_KEY. Running it again changes nothing."
    )
    requires_system_checks = ()

    def handle(self, *_args: Any, **_options: Any) -> None:
        try:
            for line in StoreSetup(StoreConfig.from_settings()).run():
                self.stdout.write(line)
        except StoreSetupError as error:
            raise CommandError(str(error)) from None
