"""What every viewset does before its action, and the two ways to validate."""

from __future__ import annotations

from typing import Any, ClassVar

from rest_framework import serializers
from rest_framework.exceptions import ParseError
from rest_framework.request import Request
from rest_framework.viewsets import ViewSet

from files.api.fields import StrictSerializer
from files.models import User


def validated(serializer: type[StrictSerializer], data: Any, **context: Any) -> dict[str, Any]:
    """Return what `serializer` makes of `data` in this `context`; raises ValidationError."""
    checked = serializer(data=data, context=context)
    checked.is_valid(raise_exception=True)
    return dict(checked.validated_data)


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
    ignores_unknown_parameters = False
    request: Request

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        if self.action is None:
            return  # 405 follows
        serializer = self.queries.get(self.action, StrictSerializer)
        parameters = request.query_params
        names = list(parameters)
        if self.ignores_unknown_parameters:
            names = [name for name in names if name in serializer().fields]
        for name in names:
            if len(parameters.getlist(name)) > 1:
                raise invalid(name, "Given more than once.", "repeated")
        given = {name: parameters[name] for name in names}
        self.query = validated(serializer, given, listing=self.listing)

    @property
    def listing(self) -> str:
        """What tells the cursors of one listing from those of another."""
        return f"{self.basename}.{self.action}"

    @property
    def user(self) -> User:
        assert isinstance(self.request.user, User)  # noqa: S101
        return self.request.user
