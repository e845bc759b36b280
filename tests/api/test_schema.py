"""The API in OpenAPI: `/schema`, and docx/openapi.yaml, which is the same."""

from __future__ import annotations

import difflib
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from django.conf import settings
from drf_spectacular.drainage import GENERATOR_STATS
from openapi_spec_validator import validate

from files.api.schema import document as made
from tests.support import schema
from tests.support.client import Client, assert_invalid, assert_problem
from tests.support.process import ROOT
from tests.support.routes import routes
from tests.support.schema import DOCUMENT_FILE

COMMAND = ".venv/bin/python manage.py openapi --settings=tests.settings > docx/openapi.yaml"
NOT_DESCRIBED = {"docs", "metrics", "admin", "", "sign-in", "sign-out", "token"}
"""The first segments of the paths that have pages for people only."""


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield path, method, operation


@pytest.mark.once
def test_the_document_that_is_checked_in_is_the_one_that_the_code_makes() -> None:
    written, now = DOCUMENT_FILE.read_text(), made.as_yaml().decode()
    difference = difflib.unified_diff(
        written.splitlines(), now.splitlines(), "docx/openapi.yaml", "the code", lineterm=""
    )
    assert written == now, "\n".join([*difference, f"Write it again with: {COMMAND}"])


@pytest.mark.once
def test_the_document_is_valid_and_was_made_without_a_warning() -> None:
    document = made.document()
    validate(document)
    assert not GENERATOR_STATS._warn_cache
    assert not GENERATOR_STATS._error_cache
    assert document["openapi"].startswith("3.1.")


@pytest.mark.once
def test_every_route_is_described() -> None:
    found = {
        re.sub(r"<\w+:(\w+)>", r"{\1}", route).replace("{pk}", "{id}")
        for route in routes()
        # A pattern that begins with ^ only redirects.
        if "/^" not in route and route.split("/")[1] not in NOT_DESCRIBED
    }
    assert set(made.document()["paths"]) == found


@pytest.mark.once
def test_every_operation_has_a_name_of_its_own_a_summary_and_a_tag() -> None:
    found = [operation for _, _, operation in operations(made.document())]
    names = [operation["operationId"] for operation in found]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*", name) for name in names)
    tags = {tag["name"] for tag in made.document()["tags"]}
    for operation in found:
        assert operation["summary"]
        assert not operation["summary"].endswith(".")
        assert set(operation["tags"]) <= tags


@pytest.mark.once
def test_every_json_body_has_an_example_that_its_schema_allows() -> None:
    seen = 0
    for path, method, operation in operations(schema.document()):
        bodies = [operation.get("requestBody"), *operation["responses"].values()]
        for body in bodies:
            content = (body or {}).get("content", {}).get("application/json")
            if content is not None:
                seen += 1
                schema.check_value(f"{method} {path}", content["schema"], content["example"])
    assert seen > 40
    for code, example in schema.document()["components"]["examples"].items():
        schema.check_value(code, {"$ref": "#/components/schemas/Problem"}, example["value"])


@pytest.mark.once
def test_a_body_has_no_other_members_than_those_described() -> None:
    schemas = made.document()["components"]["schemas"]
    for _, _, operation in operations(made.document()):
        for content in operation.get("requestBody", {"content": {}})["content"].values():
            name = content["schema"]["$ref"].rpartition("/")[2]
            assert schemas[name]["additionalProperties"] is False, name


@pytest.mark.once
def test_the_version_is_that_of_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert settings.SPECTACULAR_SETTINGS["VERSION"] == project["version"]


@pytest.mark.once
def test_the_service_starts_without_the_maker_of_the_schema() -> None:
    program = "import remotedrive.asgi, sys; print('drf_spectacular' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"


def test_anyone_gets_the_schema_as_json_or_as_yaml(anonymous: Client) -> None:
    plain = anonymous.get("/schema")
    assert (plain.status, plain.headers["Content-Type"]) == (200, "application/json")
    assert plain.json == schema.document()
    written = anonymous.get("/schema", headers={"Accept": "application/yaml"})
    assert written.headers["Content-Type"] == "application/yaml"
    assert written.content == DOCUMENT_FILE.read_bytes()
    assert "Accept" in written.headers["Vary"]
    browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
    assert anonymous.get("/schema", headers={"Accept": browser}).json == schema.document()


def test_the_schema_takes_no_parameters_and_has_no_other_form(anonymous: Client) -> None:
    assert_invalid(anonymous.get("/schema?format=json"), "format")
    answer = anonymous.get("/schema", headers={"Accept": "image/png"})
    assert_problem(answer, 406, "not-acceptable")


def test_the_page_of_the_schema_loads_nothing_from_elsewhere(anonymous: Client) -> None:
    page = anonymous.get("/docs")
    assert page.status == 200
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'; style-src 'self'; script-src 'self';" in policy
    assert "unsafe" not in policy
    loaded = re.findall(r'(?:src|href)="(/[^"]+)"', page.content.decode())
    assert len(loaded) == 4
    for path in loaded:
        assert anonymous.get(path).status == 200, path


@pytest.mark.once
def test_yaml_and_json_are_the_same_document() -> None:
    assert yaml.safe_load(made.as_yaml()) == made.document()
