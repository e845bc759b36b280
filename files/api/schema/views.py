"""`GET /schema`: the API in OpenAPI, and `GET /docs`: a page to read and try it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from files.api.base import StrictViewSet
from remotedrive.http import content_policy


class JSONDocumentRenderer(BaseRenderer):
    """Writes the schema as JSON."""

    media_type = "application/json"
    format = "json"
    charset = None

    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,
        renderer_context: Mapping[str, Any] | None = None,
    ) -> bytes:
        return bytes(data.as_json())


class YAMLDocumentRenderer(BaseRenderer):
    """Writes the schema as YAML (RFC 9512)."""

    media_type = "application/yaml"
    format = "yaml"
    charset = None

    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,
        renderer_context: Mapping[str, Any] | None = None,
    ) -> bytes:
        return bytes(data.as_yaml())


class SchemaViewSet(StrictViewSet):
    """`/schema`."""

    schema = None
    authentication_classes = ()
    permission_classes = ()
    renderer_classes = (JSONDocumentRenderer, YAMLDocumentRenderer)

    def retrieve(self, request: Request) -> Response:
        from files.api.schema import document

        return Response(document, headers={"Vary": "Accept"})


@csrf_exempt
@require_safe
def docs(request: HttpRequest) -> HttpResponse:
    """Show Swagger UI with the schema of this service."""
    policy = (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; "
        f"connect-src 'self' {content_policy.store_source()}; form-action 'none'; "
        "base-uri 'none'; frame-ancestors 'none'"
    )
    page = render_to_string("docs_page.html")
    return HttpResponse(page, headers={"Content-Security-Policy": policy})
