"""`manage.py openapi > docx/openapi.yaml`."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand


class Command(BaseCommand):
    help = "Print the API in OpenAPI 3.1, as YAML."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        from files.api.schema import document

        self.stdout.write(document.as_yaml().decode(), ending="")
