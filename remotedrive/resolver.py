"""Connections to a host, within a time limit; its addresses are remembered for some seconds."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from typing import Any

from remotedrive.waiting import others_run

REMEMBERED_SECONDS = 5.0

_remembered: dict[tuple[str, int], tuple[float, list[Any]]] = {}
"""Until when, and the addresses; there are no more hosts than the settings name."""


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


def connect(host: str, port: int, seconds_left: Callable[[], float]) -> socket.socket:
    """Connect to the first address of `host` that answers, giving each a fair share of the time.

    `seconds_left` returns above 0, or raises. It becomes the timeout of the socket, too.
    Raises `TimeoutError`, and OSError as getaddrinfo and connect do.
    """
    error: OSError | None = None
    found = addresses(host, port, timeout=seconds_left())
    for tried, (family, kind, protocol, _, address) in enumerate(found):
        sock = socket.socket(family, kind, protocol)
        try:
            sock.settimeout(seconds_left() / (len(found) - tried))
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with others_run():
                sock.connect(address)
            sock.settimeout(seconds_left())
            return sock
        except OSError as reason:
            sock.close()
            error = reason
    forget(host, port)
    raise error or OSError("the name has no address")


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
    thread = threading.Thread(target=resolve, name="resolve-name", daemon=True)
    thread.start()
    with others_run():
        thread.join(timeout)
    if error:
        raise error[0]
    if not found:
        raise TimeoutError("the name was not resolved in time")
    return list(found)
