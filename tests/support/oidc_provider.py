"""A real OpenID provider in a process of its own: `oidc-provider-mock`, which asks who one is."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests

from tests.support.ports import free_port
from tests.support.process import Process


class Provider:
    """A provider on a port of 127.0.0.1; behind a proxy it is an issuer of the proxy's address."""

    def __init__(self, folder: Path) -> None:
        self.address = ("127.0.0.1", free_port())
        self.url = "http://{}:{}".format(*self.address)
        self._log = folder / "provider.log"
        self._process: Process | None = None

    def start(self) -> None:
        """Start the process, which has new keys, and wait until it answers."""
        assert self._process is None
        self._process = Process(
            [sys.executable, "-m", "oidc_provider_mock", f"--port={self.address[1]}"],
            environment=os.environ | {"NO_COLOR": "1", "PYTHONWARNINGS": "ignore"},
            log=self._log,
        )
        self._process.wait_until(self._answers)

    def stop(self) -> None:
        """End the process if there is one."""
        if self._process is not None:
            self._process.end()
            self._process = None

    def _answers(self) -> bool:
        try:
            return requests.get(f"{self.url}/jwks", timeout=30).status_code == 200
        except requests.ConnectionError:
            return False


@contextmanager
def running(folder: Path) -> Iterator[Provider]:
    """Run a provider until the block ends."""
    provider = Provider(folder)
    try:
        provider.start()
        yield provider
    finally:
        provider.stop()


def sign_in(url: str, sub: str | None) -> str:
    """Give the provider's form at `url` a `sub`, or deny with None; return where it sends one."""
    form = {"action": "deny"} if sub is None else {"sub": sub}
    answer = requests.post(url, data=form, timeout=30, allow_redirects=False)
    assert answer.status_code == 302, answer.text
    return answer.headers["Location"]
