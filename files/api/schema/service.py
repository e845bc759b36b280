"""The operations that the service has about itself, which are no views of REST framework."""

from __future__ import annotations

from typing import Any

from files.api.schema import problems

Schema = dict[str, Any]


def paths() -> Schema:
    """Return the paths of the operations about the service."""
    status = {"type": "object", "properties": {"status": {"enum": ["ok"]}}, "required": ["status"]}
    explained = {
        "type": "object",
        "properties": {
            "type": {"type": "string"},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "code": {"type": "string"},
            "explanation": {"type": "string"},
        },
        "required": ["type", "title", "status", "code", "explanation"],
    }
    code = {"in": "path", "name": "code", "required": True, "schema": {"type": "string"}}
    page = {"text/html": {"schema": {"type": "string"}}}
    return {
        "/healthz": _get(
            "get_health", "Say that the process answers", _json("It answers.", status), ()
        ),
        "/readyz": _get(
            "get_readiness",
            "Say whether the database and the bucket can be used",
            _json("They can be used.", status),
            ("store-unavailable", "unavailable"),
        ),
        "/problems/{code}": _get(
            "explain_problem",
            "Explain a problem code",
            _json("What the code means.", explained, page),
            ("not-found",),
            has_page=True,
            parameters=[code],
        ),
        "/schema": _get(
            "get_schema",
            "Show this document",
            _json(
                "The document.",
                {"type": "object"},
                {"application/yaml": {"schema": {"type": "string"}}},
            ),
            ("invalid", "malformed-request", "not-acceptable", "unavailable"),
        ),
    }


def _json(description: str, schema: Schema, others: Schema | None = None) -> Schema:
    content = {"application/json": {"schema": schema}} | (others or {})
    return {"description": description, "content": content}


def _get(
    name: str,
    summary: str,
    answer: Schema,
    codes: tuple[str, ...],
    *,
    has_page: bool = False,
    parameters: list[Schema] | None = None,
) -> Schema:
    operation: Schema = {"operationId": name, "summary": summary, "tags": ["service"]}
    if parameters:
        operation["parameters"] = parameters
    operation["responses"] = {"200": answer} | {
        str(status): problems.response(status, found, has_page=has_page)
        for status, found in problems.of_status(codes).items()
    }
    return {"get": operation}
