"""The command line client as a test types it, with a configuration folder of its own."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from remotedrive_client.cli.app import run
from tests.support.process import ROOT, Process
from tests.support.server import RemoteClient, Server

SECRETS = ("eyJ", "X-Amz-", "Traceback")
"""What no output may have in it: tokens, presigned URLs, stack traces."""


@dataclass(frozen=True)
class Output:
    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Person:
    """Somebody who has signed in with `drive login`, and what they have over HTTP."""

    def __init__(self, server: Server, folder: Path, subject: str | None = None) -> None:
        self.server = server
        self.folder = folder
        self.subject = subject or f"person-{uuid.uuid4()}"
        self.token = server.token(self.subject)
        self.config = folder / "config"
        self.api = RemoteClient(server, self.subject)
        token_file = folder / "token"
        token_file.write_text(self.token)
        self.drive("login", server.url, "--token-file", str(token_file))

    def drive(self, *arguments: str | Path, status: int = 0) -> Output:
        """Run `drive` in this process; it must end with `status` and print no secret."""
        out, err = io.StringIO(), io.StringIO()
        with (
            environment(self.environment),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            found = run([str(each) for each in arguments])
        output = Output(found, out.getvalue(), err.getvalue())
        assert found == status, output
        for secret in SECRETS:
            assert secret not in output.out + output.err, output
        return output

    def json(self, *arguments: str | Path, status: int = 0) -> Any:
        """Return what a command prints with `--json`."""
        return self.drive(*arguments, "--json", status=status).json

    def start(self, *arguments: str | Path, **options: Any) -> Process:
        """Run `drive` in a process of its own; outputs are pipes unless `options` say otherwise."""
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return Process(
            [sys.executable, "-m", "remotedrive_client", *arguments],
            environment=os.environ | self.environment,
            **pipes | options,
        )

    @property
    def environment(self) -> dict[str, str]:
        return {"DRIVE_CONFIG_DIR": str(self.config), "PYTHONPATH": str(ROOT / "client")}

    def files(self) -> list[dict[str, Any]]:
        """Return all files that the service shows."""
        results: list[dict[str, Any]] = self.api.get("/files?page_size=200")["results"]
        return results

    def pending(self) -> list[dict[str, Any]]:
        """Return the uploads that are begun and not committed."""
        results: list[dict[str, Any]] = self.api.get("/uploads?page_size=200")["results"]
        return results


@contextlib.contextmanager
def environment(variables: dict[str, str]) -> Iterator[None]:
    """Set variables until the block ends."""
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def contents(folder: Path) -> dict[str, bytes]:
    """Return the files below a folder, by their paths in it."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }
