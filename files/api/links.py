"""URLs of this service: absolute ones in responses, and the redirect to one without a slash."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponsePermanentRedirect
from django.utils.encoding import iri_to_uri
from django.utils.http import escape_leading_slashes
from django.views.decorators.csrf import csrf_exempt
from rest_framework.request import Request


def absolute(request: Request, path: str) -> str:
    """Return `path` of this service as an absolute URL: of `PUBLIC_URL`, else of the Host."""
    if settings.PUBLIC_URL is not None:
        return f"{settings.PUBLIC_URL}{path}"
    return request.build_absolute_uri(path)


@csrf_exempt
def without_slash(request: HttpRequest, rest: str) -> HttpResponse:
    """Redirect a path with a slash at its end to the one without (308, RFC 9110 §15.4.9)."""
    path = escape_leading_slashes(request.get_full_path_info().partition("?")[0].rstrip("/"))
    query = request.META.get("QUERY_STRING", "")
    return HttpResponsePermanentRedirect(
        iri_to_uri(f"{path}?{query}" if query else path), preserve_request=True
    )
