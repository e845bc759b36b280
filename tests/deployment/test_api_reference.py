"""docx/api.md against the router, the serializers and the catalogue of problems."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any

import pytest
from django.urls import URLPattern
from rest_framework import serializers

from files.api import (
    change_serializers,
    folder_serializers,
    pagination,
    share_serializers,
    upload_serializers,
    urls,
)
from files.api import serializers as api_serializers
from files.api.share_views import PASSWORD_ERRORS
from files.api.views import COMMIT_ERRORS
from remotedrive.http import problems

PAGE = (Path(__file__).resolve().parents[2] / "docx" / "api.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^### ([A-Z]+ /\S*)\n(.*?)(?=^##|\Z)", PAGE, re.MULTILINE | re.DOTALL))
ROW = re.compile(r"^\| `([a-z-]+)` \| (\d{3}) \| (.+) \|$", re.MULTILINE)
ABOUT = {"/schema"}
"""What the section about the service has."""

pytestmark = pytest.mark.once


def endpoints() -> dict[str, tuple[Any, str]]:
    """Return the view class and action of each `METHOD /path` of the router."""
    found = {}
    for pattern in urls.urlpatterns:
        assert isinstance(pattern, URLPattern)
        actions = getattr(pattern.callback, "actions", None) or {}
        path = re.sub(r"<(?:\w+:)?(?:pk)>", "{id}", f"/{pattern.pattern}")
        path = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", path)
        for method, action in actions.items():
            if method != "head" and path not in ABOUT:
                found[f"{method.upper()} {path}"] = (pattern.callback, action)
    return found


ENDPOINTS = endpoints()
FIELDS = sorted(
    {
        (kind.__name__, name)
        for module in (
            api_serializers,
            change_serializers,
            folder_serializers,
            share_serializers,
            pagination,
        )
        for kind in vars(module).values()
        if isinstance(kind, type) and issubclass(kind, serializers.BaseSerializer)
        for name in getattr(kind, "_declared_fields", {})
        | dict.fromkeys(getattr(getattr(kind, "Meta", None), "fields", ()))
    }
)


def test_every_endpoint_has_a_section_and_every_section_an_endpoint() -> None:
    assert set(SECTIONS) == set(ENDPOINTS)


def test_every_section_is_in_the_table_of_contents() -> None:
    for title in SECTIONS:
        anchor = re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-")
        assert f"](#{anchor})" in PAGE.partition("## In general")[0], title


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_the_query_parameters_of_an_endpoint_are_named(endpoint: str) -> None:
    view, action = ENDPOINTS[endpoint]
    query = view.cls.queries.get(action)
    for name in query().fields if query else ():
        assert f"`{name}`" in SECTIONS[endpoint], name


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_the_members_of_a_body_are_named(endpoint: str) -> None:
    view, action = ENDPOINTS[endpoint]
    source = inspect.getsource(getattr(view.cls, action))
    body = getattr(view.cls, action).operation.body
    # What the operation says is what the view checks.
    assert re.findall(r"validated\((\w+Request)", source) == ([body.__name__] if body else [])
    for name in body().fields if body else ():
        assert f"`{name}`" in SECTIONS[endpoint], name


@pytest.mark.parametrize(("kind", "name"), FIELDS)
def test_every_member_of_a_serializer_is_named(kind: str, name: str) -> None:
    assert re.search(rf"[`\"{{ ]{name}[`\",: }}]", PAGE), kind


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_the_problems_of_an_endpoint_are_named(endpoint: str) -> None:
    view, action = ENDPOINTS[endpoint]
    operation = getattr(view.cls, action).operation
    section = SECTIONS[endpoint]
    said = re.search(r"problems\b.*", section, re.IGNORECASE | re.DOTALL)
    named = set(re.findall(r"`([a-z-]+)`", said[0] if said else "")) & problems.CATALOGUE.keys()
    named -= {"invalid", "unavailable"}
    declared = {error.code for error in operation.problems}
    if endpoint.split()[1].startswith("/s/"):
        declared -= {error.code for error in PASSWORD_ERRORS}
    if "as [commit]" in section and "roblems as" in section:
        declared -= {error.code for error in COMMIT_ERRORS}
    assert named == declared


def test_the_table_of_problems_is_the_catalogue() -> None:
    rows = {code: (int(status), title) for code, status, title in ROW.findall(PAGE)}
    catalogue = {code: (each.status, each.title) for code, each in problems.CATALOGUE.items()}
    assert rows == catalogue


@pytest.mark.parametrize(
    ("name", "serializer"),
    [
        ("file", api_serializers.FileSerializer),
        ("folder", folder_serializers.FolderSerializer),
        ("version", api_serializers.FileVersionSerializer),
        ("upload", upload_serializers.UploadSerializer),
        ("share", share_serializers.ShareSerializer),
    ],
)
def test_the_table_of_objects_has_their_members(name: str, serializer: Any) -> None:
    (row,) = re.findall(rf"^\| {name} \| (.*) \|$", PAGE, re.MULTILINE)
    without_values = re.sub(r"\([^)]*\)", "", row)
    assert set(re.findall(r"`(\w+)`", without_values)) == set(serializer().fields)
