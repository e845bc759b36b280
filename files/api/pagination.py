"""Keyset pages: a cursor names the row after which a page begins, so rows may come and go.

REST framework's own cursor knows one ordering column and counts ties by offset, which shifts when
rows do; here the order is total, by time and then id.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.core import signing
from django.db.models import Model, Q, QuerySet
from django.utils.http import urlencode
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from files.api.fields import QueryIntegerField, StrictSerializer, StringField
from files.api.links import absolute

PAGE_SIZE = 50
PAGE_SIZE_MAX = 200


@dataclass(frozen=True)
class Cursor:
    """A place between rows: beside the row (`at`, `id`), read onward or backward from there."""

    at: datetime | int
    id: UUID
    backward: bool

    def encode(self, listing: str) -> str:
        at = self.at if isinstance(self.at, int) else self.at.isoformat()
        return signing.dumps([at, self.id.hex, self.backward], salt=listing)

    @classmethod
    def decode(cls, text: str, listing: str) -> Cursor:
        """Return the cursor in `text`; raises BadSignature if it is not of `listing`."""
        at, identifier, backward = signing.loads(text, salt=listing)
        time = at if isinstance(at, int) else datetime.fromisoformat(at)
        return cls(time, UUID(hex=identifier), backward)


class CursorField(StringField):
    """A cursor that was handed out for the listing that is asked for."""

    default_error_messages = {"invalid_cursor": "Not a valid cursor."}

    def to_internal_value(self, data: Any) -> Cursor:  # type: ignore[override]
        try:
            return Cursor.decode(super().to_internal_value(data), self.context["listing"])
        except (signing.BadSignature, UnicodeError):
            self.fail("invalid_cursor")


class PageQuery(StrictSerializer):
    """The query parameters of every listing."""

    page_size = QueryIntegerField(min_value=1, max_value=PAGE_SIZE_MAX, default=PAGE_SIZE)
    cursor = CursorField(default=None)


class OrderedPageQuery(PageQuery):
    """The query parameters of a listing that goes either way."""

    ordering = serializers.ChoiceField(["created_at", "-created_at"], default="-created_at")


def page(
    request: Request,
    rows: QuerySet[Any],
    query: dict[str, Any],
    serializer: type[serializers.BaseSerializer[Any]],
    *,
    by: str = "created_at",
) -> Response:
    """Answer with one page of `rows`, newest first or as `query` orders it: one SELECT.

    `by` is the column that orders, before the id; a time or a number.
    """
    listing = request.parser_context["view"].listing
    cursor: Cursor | None = query["cursor"]
    ascending = query.get("ordering") == "created_at"
    backward = cursor is not None and cursor.backward
    found = _select(rows, cursor, by, ascending=ascending != backward, limit=query["page_size"] + 1)
    more = len(found) > query["page_size"]
    found = found[: query["page_size"]]
    if backward:
        found.reverse()
    onward = _link(request, found[-1:], by, listing, backward=False) if more or backward else None
    back = (
        _link(request, found[:1], by, listing, backward=True)
        if _has_earlier(cursor, more)
        else None
    )
    return Response(
        {"next": onward, "previous": back, "results": serializer(found, many=True).data}
    )


def _has_earlier(cursor: Cursor | None, more: bool) -> bool:
    return cursor is not None and (more or not cursor.backward)


def _select(
    rows: QuerySet[Any], cursor: Cursor | None, by: str, *, ascending: bool, limit: int
) -> list[Any]:
    if cursor is not None:
        beyond = "gt" if ascending else "lt"
        rows = rows.filter(
            # The first condition says nothing new, but lets the index find where to begin.
            Q(**{f"{by}__{beyond}e": cursor.at}),
            Q(**{f"{by}__{beyond}": cursor.at}) | Q(**{f"id__{beyond}": cursor.id}),
        )
    sign = "" if ascending else "-"
    return list(rows.order_by(f"{sign}{by}", f"{sign}id")[:limit])


def _link(
    request: Request, rows: Sequence[Model], by: str, listing: str, *, backward: bool
) -> str | None:
    for row in rows:
        cursor = Cursor(getattr(row, by), row.pk, backward)
        query = request.query_params.dict() | {"cursor": cursor.encode(listing)}
        return f"{absolute(request, request.path)}?{urlencode(query)}"
    return None
