"""Turns a view method and its `Operation` into an operation of OpenAPI."""

from __future__ import annotations

import inspect
import re
from importlib import import_module
from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import ResolvedComponent, force_instance
from rest_framework import serializers

from files.api.authentication import JWTAuthentication
from files.api.base import StrictViewSet
from files.api.operations import Batch, Operation, Page
from files.api.schema import problems

# They are registered by being there.
for _name in ("fields", "serializers"):
    import_module(f"files.api.schema.{_name}")

Schema = dict[str, Any]
_UUID = r"^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$"
_CONVERTERS: dict[str, Schema] = {
    "uuid": {"type": "string", "format": "uuid", "pattern": _UUID},
    "int": {"type": "integer", "format": "int64", "minimum": 0},
    "str": {"type": "string", "minLength": 1},
}
"""What the converters of paths take."""
_IN_PATHS = {
    "id": "The id of the {}.",
    "number": "The number of the version.",
    "token": "The token of the share.",
}
_LOCATION = {
    "Location": {
        "description": "The presigned URL.",
        "schema": {"type": "string", "format": "uri"},
        "required": True,
    }
}
_EMPTY: dict[int, Schema] = {
    204: {"description": "Done."},
    302: {"description": "Go to the presigned URL.", "headers": _LOCATION},
    303: {"description": "Go to the presigned URL, with GET.", "headers": _LOCATION},
}


class BearerExtension(OpenApiAuthenticationExtension):
    target_class = JWTAuthentication
    name = "bearer"

    def get_security_definition(self, auto_schema: Any) -> Schema:
        return {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}


class OperationSchema(AutoSchema):
    """Describes the operations of StrictViewSets."""

    view: StrictViewSet  # type: ignore[override]

    @property
    def described(self) -> Operation:
        method = getattr(self.view, self.view.action)
        assert hasattr(method, "operation"), f"{method} lacks @operation"  # noqa: S101
        described: Operation = method.operation
        return described

    def get_operation_id(self) -> str:
        return self.described.name

    def get_summary(self) -> str:
        return self._docstring()[0].removesuffix(".")

    def get_description(self) -> str:  # type: ignore[override]
        return self._docstring()[1]

    def get_tags(self) -> list[str]:
        return [self.described.tag or self.view.tag]

    def _docstring(self) -> tuple[str, str]:
        """Return the first line, and what comes after it; a paragraph is one line."""
        text = inspect.getdoc(getattr(self.view, self.view.action)) or ""
        first, _, rest = text.partition("\n")
        return first, re.sub(r"(?<=\S)\n(?=\S)", " ", rest.strip())

    def _get_parameters(self) -> list[Schema]:
        parameters = [
            {"in": "path", "name": name, "required": True, "schema": _CONVERTERS[converter]}
            for converter, name in re.findall(r"<(\w+):(\w+)>", self.path_regex)
        ]
        for parameter in parameters:
            if parameter["name"] == "pk":
                parameter["name"] = "id"
            description = _IN_PATHS[parameter["name"]]
            parameter["description"] = description.format(self.view.tag.removesuffix("s"))
        for header in self.described.headers:
            schema = {"type": "string", "pattern": f"^{header.pattern.pattern}$"}
            shown = {"name": header.name, "description": header.description, "schema": schema}
            parameters.append({"in": "header", **shown})
        query = self.view.queries.get(self.view.action)
        for name, field in query().fields.items() if query else ():
            schema = self._map_serializer_field(field, "request")
            self._insert_field_validators(field, schema)
            parameter = {"in": "query", "name": name, "schema": schema}
            if "description" in schema:
                parameter["description"] = schema.pop("description")
            if field.required:
                parameter["required"] = True
            parameters.append(parameter)
        return parameters

    def _get_request_body(self, direction: str = "request") -> Schema | None:
        body = self.described.body
        if body is None:
            return None
        ref = self.resolve_serializer(body, "request").ref
        content = {media_type: {"schema": ref} for media_type in self.map_parsers()}
        return {"content": content, "required": self.described.body_required}

    def _get_response_bodies(self, direction: str = "response") -> Schema:
        described = self.described
        responses: Schema = {}
        for status, answer in described.answers.items():
            if answer is None:
                responses[str(status)] = dict(_EMPTY[status])
                continue
            description, schema = self._answer(answer)
            content = {"application/json": {"schema": schema}}
            if self._has_page and self.method == "GET" and 302 not in described.answers:
                content["text/html"] = {"schema": {"type": "string"}}
            responses[str(status)] = {"description": description, "content": content}
        for status, codes in problems.of_status(self._codes()).items():
            shown = problems.response(status, codes, has_page=self._has_page)
            responses[str(status)] = shown
        return responses

    @property
    def _has_page(self) -> bool:
        return getattr(self.view, "has_page", False)

    def _codes(self) -> list[str]:
        """Return the problem codes that this operation may be answered with."""
        codes = ["invalid", "malformed-request", "not-acceptable", "unavailable"]
        if self.view.get_authenticators():
            codes += ["not-authenticated", "token-expired", "token-invalid"]
        if self.method in ("POST", "PATCH"):
            codes += ["body-too-large", "unsupported-media-type"]
        return codes + [error.code for error in self.described.problems]

    def _answer(self, answer: Any) -> tuple[str, Schema]:
        """Return a description, and the schema."""
        if isinstance(answer, Page):
            link = {"type": ["string", "null"], "format": "uri"}
            one = self.resolve_serializer(answer.of, "response")
            results = {"type": "array", "items": one.ref}
            members = {"next": link, "previous": link, "results": results}
            return "One page of the listing.", self._object(f"{one.name}Page", members, answer)
        if isinstance(answer, Batch):
            one = self.resolve_serializer(answer.of, "response")
            problem = self.resolve_serializer(problems.ProblemSerializer, "response")
            results = {"type": "array", "items": {"anyOf": [one.ref, problem.ref]}}
            shown = self._object(f"{one.name}Batch", {"results": results}, answer)
            return "The result of each call, in their order.", shown
        self.resolve_serializer(problems.ProblemSerializer, "response")
        component = self.resolve_serializer(answer, "response")
        return component.schema["description"], component.ref

    def _object(self, name: str, members: Schema, identity: Any) -> Schema:
        shown = {"type": "object", "properties": members, "required": list(members)}
        component = ResolvedComponent(
            name=name, type=ResolvedComponent.SCHEMA, schema=shown, object=type(identity)
        )
        self.registry.register_on_missing(component)
        ref: Schema = component.ref
        return ref

    def _map_serializer_field(
        self, field: Any, direction: str, bypass_extensions: bool = False
    ) -> Any:
        if isinstance(field, serializers.IntegerField):
            meta = self._get_serializer_field_meta(field, direction)
            nullable = meta.pop("nullable", False)
            kind = ["integer", "null"] if nullable else "integer"
            return {"type": kind, "format": "int64"} | meta
        return super()._map_serializer_field(field, direction, bypass_extensions)

    def _insert_field_validators(self, field: Any, schema: Any) -> None:
        # The limits of a model's integers are those of the database in use.
        if not isinstance(field, serializers.IntegerField):
            super()._insert_field_validators(field, schema)

    def _map_basic_serializer(self, serializer: Any, direction: str) -> Schema:
        schema: Schema = super()._map_basic_serializer(serializer, direction)
        if direction == "response":
            schema["required"] = [
                name
                for name, field in force_instance(serializer).fields.items()
                if not self._is_optional(serializer, name, field)
            ]
        return schema

    def _is_optional(self, serializer: Any, name: str, field: Any) -> bool:
        """Return whether a response may lack a member: one that is declared as not required.

        Those that a ModelSerializer makes are in every response.
        """
        if name not in force_instance(serializer)._declared_fields or field.read_only:
            return False
        return not field.required and field.default is serializers.empty

    def _get_serializer_field_meta(self, field: Any, direction: str) -> Schema:
        meta: Schema = super()._get_serializer_field_meta(field, direction)
        # Requests and responses share no component.
        meta.pop("readOnly", None)
        return meta
