"""The Content-Security-Policy of each page: this service's own files, the store, nothing else.

Browsers hold the redirect of a form against `form-action` too. Icons are empty data URLs, so that
no browser asks for `/favicon.ico`. Scripts make no HTML from strings (Trusted Types); the one
policy that they may make names the worker that hashes.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from django.conf import settings

_WORKER = "common/hashing-worker.js"
_WORKER_POLICY = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; require-trusted-types-for 'script'"
)
"""A worker has the policy that comes with its script: WebAssembly is for that one alone."""


def of_share_page() -> str:
    """Return the policy of a share's page, whose form is redirected to the store."""
    return _policy("img-src data:", form_action=f"'self' {store_source()}")


def of_drive() -> str:
    """Return the policy of the drive, which also shows and saves files of the store."""
    shown = (
        f"img-src data: {store_source()}; media-src {store_source()}; frame-src {store_source()}"
    )
    return _policy(shown, form_action="'self'")


def of_sign_in() -> str:
    """Return the policy of the sign-in page, which has no script."""
    return _without_scripts(form_action="'self'")


def of_text() -> str:
    """Return the policy of a page that has nothing but text."""
    return _without_scripts(form_action="'none'")


def add_to_worker(headers: dict[str, str], path: str, url: str) -> None:
    """Add the policy of the worker that hashes to its static file (whitenoise)."""
    if url == f"{settings.STATIC_URL}files/{_WORKER}":
        headers["Content-Security-Policy"] = _WORKER_POLICY


def _policy(shown: str, *, form_action: str) -> str:
    return (
        f"default-src 'none'; style-src 'self'; script-src 'self'; worker-src 'self'; {shown}; "
        f"connect-src 'self' {store_source()}; form-action {form_action}; base-uri 'none'; "
        "frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types hashing"
    )


def _without_scripts(*, form_action: str) -> str:
    return (
        f"default-src 'none'; style-src 'self'; img-src data:; form-action {form_action}; "
        "base-uri 'none'; frame-ancestors 'none'"
    )


def store_source() -> str:
    """Return the store as a source: the host of its bucket, and the path below which it is.

    Browsers take a source that ends in a slash for all paths below it (CSP3 §6.7.2.11).
    """
    endpoint = urlsplit(settings.MINIO_PUBLIC_ENDPOINT)
    before = f"{settings.MINIO_BUCKET}." if settings.MINIO_ADDRESSING == "virtual" else ""
    below = f"{endpoint.path}/" if endpoint.path else ""
    return f"{endpoint.scheme}://{before}{endpoint.netloc}{below}"
