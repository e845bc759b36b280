"""Keyset pages: a cursor names the row after which a page begins, so rows may come and go.

REST framework's own cursor knows one ordering column and counts ties by offset, which shifts when
rows do; here the order is total, by time and then id.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Protocol
from uuid import UUID

from django.core import signing
from django.db.models import QuerySet
from django.utils.http import urlencode
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from files.api.fields import QueryIntegerField, StrictSerializer, StringField
from files.api.links import absolute
from files.api.rows import Row, Shape
from files.models.queries import keyset_page

PAGE_SIZE = 50
PAGE_SIZE_MAX = 200


@dataclass(frozen=True)
class Cursor:
    """A place between rows: beside the row (`at`, `id`), read onward or backward from there."""

    at: datetime | int | str
    id: UUID
    backward: bool

    def encode(self, listing: str) -> str:
        at: Any = self.at
        if isinstance(self.at, datetime):
            at = self.at.isoformat()
        elif isinstance(self.at, str):
            at = [self.at]  # To be told from a time.
        return signing.dumps([at, self.id.hex, self.backward], salt=listing)

    @classmethod
    def decode(cls, text: str, listing: str) -> Cursor:
        """Return the cursor in `text`; raises BadSignature if it is not of `listing`."""
        at, identifier, backward = signing.loads(text, salt=listing)
        if isinstance(at, list):
            (at,) = at
        elif isinstance(at, str):
            at = datetime.fromisoformat(at)
        return cls(at, UUID(hex=identifier), backward)


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


class Select(Protocol):
    """Reads `columns` of the first `limit` rows that come after `beyond` in this order.

    The order is by one column and the id, and `beyond` the values of both in a row.
    """

    def __call__(
        self,
        *,
        columns: tuple[str, ...],
        ascending: bool,
        limit: int,
        beyond: tuple[Any, UUID] | None,
    ) -> Iterable[Row]: ...


def page(
    request: Request,
    rows: QuerySet[Any] | Select,
    query: dict[str, Any],
    shape: Shape,
    *,
    by: str = "created_at",
    ascending: bool = False,
) -> Response:
    """Answer with one page of `rows`, as `query` orders it, or else newest first or `ascending`.

    `by` is the column that orders, before the id; a time, a number or a name. Only the columns that
    are shown are read, and no model instances made of them.
    """
    listing = request.parser_context["view"].listing
    cursor: Cursor | None = query["cursor"]
    ascending = query.get("ordering") == "created_at" if "ordering" in query else ascending
    backward = cursor is not None and cursor.backward
    select = partial(keyset_page, rows, by) if isinstance(rows, QuerySet) else rows
    found = list(
        select(
            columns=tuple(dict.fromkeys((by, "id", *shape.columns))),
            ascending=ascending != backward,
            limit=query["page_size"] + 1,
            beyond=None if cursor is None else (cursor.at, cursor.id),
        )
    )
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
    results = [shape.show(row) for row in found]
    return Response({"next": onward, "previous": back, "results": results})


def _has_earlier(cursor: Cursor | None, more: bool) -> bool:
    return cursor is not None and (more or not cursor.backward)


def _link(
    request: Request, rows: Sequence[Row], by: str, listing: str, *, backward: bool
) -> str | None:
    for row in rows:
        cursor = Cursor(row[by], row["id"], backward)
        query = request.query_params.dict() | {"cursor": cursor.encode(listing)}
        return f"{absolute(request, request.path)}?{urlencode(query)}"
    return None
