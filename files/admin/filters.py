"""Filters of the admin's lists: what is live, what waits to be collected."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest

from files.services import quotas, usage


class StageFilter(admin.SimpleListFilter):
    """Filters rows by how far they are from being live to being collected."""

    title = "stage"
    parameter_name = "stage"
    stages: ClassVar[dict[str, Q]]
    """The condition of each."""

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(stage, stage) for stage in self.stages]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        stage = self.value()
        if stage is None:
            return queryset
        return queryset.filter(self.stages[stage]) if stage in self.stages else queryset.none()


class FileStageFilter(StageFilter):
    stages = {
        "present": Q(deleted_at=None),
        "in the trash": Q(deleted_at__isnull=False, purged_at=None),
        "purged": Q(purged_at__isnull=False),
    }


class VersionStageFilter(StageFilter):
    stages = {
        "live": Q(purged_at=None, file__purged_at=None),
        "waiting to be collected": quotas.WAITING_VERSIONS,
        "collected": Q(collected_at__isnull=False),
    }


class UploadStageFilter(StageFilter):
    stages = {
        "waiting to be collected": usage.WAITING_UPLOADS,
        "collected": Q(collected_at__isnull=False),
    }
