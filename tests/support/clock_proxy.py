"""A TCP proxy through which a store's clock seems to be off: it rewrites the Date of answers."""

from __future__ import annotations

import re
import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from email.utils import format_datetime, parsedate_to_datetime

_DATE = re.compile(rb"(?i)(?<=\r\ndate: )[^\r]+")


@contextmanager
def store_with_clock_off(upstream: tuple[str, int], off: timedelta) -> Iterator[str]:
    """Give the address of a store like `upstream`, whose clock is ahead of its by `off`."""

    def shift(date: re.Match[bytes]) -> bytes:
        moment = parsedate_to_datetime(date[0].decode()) + off
        return format_datetime(moment, usegmt=True).encode()

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with socket.create_connection(upstream) as peer:
                threading.Thread(target=self.pass_requests, args=(peer,), daemon=True).start()
                while data := peer.recv(65536):
                    self.request.sendall(_DATE.sub(shift, data))

        def pass_requests(self, peer: socket.socket) -> None:
            while data := self.request.recv(65536):
                peer.sendall(data)
            peer.shutdown(socket.SHUT_RDWR)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

        def handle_error(self, request: object, client_address: object) -> None:
            """Connections end as they like."""

    with Server(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
