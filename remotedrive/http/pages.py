"""Django's middleware of sessions, forms and messages, for the pages that have any: the drive's and
the admin's.

The API has none of them, and passing through them took a third of the time of a plain answer.
They are classes of their own, not a list that one middleware applies, so that Django's checks of
the admin find them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.messages.middleware import MessageMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.http import HttpRequest, HttpResponseForbidden
from django.middleware.csrf import CsrfViewMiddleware
from django.utils.deprecation import MiddlewareMixin


def _is_page(request: HttpRequest) -> bool:
    path = request.path_info
    return path in settings.PAGE_PATHS or path.startswith(settings.PAGE_PREFIXES)


class _OnPages(MiddlewareMixin):
    """Passes every request that is for no page."""

    def __call__(self, request: HttpRequest) -> Any:
        if _is_page(request):
            return super().__call__(request)
        return self.get_response(request)


class PageSessions(_OnPages, SessionMiddleware):
    pass


class PageCsrf(_OnPages, CsrfViewMiddleware):
    def process_view(
        self, request: HttpRequest, callback: Callable[..., Any], *arguments: Any
    ) -> HttpResponseForbidden | None:
        return super().process_view(request, callback, *arguments) if _is_page(request) else None


class PageAuthentication(_OnPages, AuthenticationMiddleware):
    pass


class PageMessages(_OnPages, MessageMiddleware):
    pass
