"""What the operations of the API say of themselves; `files/api/schema` turns it into OpenAPI."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from rest_framework import serializers

from files.api.fields import StrictSerializer
from files.exceptions import DriveError

Method = TypeVar("Method", bound=Callable[..., Any])
Shape = type[serializers.Serializer[Any]]


@dataclass(frozen=True)
class Page:
    """One page of a listing."""

    of: Shape


@dataclass(frozen=True)
class Batch:
    """The results of a batch: for each call this shape, or a problem document."""

    of: Shape


Answer = Shape | Page | Batch | None


@dataclass(frozen=True)
class RequestHeader:
    """A header of a request: `pattern` is what the whole value must match."""

    name: str
    pattern: re.Pattern[str]
    description: str


@dataclass(frozen=True)
class Operation:
    """One method of one path.

    `name` is its operationId, which generated clients use as the name of a function; `answers` has
    the shape of the body for each status of success, None for no body; `problems` are the domain
    errors beside those that any request may be answered with.
    """

    name: str
    answers: Mapping[int, Answer]
    body: type[StrictSerializer] | None
    body_required: bool
    problems: tuple[type[DriveError], ...]
    headers: tuple[RequestHeader, ...]
    tag: str | None


def operation(
    name: str,
    answers: Mapping[int, Answer],
    *,
    body: type[StrictSerializer] | None = None,
    body_required: bool = True,
    problems: tuple[type[DriveError], ...] = (),
    headers: tuple[RequestHeader, ...] = (),
    tag: str | None = None,
) -> Callable[[Method], Method]:
    """Describe the view's method for one operation; its docstring is the rest of the description.

    The first line of the docstring is the summary. `tag` groups operations; the view's own if None.
    """
    described = Operation(name, answers, body, body_required, problems, headers, tag)

    def decorate(method: Method) -> Method:
        method.operation = described  # type: ignore[attr-defined]
        return method

    return decorate
