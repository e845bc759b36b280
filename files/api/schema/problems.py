"""Problem documents (RFC 9457) in the schema: one shape, an example of each code."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from http import HTTPStatus
from typing import Any

from rest_framework import serializers

from remotedrive.http import problems

Schema = dict[str, Any]
HEADERS: dict[int, tuple[str, str, Schema]] = {
    401: ("WWW-Authenticate", "How to authenticate (RFC 6750).", {"type": "string"}),
    429: ("Retry-After", "Seconds to wait.", {"type": "integer", "minimum": 1}),
    503: ("Retry-After", "Seconds to wait.", {"type": "integer", "minimum": 1}),
}


class FieldErrorSerializer(serializers.Serializer[Any]):
    """What is wrong with a member, a query parameter or a header."""

    field = serializers.CharField(help_text="A dotted path into the body.")
    code = serializers.CharField()
    message = serializers.CharField()


class ProblemSerializer(serializers.Serializer[Any]):
    """A problem document (RFC 9457). Programs look at `code`."""

    type = serializers.CharField(help_text="Where the code is explained.")
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField()
    code = serializers.CharField()
    request_id = serializers.CharField(help_text="As in `X-Request-ID` and in the log.")
    errors = FieldErrorSerializer(  # type: ignore[assignment]
        many=True, required=False, help_text="With `invalid`."
    )
    version_current = serializers.IntegerField(required=False, help_text="`version-conflict`.")
    part_numbers = serializers.ListField(
        child=serializers.IntegerField(), required=False, help_text="With `parts-missing`."
    )
    folder_id = serializers.UUIDField(required=False, help_text="With `name-taken`.")
    quota = serializers.IntegerField(required=False, help_text="With `quota-exceeded`; bytes.")
    used = serializers.IntegerField(required=False, help_text="With `quota-exceeded`; bytes.")
    reserved = serializers.IntegerField(required=False, help_text="With `quota-exceeded`; bytes.")
    needed = serializers.IntegerField(required=False, help_text="With `quota-exceeded`; bytes.")
    not_ready = serializers.DictField(
        child=serializers.CharField(), required=False, help_text="Of `/readyz`: what is wrong."
    )
    retry_after = serializers.IntegerField(
        required=False, help_text="Seconds to wait; in the results of batches."
    )


def of_status(codes: Iterable[str]) -> dict[int, list[str]]:
    """Return the codes by their status, both in order, each once."""
    found: dict[int, list[str]] = {}
    for code in sorted(set(codes)):
        found.setdefault(problems.CATALOGUE[code].status, []).append(code)
    return dict(sorted(found.items()))


def response(status: int, codes: Sequence[str], *, has_page: bool) -> Schema:
    """Return the response with one of these codes; `has_page` where browsers get a page of it."""
    content: Schema = {
        problems.CONTENT_TYPE: {
            "schema": {"$ref": "#/components/schemas/Problem"},
            "examples": {code: {"$ref": f"#/components/examples/{code}"} for code in codes},
        }
    }
    if has_page:
        content["text/html"] = {"schema": {"type": "string"}}
    named = " | ".join(f"`{code}`" for code in codes)
    shown: Schema = {"description": f"{HTTPStatus(status).phrase}: {named}", "content": content}
    # A wrong password of a share is 401, too, and nothing that a challenge could ask for.
    if status in HEADERS and list(codes) != ["share-password"]:
        name, description, schema = HEADERS[status]
        shown["headers"] = {name: {"description": description, "schema": schema}}
    return shown


def examples(codes: Iterable[str]) -> Schema:
    """Return an example of each code, under its name."""
    return {code: _example(code) for code in sorted(set(codes))}


def _example(code: str) -> Schema:
    members: Schema = {"request_id": "5b0a31c2d9f84e67"}
    if code == "invalid":
        message = "This field is required."
        members["errors"] = [{"field": "size", "code": "required", "message": message}]
    problem = problems.CATALOGUE[code]
    return {"summary": problem.title, "value": problems.body(code) | members}
