"""Names under `localhost`, which are this machine's (RFC 6761 §6.3), and not known everywhere."""

from __future__ import annotations

import socket
from typing import Any

import pytest


@pytest.fixture
def localhost_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this process resolve every `….localhost` to 127.0.0.1, as browsers and curl do."""
    real = socket.getaddrinfo

    def getaddrinfo(host: Any, *args: Any, **options: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        # Asked for numbers only, it refuses a name as before.
        numeric = options.get("flags", 0) & socket.AI_NUMERICHOST
        if isinstance(name, str) and name.endswith(".localhost") and not numeric:
            name = "127.0.0.1"
        return real(name, *args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
