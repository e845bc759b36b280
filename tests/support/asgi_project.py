"""A Django project of a few views for the tests of the ASGI application: settings, URLs and entry.

`python -m tests.support.asgi_project PORT` serves it with the options of `python -m remotedrive`;
THREADS, WAITING, ANSWER_SECONDS, BODY_SECONDS, GATE (a folder) and DATABASE (a URL) are environment
variables.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import dj_database_url
from django.db import connection
from django.http import FileResponse, HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.urls import path

SECRET_KEY = "for tests, of no use elsewhere, long enough"
ALLOWED_HOSTS = ["127.0.0.1"]
ROOT_URLCONF = "tests.support.asgi_project"
SECRET_PATHS = ["/s/"]
STATIC_URL = "static/"
METRICS_TOKEN = None
USE_TZ = True
THREADS = int(os.environ.get("THREADS", "2"))
CONNECTIONS_MAX = int(os.environ.get("CONNECTIONS_MAX", "1000"))
BODY_LIMIT = 64 * 1024
TRUSTED_PROXIES: list[str] = []
DATA_UPLOAD_MAX_MEMORY_SIZE = BODY_LIMIT
LARGE_BODIES: dict[str, int] = {}
DATABASES = {
    "default": dict(
        dj_database_url.parse(os.environ.get("DATABASE", "sqlite://"), conn_max_age=None)
    )
}
if os.environ.get("DATABASE", "").startswith("postgres"):
    DATABASES["default"]["ENGINE"] = "remotedrive.database.postgresql"
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {
            "()": "remotedrive.http.logs.TextFormatter",
        }
    },
    "handlers": {
        "stderr": {"class": "remotedrive.http.log_setup.LineHandler", "formatter": "line"}
    },
    "root": {"handlers": ["stderr"], "level": "INFO"},
    "loggers": {
        "uvicorn": {"handlers": [], "propagate": True},
        "uvicorn.access": {"handlers": [], "propagate": False},
        "django.request": {"level": "ERROR"},
    },
}
GATE = Path(os.environ.get("GATE", "."))
MIB = 1 << 20


def application() -> object:
    import django

    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.support.asgi_project"
    django.setup(set_prefix=False)
    from remotedrive.serving.application import Application

    return Application(
        threads=THREADS,
        body_limit=BODY_LIMIT,
        most_waiting=int(os.environ.get("WAITING", "4")),
        answer_seconds=float(os.environ.get("ANSWER_SECONDS", "9.5")),
        body_seconds=float(os.environ.get("BODY_SECONDS", "10")),
    )


def echo(request: HttpRequest) -> HttpResponse:
    """Say what arrived."""
    return JsonResponse(
        {
            "method": request.method,
            "path": request.path,
            "query": request.META["QUERY_STRING"],
            "body": len(request.body),
            "content_length": request.META.get("CONTENT_LENGTH"),
            "transfer_encoding": request.META.get("HTTP_TRANSFER_ENCODING"),
            "scheme": request.scheme,
            "host": request.get_host(),
            "client": request.META["REMOTE_ADDR"],
            "thread": threading.current_thread().name,
        }
    )


def hang(request: HttpRequest, name: str) -> HttpResponse:
    """Write `name` into the gate folder, then hang until the file is gone."""
    file = GATE / name
    file.touch()
    while file.exists():
        time.sleep(0.02)
    (GATE / f"{name}.done").touch()
    return HttpResponse("through")


def cookies(request: HttpRequest) -> HttpResponse:
    response = HttpResponse("two")
    response.set_cookie("one", "1")
    response.set_cookie("two", "2", httponly=True)
    return response


def file(request: HttpRequest) -> FileResponse:
    return FileResponse((GATE / "file.bin").open("rb"))


def stream(request: HttpRequest, mebibytes: int) -> StreamingHttpResponse:
    def parts() -> Iterator[bytes]:
        for _ in range(mebibytes):
            yield b"x" * MIB

    return StreamingHttpResponse(parts())


def broken_stream(request: HttpRequest) -> StreamingHttpResponse:
    def parts() -> Iterator[bytes]:
        yield b"first"
        raise ValueError("broken half way")

    return StreamingHttpResponse(parts())


def fail(request: HttpRequest) -> HttpResponse:
    raise SystemExit(3)


def bad_header(request: HttpRequest) -> HttpResponse:
    response = HttpResponse()
    response.cookies["name"] = "Ā"
    return response


def log(request: HttpRequest) -> HttpResponse:
    import logging

    logging.getLogger("tests").info("from the view")
    return HttpResponse()


def query(request: HttpRequest) -> HttpResponse:
    """Run one statement; a database's own error is the 500 of Django."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 42")
        row = cursor.fetchone()
    return JsonResponse({"answer": row[0], "thread": threading.current_thread().name})


def endless_query(request: HttpRequest) -> HttpResponse:
    """Run a statement on SQLite that does not end."""
    with connection.cursor() as cursor:
        cursor.execute(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"
        )
    return HttpResponse()


urlpatterns = [
    path("echo", echo),
    path("hang/<name>", hang),
    path("cookies", cookies),
    path("file", file),
    path("stream/<int:mebibytes>", stream),
    path("broken-stream", broken_stream),
    path("fail", fail),
    path("bad-header", bad_header),
    path("log", log),
    path("query", query),
    path("endless-query", endless_query),
]
handler400 = "remotedrive.http.views.bad_request"
handler404 = "remotedrive.http.views.not_found"
handler500 = "remotedrive.http.views.server_error"


if __name__ == "__main__":
    import uvicorn

    from remotedrive.__main__ import UVICORN

    uvicorn.run(
        "tests.support.asgi_project:application",
        factory=True,
        port=int(sys.argv[1]),
        **UVICORN,
    )
