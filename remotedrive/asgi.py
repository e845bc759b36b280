"""ASGI entry, for uvicorn: the outermost layer of the service.

`docx/deployment.md` names the arguments that uvicorn is run with. `remotedrive/one_hop.py` is what
it serves.
"""

import os

import django
from django.conf import settings

from remotedrive.one_hop import OneHop

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "remotedrive.settings")
django.setup(set_prefix=False)
application = OneHop(threads=settings.THREADS, body_limit=settings.DATA_UPLOAD_MAX_MEMORY_SIZE)
