"""What every viewset does before its action, and the two ways to validate."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from typing import Any, ClassVar, NoReturn

from rest_framework import serializers
from rest_framework.exceptions import ParseError
from rest_framework.request import Request
from rest_framework.viewsets import ViewSet

from files.api.fields import StrictSerializer
from files.exceptions import ThrottledError
from files.models import User


@cache
def checker(serializer: type[StrictSerializer], listing: str | None = None) -> StrictSerializer:
    """Return the one instance of `serializer` that checks requests, for the cursors of `listing`.

    Making one copies all its fields, which takes longer than all that they check. They keep nothing
    of a request, so threads share it.
    """
    return serializer(context={"listing": listing})


def validated(
    serializer: type[StrictSerializer], data: Any, listing: str | None = None
) -> dict[str, Any]:
    """Return what `serializer` makes of `data`; raises ValidationError."""
    return dict(checker(serializer, listing).run_validation(data))


def each_validated(
    serializer: type[StrictSerializer], items: Sequence[Any]
) -> list[dict[str, Any] | serializers.ValidationError]:
    """Return what `serializer` makes of each item, or why it refuses it."""
    checking = checker(serializer)

    def validate(item: Any) -> dict[str, Any] | serializers.ValidationError:
        try:
            return dict(checking.run_validation(item))
        except serializers.ValidationError as error:
            return error

    return [validate(item) for item in items]


def body_of(request: Request) -> Any:
    """Return the JSON object in the body; raises ParseError where there is no body."""
    if request.stream is None:
        raise ParseError("The body must be a JSON object; there is none.")
    return request.data


def invalid(field: str, message: str, code: str = "invalid") -> serializers.ValidationError:
    return serializers.ValidationError({field: serializers.ErrorDetail(message, code)})


class StrictViewSet(ViewSet):
    """A viewset that checks the query string before anything else is done.

    `queries` has a serializer for each action that takes query parameters; the others take none.
    """

    # Without OPTIONS and TRACE, which are not answered, so that Allow does not name them.
    http_method_names = ["get", "head", "post", "patch", "delete"]
    queries: ClassVar[dict[str, type[StrictSerializer]]] = {}
    tag: ClassVar[str]
    """The group of its operations in the schema."""
    ignores_unknown_parameters = False
    request: Request

    def perform_content_negotiation(self, request: Request, force: bool = False) -> Any:
        # What nearly every client sends is not worth parsing; all else is negotiated.
        if request.META.get("HTTP_ACCEPT", "*/*") in ("*/*", self.renderer_classes[0].media_type):
            renderer = self.renderer_classes[0]()
            return renderer, renderer.media_type
        return super().perform_content_negotiation(request, force)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        if self.action is None:
            return  # 405 follows
        parameters = request.query_params
        if not parameters and self.action not in self.queries:
            self.query = {}
            return
        serializer = self.queries.get(self.action, StrictSerializer)
        names = list(parameters)
        if self.ignores_unknown_parameters:
            names = [name for name in names if name in checker(serializer).fields]
        for name in names:
            if len(parameters.getlist(name)) > 1:
                raise invalid(name, "Given more than once.", "repeated")
        given = {name: parameters[name] for name in names}
        self.query = validated(serializer, given, self.listing)

    def throttled(self, request: Request, wait: float | None) -> NoReturn:
        raise ThrottledError(retry_after=math.ceil(wait or 0))

    @property
    def listing(self) -> str:
        """What tells the cursors of one listing from those of another."""
        return f"{self.basename}.{self.action}"

    @property
    def user(self) -> User:
        assert isinstance(self.request.user, User)  # noqa: S101
        return self.request.user
