"""Deployment checks: what `manage.py check --deploy` says beside what Django itself says.

Each message has an id, and a hint that says what to do. None holds a secret. Only the last check
asks anybody anything, and that within STORE_TIMEOUT; none of them runs where requests are served.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from itertools import combinations
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Info, Tags, Warning, register
from django.http.request import validate_host

LEAST_LENGTH = 12
LEAST_DIFFERENT = 8
"""Characters of a secret, and different ones among them; random ones have more."""

NO_UPLOAD_KEY = Warning(
    "Uploads are signed with the store's main key.",
    hint="Set MINIO_UPLOAD_ACCESS_KEY and MINIO_UPLOAD_SECRET_KEY to a key that may only write "
    "under uploads/; manage.py bootstrap_store makes it on MinIO. On some stores whoever has a "
    "presigned PUT can copy with it any object that the signing key may read.",
    id="files.W001",
)
NO_PUBLIC_URL = Warning(
    "PUBLIC_URL is not set: links in answers begin as the request's Host says.",
    hint="Set it to the address that people use, like https://drive.example.",
    id="files.W004",
)
NO_HTTPS = Warning(
    "PUBLIC_URL is not https: tokens, passwords and cookies go over the network in clear text.",
    hint="Put a proxy with a certificate in front, and set PUBLIC_URL to its https:// address.",
    id="files.W005",
)
NO_PROXY = Warning(
    "PUBLIC_URL is https, and TRUSTED_PROXIES is not set: the service cannot tell http from https, "
    "so it neither refuses the one nor sends HSTS, and takes the proxy's address for everyone's.",
    hint="Set TRUSTED_PROXIES to the address or network from which the proxy reaches the service, "
    "and let the proxy set X-Forwarded-For and X-Forwarded-Proto.",
    id="files.W006",
)
REDIRECTS = Info(
    "Plain http is redirected to https, unless a proxy in TRUSTED_PROXIES says that it was https.",
    hint="If https is redirected to itself for ever: the proxy must send X-Forwarded-Proto: https, "
    "and TRUSTED_PROXIES must name the address from which it reaches the service.",
    id="files.I001",
)
STORE_OUT_OF_REACH = Warning(
    "The host of MINIO_PUBLIC_ENDPOINT is one that clients of PUBLIC_URL's cannot reach.",
    hint="Set MINIO_PUBLIC_ENDPOINT to the store's address for clients: it stands in every "
    "presigned URL.",
    id="files.W007",
)
STORE_WITHOUT_HTTPS = Warning(
    "MINIO_PUBLIC_ENDPOINT is http while PUBLIC_URL is https: files and presigned URLs go over the "
    "network in clear text, and browsers refuse it on the pages of shares.",
    hint="Put a certificate before the store too, and set MINIO_PUBLIC_ENDPOINT to https://….",
    id="files.W008",
)
SQLITE = Warning(
    "The database is SQLite: one writer at a time, on one host, and a file that must be backed up.",
    hint="Set DATABASE_URL to postgresql://user:password@host:port/name.",
    id="files.W009",
)
ANY_HOST = Warning(
    "ALLOWED_HOSTS allows every name: whoever sends a request chooses what stands in answers.",
    hint="Name the hosts that are served.",
    id="files.W010",
)
HOST_NOT_ALLOWED = Warning(
    "PUBLIC_URL's host is not among ALLOWED_HOSTS: requests to it are answered 400.",
    hint="Add it to ALLOWED_HOSTS.",
    id="files.W011",
)
KEYS_WITHOUT_HTTPS = Warning(
    "JWT_JWKS_URL is http, and not on this machine: whoever is on the way can give keys of their "
    "own, and be anyone.",
    hint="Set it to the issuer's https:// address.",
    id="files.W020",
)
ANY_TOKEN_OF_ISSUER = Warning(
    "JWT_JWKS_URL is set without JWT_ISSUER and JWT_AUDIENCE: a token that the issuer made for any "
    "other application opens the drive, too.",
    hint="Set both, JWT_AUDIENCE to what the issuer writes into `aud` for this service.",
    id="files.W021",
)
SESSION_TOKEN = Warning(
    "MINIO_SESSION_TOKEN is set: these credentials end, and nothing renews them.",
    hint="Let the machine give credentials, and set MINIO_CREDENTIALS=chain; or make a key without "
    "an end.",
    id="files.W022",
)
DOTS_BEFORE_HOST = Warning(
    "MINIO_ADDRESSING=virtual with https and a dot in MINIO_BUCKET: no wildcard certificate covers "
    "such a name, so clients refuse the connection.",
    hint="Use a bucket without a dot, or MINIO_ADDRESSING=path.",
    id="files.W023",
)
PUBLIC_METRICS = Warning(
    "METRICS_TOKEN is not set: whoever reaches the service can read /metrics.",
    hint="Set it to a random secret and give it to Prometheus, and keep /metrics off the public "
    "name.",
    id="files.W050",
)
COUNTED_ALONE = Warning(
    "THROTTLE_* are set and CACHE_URL is not: each process counts its own requests, and all of "
    "them together let as many times more pass.",
    hint="Set CACHE_URL to a Redis that all processes reach, like redis://:password@host:6379/0.",
    id="files.W030",
)
OTHER_ISSUER = Warning(
    "JWT_ISSUER and OIDC_ISSUER differ: the same sub of both is the same user.",
    hint="Let bearer tokens and sign-ins have subjects of one provider, or make sure that no sub "
    "of the one is another person at the other.",
    id="files.W040",
)
STORE_ERRORS = {"bucket": "files.E001", "versioning": "files.E002", "lifecycle": "files.E003"}
"""What `doctor` calls its check, and the id of the error."""


@register(Tags.security, deploy=True)
def upload_key(app_configs: Any, **options: Any) -> list[CheckMessage]:
    """Warn where no narrow key signs uploads."""
    main, narrow = settings.MINIO_ACCESS_KEY, settings.MINIO_UPLOAD_ACCESS_KEY
    return [] if narrow and narrow != main else [NO_UPLOAD_KEY]


@register(Tags.security, deploy=True)
def strong_secrets(app_configs: Any, **options: Any) -> list[CheckMessage]:
    """Warn of secrets that could be guessed, and of one secret that serves for two."""
    secrets = {
        "SECRET_KEY": settings.SECRET_KEY,
        "JWT_SECRET": settings.JWT_SECRET,
        "JWT_SECRET_OLD": settings.JWT_SECRET_OLD,
        "METRICS_TOKEN": settings.METRICS_TOKEN,
        "OIDC_CLIENT_SECRET": settings.OIDC_CLIENT_SECRET,
        "MINIO_SECRET_KEY": settings.MINIO_SECRET_KEY,
        "MINIO_UPLOAD_SECRET_KEY": settings.MINIO_UPLOAD_SECRET_KEY,
        "DATABASE_URL's password": settings.DATABASES["default"].get("PASSWORD"),
        "CACHE_URL's password": (settings.CACHE or {}).get("password"),
    }
    given = {name: secret for name, secret in secrets.items() if secret}
    weak = [
        Warning(
            f"{name} is weak: shorter than {LEAST_LENGTH} characters, or of fewer than "
            f"{LEAST_DIFFERENT} different ones.",
            hint="Make a random one, as by `openssl rand -hex 32`.",
            id="files.W002",
        )
        for name, secret in given.items()
        if len(secret) < LEAST_LENGTH or len(set(secret)) < LEAST_DIFFERENT
    ]
    same = [
        Warning(
            f"{one} and {other} are the same: who has the one has the other.",
            hint="Make a random one for each, as by `openssl rand -hex 32`.",
            id="files.W003",
        )
        for one, other in combinations(given, 2)
        if given[one] == given[other]
    ]
    return [*weak, *same]


@register(Tags.security, deploy=True)
def issuer_keys(app_configs: Any, **options: Any) -> list[CheckMessage]:
    """Warn of an issuer whose keys could be forged, or whose every token is taken."""
    if settings.JWT_JWKS_URL is None:
        return []
    url = urlsplit(settings.JWT_JWKS_URL)
    found: list[CheckMessage] = []
    if url.scheme != "https" and _reach(str(url.hostname)) > 0:
        found.append(KEYS_WITHOUT_HTTPS)
    if not (settings.JWT_ISSUER and settings.JWT_AUDIENCE):
        found.append(ANY_TOKEN_OF_ISSUER)
    return found


@register(Tags.security, deploy=True)
def store_addressing_and_credentials(app_configs: Any, **options: Any) -> list[CheckMessage]:
    """Warn of credentials that end, and of names that no certificate covers."""
    found: list[CheckMessage] = []
    if settings.MINIO_SESSION_TOKEN:
        found.append(SESSION_TOKEN)
    secure = settings.MINIO_PUBLIC_ENDPOINT.startswith("https:")
    if settings.MINIO_ADDRESSING == "virtual" and secure and "." in settings.MINIO_BUCKET:
        found.append(DOTS_BEFORE_HOST)
    return found


@register(Tags.security, deploy=True)
def public_metrics(app_configs: Any, **options: Any) -> list[CheckMessage]:
    """Warn where the metrics are public."""
    return [] if settings.METRICS_TOKEN else [PUBLIC_METRICS]


@register(Tags.security, deploy=True)
def public_addresses(app_configs: Any, **options: Any) -> list[CheckMessage]:
    """Warn of addresses of service and store that cannot be right for clients elsewhere."""
    return list(_public_addresses())


def _public_addresses() -> Iterator[CheckMessage]:
    if "*" in settings.ALLOWED_HOSTS:
        yield ANY_HOST
    if settings.PUBLIC_URL is None:
        yield NO_PUBLIC_URL
        return
    public = urlsplit(settings.PUBLIC_URL)
    store = urlsplit(settings.MINIO_PUBLIC_ENDPOINT)
    if public.scheme != "https":
        yield NO_HTTPS
    else:
        yield REDIRECTS if settings.TRUSTED_PROXIES else NO_PROXY
        if store.scheme != "https":
            yield STORE_WITHOUT_HTTPS
    if _reach(str(store.hostname)) < _reach(str(public.hostname)):
        yield STORE_OUT_OF_REACH
    # Of an IPv6 address, ALLOWED_HOSTS has the brackets.
    host = f"[{public.hostname}]" if ":" in str(public.hostname) else str(public.hostname)
    if not validate_host(host, settings.ALLOWED_HOSTS):
        yield HOST_NOT_ALLOWED


def _reach(host: str) -> int:
    """Return from where `host` can be reached: 0 this machine, 1 its network, 2 perhaps beyond."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        if host == "localhost" or host.endswith(".localhost"):
            return 0
        return 2 if "." in host else 1
    return 0 if address.is_loopback or address.is_unspecified else 2


@register(Tags.security, deploy=True)
def two_issuers(app_configs: Any, **options: Any) -> list[CheckMessage]:
    """Warn of two issuers of subjects."""
    given = {settings.OIDC_ISSUER, settings.JWT_ISSUER} - {None}
    return [OTHER_ISSUER] if settings.OIDC_ISSUER and len(given) > 1 else []


@register(Tags.security, deploy=True)
def database(app_configs: Any, **options: Any) -> list[CheckMessage]:
    """Warn of SQLite."""
    engine = settings.DATABASES["default"]["ENGINE"]
    return [SQLITE] if engine == "django.db.backends.sqlite3" else []


@register(Tags.security, deploy=True)
def throttles(app_configs: Any, **options: Any) -> list[CheckMessage]:
    """Warn of throttles that every process counts for itself."""
    rates = (settings.THROTTLE_INIT, settings.THROTTLE_COMMIT, settings.THROTTLE_SHARE)
    return [COUNTED_ALONE] if any(rates) and settings.CACHE is None else []


@register(Tags.security, deploy=True)
def store(app_configs: Any, **options: Any) -> list[CheckMessage]:
    """Ask the store for what no committed byte may be without, within STORE_TIMEOUT."""
    # `doctor` and all that it needs is for commands only.
    from files.store import transport

    with transport.deadline(settings.STORE_TIMEOUT):
        return list(_ask_store())


def _ask_store() -> Iterator[CheckMessage]:
    from files.store.config import StoreConfig
    from files.store.ops.doctor import CHECKS
    from files.store.ops.examination import CheckFailedError, CheckNotedError, Examination
    from files.store.ops.probe import Probe, reason

    try:
        examination = Examination(Probe(StoreConfig.from_settings()))
        for check in CHECKS:
            if check.name not in STORE_ERRORS:
                continue
            try:
                check.ask(examination)
            except CheckFailedError as failed:
                yield Error(
                    f"The store's {check.name}: {failed}.",
                    hint=failed.meaning or check.meaning,
                    id=STORE_ERRORS[check.name],
                )
                if check.essential:
                    return
            except CheckNotedError as noted:
                yield Warning(
                    f"The store's {check.name}: {noted}.", hint=noted.meaning, id="files.W013"
                )
    except Exception as error:
        # Any error: the SDK lets those of ssl, http.client and XML through.
        yield Warning(
            f"The store does not answer as it should ({reason(error)}); nothing was checked there.",
            hint="Is it running? See MINIO_ENDPOINT, MINIO_ACCESS_KEY, MINIO_SECRET_KEY and "
            "MINIO_REGION; manage.py doctor says more.",
            id="files.W012",
        )
