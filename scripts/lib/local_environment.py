"""Composes the environment of a local run from generated secrets and the caller's variables.

Standard library only. Writes two files of mode 0600 into the data folder: `secrets`, generated at
the first run; and `env`, the settings of the last run, for commands in another terminal.
"""

from __future__ import annotations

import os
import secrets
import tempfile
from collections.abc import Mapping
from pathlib import Path

from scripts.lib.setup import fail

SETTINGS = (
    "SECRET_KEY",
    "DATABASE_URL",
    "JWT_SECRET",
    "JWT_SECRET_OLD",
    "JWT_JWKS_URL",
    "JWT_ISSUER",
    "JWT_AUDIENCE",
    "JWT_CREATE_USERS",
    "JWT_LEEWAY",
    "MINIO_ENDPOINT",
    "MINIO_PUBLIC_ENDPOINT",
    "MINIO_CREDENTIALS",
    "MINIO_ACCESS_KEY",
    "MINIO_SECRET_KEY",
    "MINIO_SESSION_TOKEN",
    "MINIO_UPLOAD_ACCESS_KEY",
    "MINIO_UPLOAD_SECRET_KEY",
    "MINIO_BUCKET",
    "MINIO_ADDRESSING",
    "MINIO_REGION",
)
"""What another terminal needs to use the same database, store and keys."""

PASSWORD = "ALICE_PASSWORD"  # noqa: S105
"""The name of what the user of a local run signs in with; no setting of the service."""
_OF_SERVICE = ("SECRET_KEY", "JWT_SECRET", PASSWORD)
_GENERATED = (*_OF_SERVICE, "MINIO_ACCESS_KEY", "MINIO_SECRET_KEY")


def compose(environ: Mapping[str, str], data: Path, store_port: int) -> dict[str, str]:
    """Return the settings of this run, and write them to `data`.

    `environ` takes precedence. If it has MINIO_ENDPOINT, the store's keys come from it alone.
    """
    given = {name: environ[name] for name in SETTINGS if environ.get(name)}
    for name, value in given.items():
        if value != value.strip() or not value.isprintable():
            fail(f"{name} is invalid: it has a line break, or a blank at its start or end.")
    generated = _generated(data / "secrets")
    if "MINIO_ENDPOINT" in given:
        generated = {name: generated[name] for name in _OF_SERVICE}
    else:
        generated["MINIO_ENDPOINT"] = f"http://127.0.0.1:{store_port}"
    settings = generated | given
    _write(data / "env", settings)
    return settings


def _generated(path: Path) -> dict[str, str]:
    values = {}
    if path.exists():
        lines = path.read_text(encoding="utf-8").splitlines()
        values = dict(line.split("=", 1) for line in lines if "=" in line)
    if not all(values.get(name) for name in _GENERATED):
        new = {name: secrets.token_hex(32) for name in _GENERATED}
        # It is typed, and passed on, by people.
        new[PASSWORD] = secrets.token_urlsafe(12)
        values = {name: values.get(name) or new[name] for name in _GENERATED}
        # Every URL shows the access key; stores allow at most 20 characters.
        values["MINIO_ACCESS_KEY"] = values["MINIO_ACCESS_KEY"][:20]
        _write(path, values)
    return values


def _write(path: Path, values: Mapping[str, str]) -> None:
    """Replace `path` atomically; `mkstemp` makes the file readable by its owner only."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.writelines(f"{name}={value}\n" for name, value in values.items())
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)
