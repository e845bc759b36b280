"""What pages of the admin have in common."""

from __future__ import annotations

from typing import Any

from django.db.models import Model
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString


def linked(row: Model | None) -> SafeString | str:
    """Return a link to the admin page of `row`."""
    if row is None:
        return "-"
    url = reverse(f"admin:files_{row._meta.model_name}_change", args=[row.pk])
    return format_html('<a href="{}">{}</a>', url, row)


class Page:
    """Ignores an empty `_to_field` in the query."""

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> Any:
        # Django's own check lets it pass, and then fails to find a field of that name.
        return super().get_object(request, object_id, from_field or None)  # type: ignore[misc]


class ReadOnly:
    """Denies adding, changing and deleting."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
