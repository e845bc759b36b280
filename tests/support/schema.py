"""docx/openapi.yaml, and whether an answer is one that it describes."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from functools import cache
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jsonschema_rs
import yaml

from remotedrive.http import problems
from tests.support.process import ROOT

DOCUMENT_FILE = ROOT / "docx" / "openapi.yaml"
Schema = dict[str, Any]
_OF_EVERY_REQUEST = {"malformed-request", "request-timeout", "headers-too-large", "body-too-large"}
"""What a request may be answered with before it is known which operation it is."""
_BATCHES = {"init_uploads", "commit_uploads"}
"""Operations that take any item, and answer with its problem in its place."""


@cache
def document() -> Schema:
    """Return the checked-in document."""
    loaded: Schema = yaml.load(DOCUMENT_FILE.read_bytes(), Loader=yaml.CSafeLoader)
    return loaded


def find(method: str, path: str) -> tuple[Schema | None, str | None]:
    """Return the path item that `path` is of, and the method of it that answers; None for none."""
    for pattern, item in _paths():
        if pattern.fullmatch(path):
            name = "get" if method == "HEAD" else method.lower()
            return item, name if name in item else None
    return None, None


def check(
    method: str,
    target: str,
    body: Any,
    status: int,
    headers: Mapping[str, str],
    json: Any,
) -> None:
    """Assert that the schema describes this answer, and the request if it succeeded."""
    url = urlsplit(target)
    item, name = find(method, url.path)
    code = json.get("code") if isinstance(json, dict) and status >= 400 else None
    if item is None or status == 500 or code in _OF_EVERY_REQUEST:
        return
    if name is None or (status == 405 and method == "HEAD"):
        assert status >= 400, f"{method} {target} is not described, and answers {status}"
        return
    operation = item[name]
    called = f"{operation['operationId']} ({method} {target})"
    response = _resolved(operation["responses"].get(str(status)))
    if status == 403 and response is None:
        # What came by http where https is required is refused before any operation.
        return
    assert response is not None, f"{called} answers {status} {code}"
    for header in response.get("headers", {}):
        assert header in headers, f"{called}: {status} without {header}"
    if status < 400:
        _check_request(called, operation, url.query, body)
    content = response.get("content", {})
    media_type = headers.get("Content-Type", "").partition(";")[0]
    if not content or method == "HEAD":
        return
    assert media_type in content, f"{called}: {status} with {media_type}"
    if media_type == problems.CONTENT_TYPE:
        assert code in content[media_type]["examples"], f"{called} answers {status} {code}"
    if json is not None:
        check_value(f"{called}: the answer", content[media_type]["schema"], json)


def _check_request(called: str, operation: Schema, query: str, body: Any) -> None:
    """Assert that a request that was accepted is one that the schema allows."""
    described = {each["name"] for each in operation.get("parameters", ()) if each["in"] == "query"}
    given = set(parse_qs(query, keep_blank_values=True))
    # Links that people pass on ignore parameters that others add.
    assert {"shared files", "service"} & set(operation["tags"]) or given <= described, called
    content = operation.get("requestBody", {}).get("content", {}).get("application/json")
    if body is not None and content is not None and operation["operationId"] not in _BATCHES:
        check_value(f"{called}: the request", content["schema"], body)


def check_value(what: str, schema: Schema, value: Any) -> None:
    """Assert that `value` is of `schema`, which may be a reference to a component."""
    name = schema.get("$ref", "").rpartition("/")[2]
    validator = _validator(name) if name else jsonschema_rs.validator_for(schema)
    error = next(validator.iter_errors(value), None)
    assert error is None, f"{what}: {error}"


def _resolved(response: Schema | None) -> Schema | None:
    if response is None or "$ref" not in response:
        return response
    shared: Schema = document()["components"]["responses"][response["$ref"].rpartition("/")[2]]
    return shared


@cache
def _paths() -> list[tuple[re.Pattern[str], Schema]]:
    """Return the pattern of each path, those without parameters first."""
    paths = sorted(document()["paths"].items(), key=lambda path: path[0].count("{"))
    return [(re.compile(re.sub(r"\{\w+\}", "[^/]+", path)), item) for path, item in paths]


@cache
def _validator(name: str) -> Any:
    """Return what checks a component; objects have no members that are not described."""
    schemas = copy.deepcopy(document()["components"]["schemas"])
    for schema in schemas.values():
        if "properties" in schema:
            schema.setdefault("additionalProperties", False)
    root = {"$ref": f"#/components/schemas/{name}", "components": {"schemas": schemas}}
    return jsonschema_rs.validator_for(root, validate_formats=True)
