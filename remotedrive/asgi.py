"""ASGI entry, for uvicorn: the outermost layer of the service.

It serves `remotedrive/serving/application.py`. uvicorn itself is told to trust no proxy: here
`TRUSTED_PROXIES` says which are trusted.
"""

import os
from typing import Any

import django
from django.conf import settings
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from remotedrive.serving.application import Application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "remotedrive.settings")
django.setup(set_prefix=False)

_PROTO = b"x-forwarded-proto"


def _application() -> Any:
    direct: Any = Application(
        threads=settings.THREADS,
        body_limit=settings.DATA_UPLOAD_MAX_MEMORY_SIZE,
        large_bodies=settings.LARGE_BODIES,
    )
    if not settings.TRUSTED_PROXIES:
        return direct
    return _normalize_proto(ProxyHeadersMiddleware(direct, trusted_hosts=settings.TRUSTED_PROXIES))


def _normalize_proto(application: Any) -> Any:
    """Reduce `X-Forwarded-Proto` to its left-most value in lower case: what the client spoke.

    Proxies in a row write `https,http`, and some `HTTPS`; uvicorn takes neither.
    """

    async def normalized(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            values = [value for name, value in scope["headers"] if name == _PROTO]
            if values:
                first = values[0].partition(b",")[0].strip().lower()
                others = [header for header in scope["headers"] if header[0] != _PROTO]
                scope = {**scope, "headers": [*others, (_PROTO, first)]}
        await application(scope, receive, send)

    return normalized


application = _application()
