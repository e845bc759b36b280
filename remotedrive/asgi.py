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


def _application() -> Any:
    direct: Any = Application(
        threads=settings.THREADS, body_limit=settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    )
    if not settings.TRUSTED_PROXIES:
        return direct
    return ProxyHeadersMiddleware(direct, trusted_hosts=settings.TRUSTED_PROXIES)


application = _application()
