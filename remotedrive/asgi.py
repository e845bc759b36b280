"""ASGI entry, for uvicorn: the outermost layer of the service.

`docx/deployment.md` names the arguments that uvicorn is run with. `remotedrive/one_hop.py` is what
it serves. uvicorn itself believes no proxy (`--no-proxy-headers`): here it is said which ones are.
"""

import os
from typing import Any

import django
from django.conf import settings
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from remotedrive.one_hop import OneHop

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "remotedrive.settings")
django.setup(set_prefix=False)


def _application() -> Any:
    one_hop: Any = OneHop(threads=settings.THREADS, body_limit=settings.DATA_UPLOAD_MAX_MEMORY_SIZE)
    if not settings.TRUSTED_PROXIES:
        return one_hop
    return ProxyHeadersMiddleware(one_hop, trusted_hosts=settings.TRUSTED_PROXIES)


application = _application()
