"""Addresses of a host, found within a time limit and remembered for some seconds."""

from __future__ import annotations

import socket
import threading
import time
from typing import Any

REMEMBERED_SECONDS = 5.0

_remembered: dict[tuple[str, int], tuple[float, list[Any]]] = {}
"""Until when, and the addresses; there are no more hosts than stores in the settings."""


def addresses(host: str, port: int, *, timeout: float) -> list[Any]:
    """Return what getaddrinfo gives for `host`, within `timeout` seconds.

    Raises `TimeoutError`, and OSError as getaddrinfo does.
    """
    try:
        # A numeric address needs no resolver.
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except socket.gaierror:
        pass
    until, found = _remembered.get((host, port), (0.0, []))
    if time.monotonic() > until:
        found = _resolved(host, port, timeout)
        _remembered[host, port] = time.monotonic() + REMEMBERED_SECONDS, found
    return found


def forget(host: str, port: int) -> None:
    """Resolve `host` again the next time: none of its addresses answered."""
    _remembered.pop((host, port), None)


def _resolved(host: str, port: int, timeout: float) -> list[Any]:
    found: list[Any] = []
    error: list[OSError] = []

    def resolve() -> None:
        try:
            found.extend(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except OSError as reason:
            error.append(reason)

    # getaddrinfo knows no timeout, hence the thread.
    thread = threading.Thread(target=resolve, name="resolve-store", daemon=True)
    thread.start()
    thread.join(timeout)
    if error:
        raise error[0]
    if not found:
        raise TimeoutError("the name was not resolved in time")
    return list(found)
