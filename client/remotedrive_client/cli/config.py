"""The configuration: the service's address, and the token or the command that prints one."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

import platformdirs

from remotedrive_client.errors import LocalFileError, NotSignedInError
from remotedrive_client.service import Token

FOLDER = "DRIVE_CONFIG_DIR"
URL = "DRIVE_URL"
TOKEN = "DRIVE_TOKEN"  # noqa: S105 - a name
_COMMAND_SECONDS = 60


@dataclass(frozen=True)
class Config:
    """One of `token` and `token_command` is set."""

    url: str
    token: str | None = None
    token_command: str | None = None

    def credentials(self) -> Token:
        """Return the token, or what runs the command for a fresh one."""
        command = self.token_command
        return (self.token or "") if command is None else lambda: run_token_command(command)


def folder() -> Path:
    """Return where the configuration and the state of uploads are kept."""
    given = os.environ.get(FOLDER)
    return Path(given) if given else platformdirs.user_config_path("remotedrive", appauthor=False)


def state_file() -> Path:
    """Return the file in which unfinished uploads are kept."""
    return folder() / "state.sqlite3"


def load() -> Config:
    """Return the configuration in force: the environment goes before the file.

    Raises `NotSignedInError`, `LocalFileError`.
    """
    saved = _read()
    url, token = os.environ.get(URL), os.environ.get(TOKEN)
    if saved is None and (url is None or token is None):
        raise NotSignedInError("You are not signed in; `drive login URL` does that.")
    if saved is None or (url is not None and url.rstrip("/") != saved.url):
        if token is None:
            # A token is never sent to another service than that it was given for.
            raise NotSignedInError(f"{URL} is not the address signed in at; set {TOKEN}, too.")
        return Config(str(url), token.strip())
    return saved if token is None else Config(saved.url, token.strip())


def save(config: Config) -> Path:
    """Write the configuration, readable by its owner only, and return where it is."""
    target = folder() / "config.json"
    try:
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # mkstemp gives mode 0600; the rename leaves no moment with half of it.
        descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=".config-")
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump({key: value for key, value in asdict(config).items() if value}, file)
        os.replace(name, target)
    except OSError as error:
        raise LocalFileError(f"{target} cannot be written: {error.strerror}.") from None
    return target


def forget() -> None:
    """Delete the configuration, and with it the token."""
    target = folder() / "config.json"
    try:
        target.unlink(missing_ok=True)
    except OSError as error:
        raise LocalFileError(f"{target} cannot be deleted: {error.strerror}.") from None


def run_token_command(command: str) -> str:
    """Return what the command prints. Raises `NotSignedInError`, without its output."""
    try:
        done = subprocess.run(  # noqa: S603 - the user's own command
            shlex.split(command),
            stdout=subprocess.PIPE,
            check=True,
            text=True,
            timeout=_COMMAND_SECONDS,
        )
    except (OSError, ValueError, subprocess.SubprocessError):
        raise NotSignedInError("The command that prints the token failed.") from None
    return done.stdout.strip()


def _read() -> Config | None:
    path = folder() / "config.json"
    try:
        return Config(**json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError):
        raise LocalFileError(f"{path} cannot be read; `drive login URL` writes it anew.") from None
