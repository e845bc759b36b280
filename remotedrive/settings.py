"""Every setting, read once, here. Other modules use the environment only to name this one.

`docx/deployment.md` explains each of them; a test holds its table against this file.
"""

from __future__ import annotations

import ipaddress
import os
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import dj_database_url
from django.core.exceptions import ImproperlyConfigured
from psycopg import ProgrammingError
from psycopg.conninfo import make_conninfo

from remotedrive.environment import Environment, is_placeholder, read_env_file
from remotedrive.http.content_policy import add_to_worker

LOG_FORMATTERS = {
    "json": "remotedrive.http.logs.JsonFormatter",
    "text": "remotedrive.http.logs.TextFormatter",
}

BASE_DIR = Path(__file__).resolve().parent.parent
DATA_DIR = Path(os.environ.get("DATA_DIR") or BASE_DIR / "var").resolve()
_env = Environment(os.environ, read_env_file(DATA_DIR / "env"))

KIB, MIB, GIB, TIB = 1 << 10, 1 << 20, 1 << 30, 1 << 40

# Django

DEBUG = _env.boolean("DEBUG", default=False)
SECRET_KEY = _env.secret("SECRET_KEY", at_least=32)
ALLOWED_HOSTS = _env.list("ALLOWED_HOSTS", default="localhost,127.0.0.1,[::1]")
PUBLIC_URL = _env.origin("PUBLIC_URL")
TRUSTED_PROXIES = _env.networks("TRUSTED_PROXIES")
"""Peers whose X-Forwarded-For and X-Forwarded-Proto are believed. X-Forwarded-Host never is."""
HSTS_SECONDS = _env.integer("HSTS_SECONDS", default=3600, at_least=0, at_most=63_072_000)

# HTTPS, where the public address says so

_PUBLIC = urlsplit(PUBLIC_URL or "")
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = _PUBLIC.scheme == "https"
SESSION_COOKIE_SAMESITE = "Strict"
# A link from another site comes with this one; if it did not, the answer would have a new one,
# and every page that is open would hold the old one's token.
CSRF_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_HTTPONLY = True
# Behind a proxy that ends TLS, or that changes Host, forms of the admin come from elsewhere.
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL] if PUBLIC_URL else []
SECURE_HSTS_SECONDS = HSTS_SECONDS if _PUBLIC.scheme == "https" else 0
# Without a trusted proxy every request looks like http, and would be redirected for ever.
SECURE_SSL_REDIRECT = _PUBLIC.scheme == "https" and bool(TRUSTED_PROXIES)
SECURE_SSL_HOST = _PUBLIC.netloc
SECURE_REDIRECT_EXEMPT = [r"^(healthz|readyz)$"]
SILENCED_SYSTEM_CHECKS = [
    # The check looks for Django's name; `PageCsrf` is a subclass.
    "security.W003",
    # Whether all subdomains have TLS, for the years of a preload list, their owner has to say.
    "security.W005",
    "security.W021",
    # `files.W006` says what to set.
    "security.W008",
]

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "corsheaders",
    "drf_spectacular_sidecar",
    "files",
]
SECRET_HEADERS = ["Authorization", "X-Share-Password"]
SECRET_PATHS = ["/s/"]
"""Prefixes of paths after which a secret stands; the log stars it out."""
WEB = _env.boolean("WEB", default=True)
"""Whether the drive can be opened in a browser."""
PAGE_PREFIXES = ("/admin",)
_PATHS = {"/", "/sign-in", "/sign-in/oidc", "/sign-in/oidc/callback", "/sign-out", "/token"}
PAGE_PATHS = frozenset(_PATHS) if WEB else frozenset()
"""The paths, and what the paths begin with, that have sessions and forms."""
MIDDLEWARE = [
    "remotedrive.http.middleware.begin_request",
    "remotedrive.http.middleware.normalize_encoding",
    "remotedrive.http.middleware.problem_for_405",
    "files.api.middleware.share_privacy",
    "files.api.middleware.ProblemForDomainErrors",
    "remotedrive.http.https.refuse_clear_text",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "remotedrive.http.pages.PageSessions",
    "django.middleware.common.CommonMiddleware",
    "remotedrive.http.pages.PageCsrf",
    "remotedrive.http.pages.PageAuthentication",
    "remotedrive.http.pages.PageMessages",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

# Pages of other origins, which have a bearer token and never a cookie

CORS_ALLOWED_ORIGINS = _env.origins("CORS_ORIGINS")
if CORS_ALLOWED_ORIGINS:
    # Outside of all that may answer, so that a page can read every problem.
    MIDDLEWARE.insert(1, "corsheaders.middleware.CorsMiddleware")
CORS_URLS_REGEX = r"^/(?!admin|static/)"
CORS_ALLOW_METHODS = ["GET", "POST", "PATCH", "DELETE"]
CORS_ALLOW_HEADERS = [
    *("authorization", "content-type", "idempotency-key", "x-request-id", "x-share-password"),
]
CORS_EXPOSE_HEADERS = ["Retry-After", "X-Request-ID"]

ROOT_URLCONF = "remotedrive.urls"
WSGI_APPLICATION = "remotedrive.wsgi.application"
ASGI_APPLICATION = "remotedrive.asgi.application"
APPEND_SLASH = False
LOGIN_REDIRECT_URL = "admin:index"
CSRF_FAILURE_VIEW = "files.web.views.csrf_failure"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
AUTH_USER_MODEL = "files.User"
PASSWORD_HASHERS = [
    "files.hashers.BoundedPBKDF2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2SHA1PasswordHasher",
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.BCryptSHA256PasswordHasher",
    "django.contrib.auth.hashers.ScryptPasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_I18N = False
USE_TZ = True
STATIC_URL = "static/"
# The admin's own static files are served from the packages, so that no collectstatic is needed.
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = False
WHITENOISE_ADD_HEADERS_FUNCTION = add_to_worker
# The body limit of every request, in bytes. The service never carries file bytes.
DATA_UPLOAD_MAX_MEMORY_SIZE = 64 * KIB
LARGE_BODIES = {"/files/init-upload/batch": MIB, "/files/commit/batch": MIB}
"""The body limits, in bytes, of paths that take more."""
METRICS_TOKEN = _env.optional_secret("METRICS_TOKEN", at_least=16)
"""The bearer token that opens `/metrics`; None: it is public."""
LOG_FORMAT = _env.matching(
    "LOG_FORMAT", "text" if DEBUG else "json", "|".join(LOG_FORMATTERS), "text or json"
)
LOGGING_CONFIG = "remotedrive.http.log_setup.configure"
# uvicorn passes this on to its workers by pickle.
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"()": LOG_FORMATTERS[LOG_FORMAT]}},
    "filters": {
        "defects": {"()": "remotedrive.http.logs.WithoutUnavailable"},
        "route": {"()": "remotedrive.http.logs.RouteForPath"},
    },
    "handlers": {
        "stderr": {
            "class": "remotedrive.http.log_setup.LineHandler",
            "formatter": "line",
            "filters": ["route"],
        },
        "nowhere": {"class": "logging.NullHandler"},
    },
    "root": {"handlers": ["stderr"], "level": "INFO"},
    "loggers": {
        # `remotedrive.access` has a line for each request; these add tracebacks of defects, and
        # those of `runserver` would repeat it, with the path and its query.
        "django.server": {"handlers": ["nowhere"], "propagate": False},
        "django.request": {"level": "ERROR", "filters": ["defects"]},
        "django": {"handlers": [], "propagate": True},
        "uvicorn": {"handlers": [], "propagate": True, "level": "WARNING"},
        "uvicorn.error": {"level": "WARNING"},
        # uvicorn's lines name the path with its query, whatever `--no-access-log` says. Without
        # any handler uvicorn makes none.
        "uvicorn.access": {"handlers": [], "propagate": False},
        # Anyone can send a wrong Host; the access log has its 400. Without any handler Python
        # would write the traceback to standard error as it is.
        "django.security.DisallowedHost": {"handlers": ["nowhere"], "propagate": False},
    },
}

# Database


def _database() -> dict[str, Any]:
    url = _env.optional("DATABASE_URL")
    if url is None:
        try:
            DATA_DIR.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ImproperlyConfigured(f"DATA_DIR cannot be made: {error.strerror}") from error
        url = f"sqlite:///{quote(str(DATA_DIR / 'db.sqlite3'))}"
    try:
        # Persistent connections belong to the threads of the server's pool, which live as long
        # as the process; a lost one is noticed and replaced by `remotedrive.database.postgresql`.
        config: dict[str, Any] = dict(dj_database_url.parse(url, conn_max_age=None))
    except (ValueError, KeyError) as error:
        raise ImproperlyConfigured("DATABASE_URL is not a database URL") from error
    if is_placeholder(str(config.get("PASSWORD") or "")):
        raise ImproperlyConfigured("DATABASE_URL has a password that is still a placeholder")
    options: dict[str, Any] = config.setdefault("OPTIONS", {})
    if config["ENGINE"] == "django.db.backends.sqlite3":
        options.update(
            transaction_mode="IMMEDIATE",
            timeout=5,
            init_command="PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL",
        )
        if config["NAME"] in ("", ":memory:"):
            raise ImproperlyConfigured("DATABASE_URL names no file")
    elif config["ENGINE"] == "django.db.backends.postgresql":
        if not config["NAME"]:
            raise ImproperlyConfigured("DATABASE_URL names no database")
        try:
            make_conninfo("", **options)
        except ProgrammingError as error:
            raise ImproperlyConfigured("DATABASE_URL has an option that is unknown") from error
        defaults = {
            "connect_timeout": 4,
            "tcp_user_timeout": 8000,
            "keepalives_idle": 5,
            "keepalives_interval": 2,
            "keepalives_count": 2,
            "options": "-c statement_timeout=8000 -c lock_timeout=5000"
            " -c idle_in_transaction_session_timeout=10000",
        }
        config["OPTIONS"] = defaults | options
        config["ENGINE"] = "remotedrive.database.postgresql"
    else:
        raise ImproperlyConfigured("DATABASE_URL must be of sqlite:// or postgresql://")
    return config


DATABASES = {"default": _database()}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# API

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["files.api.authentication.JWTAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_PARSER_CLASSES": ["files.api.parsers.StrictJSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["files.api.renderers.OrjsonRenderer"],
    "DEFAULT_METADATA_CLASS": None,
    "EXCEPTION_HANDLER": "files.api.exception_handler.exception_handler",
    "URL_FORMAT_OVERRIDE": None,
    "UNICODE_JSON": True,
}
SPECTACULAR_SETTINGS = {
    "OAS_VERSION": "3.1.1",
    "TITLE": "Remote Drive",
    "VERSION": "0.1.0",
    "DESCRIPTION": (
        "A drive on an S3-compatible store. File bytes go straight between the client and the "
        "store, over presigned URLs: begin an upload, PUT the bytes, commit.\n\n"
        "Every error is a problem document (RFC 9457), which `GET /problems/{code}` explains. "
        "Beside those that an operation names, a request whose headers do not arrive in time or "
        "are too large gets `request-timeout` (408) or `headers-too-large` (431). Every response "
        "has `X-Request-ID`."
    ),
    "SERVERS": [{"url": "/"}],
    "TAGS": [
        {"name": "uploads", "description": "Begin, commit and abort uploads."},
        {"name": "files", "description": "What is in the drive."},
        {"name": "folders", "description": "The places of files."},
        {"name": "changes", "description": "The feed of what happened in the drive."},
        {"name": "shares", "description": "Grants on a file to whoever holds a token."},
        {"name": "shared files", "description": "With the token of a share; no bearer token."},
        {"name": "me", "description": "The caller."},
        {"name": "service", "description": "The service about itself; public."},
    ],
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "ENUM_NAME_OVERRIDES": {
        "Integrity": "files.models.files.Integrity",
        "Permission": "files.models.shares.Share.Permission",
        "UploadState": "files.models.uploads.Upload.State",
        "ChangeKind": "files.models.changes.Change.Kind",
        "ShareEventKind": "files.models.shares.ShareEvent.What",
    },
    "SORT_OPERATION_PARAMETERS": False,
    "COMPONENT_SPLIT_PATCH": False,
}

# Identity

JWT_JWKS_URL = _env.url("JWT_JWKS_URL")
"""Where the public keys of an outside issuer of tokens are (JWK Set)."""
JWT_SECRET = _env.optional_secret("JWT_SECRET", at_least=32)
if JWT_SECRET is None and JWT_JWKS_URL is None:
    raise ImproperlyConfigured("JWT_SECRET is not set, and neither is JWT_JWKS_URL")
JWT_SECRET_OLD = _env.optional_secret("JWT_SECRET_OLD", at_least=32)
"""The secret before this one, while tokens that it signed are still about."""
if JWT_SECRET_OLD is not None and JWT_SECRET is None:
    raise ImproperlyConfigured("JWT_SECRET_OLD is set without JWT_SECRET, the one after it")
JWT_ISSUER = _env.optional("JWT_ISSUER")
JWT_AUDIENCE = _env.optional("JWT_AUDIENCE")
JWT_CREATE_USERS = _env.boolean("JWT_CREATE_USERS", default=False)
JWT_LEEWAY = _env.integer("JWT_LEEWAY", default=10, at_least=0, at_most=300)
"""Seconds by which the clock of whoever issues tokens may differ from this host's."""
AUTH_CACHE_SECONDS = _env.integer("AUTH_CACHE_SECONDS", default=5, at_least=0, at_most=300)
"""Seconds for which a verified token and its user are remembered; 0: not at all."""

# Sign-in of people, in the drive's page and in the admin

OIDC_ISSUER = _env.issuer("OIDC_ISSUER")
"""The OpenID provider at which people sign in to the drive's page; None: at none."""
OIDC_CLIENT_ID = _env.optional("OIDC_CLIENT_ID")
OIDC_CLIENT_SECRET = _env.optional_secret("OIDC_CLIENT_SECRET")
"""None: a public client, which has nothing but PKCE."""
PASSWORD_SIGN_IN = _env.boolean("PASSWORD_SIGN_IN", default=True)
"""Whether the forms of the page and of the admin take passwords."""
if bool(OIDC_ISSUER) != bool(OIDC_CLIENT_ID) or (OIDC_CLIENT_SECRET and not OIDC_ISSUER):
    raise ImproperlyConfigured(
        "OIDC_ISSUER and OIDC_CLIENT_ID go together: set both or none, and OIDC_CLIENT_SECRET only "
        "with them"
    )
if OIDC_ISSUER and not PUBLIC_URL:
    raise ImproperlyConfigured(
        "OIDC_ISSUER needs PUBLIC_URL: the provider sends people back to that address"
    )
if not PASSWORD_SIGN_IN and not (OIDC_ISSUER and WEB):
    raise ImproperlyConfigured(
        "PASSWORD_SIGN_IN is false, and there is no other way to sign in: set OIDC_ISSUER, and "
        "leave WEB on"
    )
# A session goes on only as long as the backend that began it is among these.
AUTHENTICATION_BACKENDS = [
    *(["files.api.sign_in.ThrottledBackend"] if PASSWORD_SIGN_IN else []),
    *(["files.web.backend.OpenIDBackend"] if OIDC_ISSUER else []),
]

# Store


def _endpoint() -> str:
    endpoint = _env.endpoint("MINIO_ENDPOINT")
    if endpoint is None:
        raise ImproperlyConfigured("MINIO_ENDPOINT is not set")
    return endpoint


def _keys() -> tuple[str | None, str | None, str | None]:
    """Return the service's own access key, secret key and session token; None with a chain."""
    if MINIO_CREDENTIALS == "static":
        token = _env.optional_secret("MINIO_SESSION_TOKEN")
        return _env.required("MINIO_ACCESS_KEY"), _env.secret("MINIO_SECRET_KEY"), token
    for name in ("MINIO_ACCESS_KEY", "MINIO_SECRET_KEY", "MINIO_SESSION_TOKEN"):
        if _env.optional(name) is not None:
            raise ImproperlyConfigured(f"{name} is set, and MINIO_CREDENTIALS=chain uses no key")
    return None, None, None


def _has_name(endpoint: str) -> bool:
    try:
        ipaddress.ip_address(str(urlsplit(endpoint).hostname))
    except ValueError:
        return True
    return False


MINIO_ENDPOINT = _endpoint()
MINIO_PUBLIC_ENDPOINT = _env.endpoint("MINIO_PUBLIC_ENDPOINT") or MINIO_ENDPOINT
MINIO_CREDENTIALS = _env.matching("MINIO_CREDENTIALS", "static", "static|chain", "static or chain")
"""`static`: the keys below. `chain`: those that the machine or the pod is given, as by AWS."""
MINIO_ACCESS_KEY, MINIO_SECRET_KEY, MINIO_SESSION_TOKEN = _keys()
MINIO_UPLOAD_ACCESS_KEY = _env.optional("MINIO_UPLOAD_ACCESS_KEY")
MINIO_UPLOAD_SECRET_KEY = _env.optional_secret("MINIO_UPLOAD_SECRET_KEY")
if bool(MINIO_UPLOAD_ACCESS_KEY) != bool(MINIO_UPLOAD_SECRET_KEY):
    raise ImproperlyConfigured(
        "MINIO_UPLOAD_ACCESS_KEY and MINIO_UPLOAD_SECRET_KEY go together: set both or none"
    )
MINIO_BUCKET = _env.matching(
    "MINIO_BUCKET",
    "remotedrive",
    r"(?!.*(\.\.|\.-|-\.))[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]",
    "a bucket's name: 3 to 63 of a-z, 0-9, '.' and '-'",
)
MINIO_ADDRESSING = _env.matching("MINIO_ADDRESSING", "path", "path|virtual", "path or virtual")
"""Where the bucket's name stands in URLs: in the path, or before the host."""
if MINIO_ADDRESSING == "virtual" and not (
    _has_name(MINIO_ENDPOINT) and _has_name(MINIO_PUBLIC_ENDPOINT)
):
    raise ImproperlyConfigured(
        "MINIO_ADDRESSING=virtual puts the bucket's name before the host, which must be a name: "
        "MINIO_ENDPOINT or MINIO_PUBLIC_ENDPOINT is an IP address"
    )
MINIO_REGION = _env.matching("MINIO_REGION", "us-east-1", r"[\w-]{1,63}", "like us-east-1")
STORE_TIMEOUT = _env.integer("STORE_TIMEOUT", default=8, at_least=1, at_most=9)
"""Seconds that all store calls of one step may take together. A client waits for at most 10 s."""

# Limits

PRESIGN_PUT_TTL = _env.integer("PRESIGN_PUT_TTL", default=900, at_least=1, at_most=604_800)
PRESIGN_GET_TTL = _env.integer("PRESIGN_GET_TTL", default=300, at_least=1, at_most=604_800)
UPLOAD_GRACE = _env.integer("UPLOAD_GRACE", default=86_400, at_least=0, at_most=31_536_000)
MAX_FILE_SIZE = _env.integer("MAX_FILE_SIZE", default=5 * TIB, at_least=1, at_most=5 * TIB)
COMMIT_READ_MAX = _env.integer("COMMIT_READ_MAX", default=64 * MIB, at_least=0, at_most=GIB)
PENDING_UPLOADS_MAX = _env.integer(
    "PENDING_UPLOADS_MAX", default=10_000, at_least=1, at_most=10_000_000
)
"""Uploads of one user that are neither committed, aborted nor expired."""
THROTTLE_INIT = _env.optional_rate("THROTTLE_INIT")
"""How many uploads one user may begin; None: no limit."""
THROTTLE_COMMIT = _env.optional_rate("THROTTLE_COMMIT")
"""How many commits one user may make; None: no limit."""
THROTTLE_SHARE = _env.optional_rate("THROTTLE_SHARE")
"""How many requests under /s/ one address may make; None: no limit."""
CACHE = _env.optional_redis("CACHE_URL")
"""The Redis that counts for the throttles of all processes; None: each process counts its own."""
DEFAULT_QUOTA = _env.optional_size("DEFAULT_QUOTA")
"""Bytes of a user without a quota of its own; None: no limit."""
TRASH_DAYS = _env.integer("TRASH_DAYS", default=30, at_least=0, at_most=36_500)
"""Days after which a file in the trash is purged; 0: never."""
KEEP_VERSIONS = _env.integer("KEEP_VERSIONS", default=0, at_least=0, at_most=1_000_000)
"""How many of a file's newest versions are kept; 0: all."""
GC_DELAY = _env.integer("GC_DELAY", default=86_400, at_least=0, at_most=31_536_000)
"""Seconds between a purge and the deletion from the store."""
CLOCK_SKEW = _env.integer("CLOCK_SKEW", default=900, at_least=0, at_most=86_400)
"""Seconds that are added to every expiry before something is deleted."""
UPLOAD_HISTORY_DAYS = _env.integer("UPLOAD_HISTORY_DAYS", default=30, at_least=1, at_most=36_500)
"""Days for which the rows of ended uploads are kept."""
CHANGES_DAYS = _env.integer("CHANGES_DAYS", default=30, at_least=1, at_most=36_500)
"""Days for which changes are kept in their feed."""
THREADS = _env.integer("THREADS", default=16, at_least=2, at_most=256)
CONNECTIONS_MAX = _env.integer("CONNECTIONS_MAX", default=1000, at_least=16, at_most=100_000)
"""Connections that clients may have open to one worker process."""
