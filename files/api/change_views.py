"""`/changes`: the feed of what happened in the caller's drive."""

from __future__ import annotations

from typing import ClassVar

from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from files.api import rows
from files.api.base import StrictViewSet
from files.api.change_serializers import (
    ChangesQuery,
    ChangesSerializer,
    LatestChangeSerializer,
)
from files.api.fields import StrictSerializer
from files.api.operations import operation
from files.exceptions import ChangesExpiredError
from files.services import changes


class ChangeViewSet(StrictViewSet):
    """`/changes`: what happened in the caller's drive."""

    tag = "changes"
    queries: ClassVar[dict[str, type[StrictSerializer]]] = {"list": ChangesQuery}

    @operation("list_changes", {200: ChangesSerializer}, problems=(ChangesExpiredError,))
    def list(self, request: Request) -> Response:
        """Read the feed of what happened in the caller's drive, in its order."""
        columns = rows.CHANGE.columns
        found = changes.list_changes(user=self.user, columns=columns, **self.query)
        return Response(rows.changes(found))

    @action(detail=False)
    @operation("get_latest_change", {200: LatestChangeSerializer})
    def latest(self, request: Request) -> Response:
        """Show the cursor after all that has happened so far."""
        return Response({"next": changes.latest(user=self.user)})
