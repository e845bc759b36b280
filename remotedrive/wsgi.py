"""WSGI entry, for `manage.py runserver`; production runs `remotedrive.asgi`."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "remotedrive.settings")
application = get_wsgi_application()
