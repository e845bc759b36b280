"""Makes up the environment of a local run: generated secrets, and what the caller has set.

Standard library only. Writes two files into the data folder, both of mode 0600: `secrets`, what was
generated, once; and `env`, what the last run used, for commands in another terminal.
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
    "JWT_ISSUER",
    "JWT_AUDIENCE",
    "JWT_CREATE_USERS",
    "JWT_LEEWAY",
    "MINIO_ENDPOINT",
    "MINIO_PUBLIC_ENDPOINT",
    "MINIO_ACCESS_KEY",
    "MINIO_SECRET_KEY",
    "MINIO_UPLOAD_ACCESS_KEY",
    "MINIO_UPLOAD_SECRET_KEY",
    "MINIO_BUCKET",
    "MINIO_REGION",
)
"""What another terminal must know to speak to the same database and store, with the same keys."""

_GENERATED = ("SECRET_KEY", "JWT_SECRET", "MINIO_ACCESS_KEY", "MINIO_SECRET_KEY")


def compose(environ: Mapping[str, str], data: Path, store_port: int) -> dict[str, str]:
    """Return the settings of this run, and write them to `data`.

    What `environ` sets wins. With MINIO_ENDPOINT there, the store's keys come from it alone.
    """
    given = {name: environ[name] for name in SETTINGS if environ.get(name)}
    for name, value in given.items():
        if value != value.strip() or not value.isprintable():
            fail(f"{name} may not contain line breaks or begin or end with a blank.")
    generated = _generated(data / "secrets")
    if "MINIO_ENDPOINT" in given:
        generated = {name: generated[name] for name in ("SECRET_KEY", "JWT_SECRET")}
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
        values = {name: values.get(name) or secrets.token_hex(32) for name in _GENERATED}
        # Every URL shows the access key; stores allow at most 20 characters.
        values["MINIO_ACCESS_KEY"] = values["MINIO_ACCESS_KEY"][:20]
        _write(path, values)
    return values


def _write(path: Path, values: Mapping[str, str]) -> None:
    """Replace `path` as a whole; `mkstemp` makes the file readable by its owner only."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.writelines(f"{name}={value}\n" for name, value in values.items())
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)
