"""A TCP proxy that misbehaves on demand, between the service and a store or a database.

    with TcpProxy(("127.0.0.1", 9000)) as proxy:
        proxy.cut(100, times=1)      # the next answer ends after 100 bytes, then all is well again
        proxy.delay(30)              # every answer comes 30 s late, until ...
        proxy.pass_on()

It knows no protocol: a request is what a client sends after the peer's last byte, an answer what
the peer sends after the request's. That is right for HTTP/1.1 without pipelining and, roughly,
for PostgreSQL. A fault holds for connections that are already open, too. It is taken when the
request begins; `times` bounds how many requests it takes, `only` which: those that begin with it,
after the first `skip` of them.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from dataclasses import dataclass
from types import TracebackType
from typing import Literal, Self

from scripts.lib.processes import free_port

_RESET = struct.pack("ii", 1, 0)
"""SO_LINGER that makes close() send a RST in place of a FIN."""


@dataclass
class _Fault:
    kind: Literal["pass", "hold", "delay", "cut", "drip", "answer"] = "pass"
    seconds: float = 0
    after: int = 0
    reset: bool = False
    answer: bytes = b""
    keep: bool = False
    times: int | None = None
    only: bytes = b""
    skip: int = 0


_PASS = _Fault()


def response(status: str, body: bytes = b"<Error/>") -> bytes:
    """Return an HTTP response for `TcpProxy.answer`, after which the connection closes."""
    return (
        f"HTTP/1.1 {status}\r\nConnection: close\r\nContent-Type: application/xml\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode() + body


class TcpProxy:
    """Listens on a free port of 127.0.0.1 and passes on to `upstream`, or does what it was told."""

    def __init__(self, upstream: tuple[str, int]) -> None:
        self.upstream = upstream
        self.connections = 0
        """Connections accepted so far."""
        self.requests = 0
        """Requests seen so far, whatever became of them."""
        self.received: list[bytes] | None = None
        """Once it is a list: what each request began with, its head if not more."""
        self.sent: bytearray | None = None
        """Once it is a bytearray: all that clients have sent since."""
        self.request_bytes = 0
        """Bytes that clients have sent so far."""
        self.answer_size = 0
        """Bytes that the peer sent so far in answer to the latest request."""
        self.answer_start = b""
        """The first of them, as they came in one piece."""
        self._fault = _PASS
        self._lock = threading.Lock()
        self._open: dict[socket.socket, threading.Thread] = {}
        """With the thread that reads from each."""
        self._stopped = threading.Event()
        self.port = free_port()
        self._listener = _listen(self.port)
        self._accept_in_thread()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def pass_on(self) -> None:
        """From now on pass everything on; after `refuse`, listen again on the same port."""
        with self._lock:
            self._fault = _PASS
            if self._listener.fileno() >= 0:
                return
            self._listener = _listen(self.port)
        self._accept_in_thread()

    def refuse(self) -> None:
        """Stop listening, and end all connections."""
        with self._lock:
            _close_listener(self._listener)
        self.drop()

    def drop(self, *, reset: bool = False) -> None:
        """End all connections that are open now; new ones are welcome."""
        with self._lock:
            readers = dict(self._open)
        for sock in readers:
            _end(sock, reset=reset)
        # A socket that a thread still reads from is not closed yet: the other side would not know.
        for reader in readers.values():
            reader.join(timeout=1)

    def hold(self, *, times: int | None = None, only: bytes = b"") -> None:
        """Accept, take the request, and never answer."""
        self._set(_Fault("hold", times=times, only=only))

    def delay(self, seconds: float, *, times: int | None = None, only: bytes = b"") -> None:
        """Give each answer `seconds` late."""
        self._set(_Fault("delay", seconds=seconds, times=times, only=only))

    def cut(
        self,
        after: int,
        *,
        reset: bool = False,
        times: int | None = None,
        only: bytes = b"",
        skip: int = 0,
    ) -> None:
        """Pass the request on, and `after` bytes of the answer, then close, or reset.

        `cut(0)` loses the whole answer to a request that the peer did carry out.
        """
        self._set(_Fault("cut", after=after, reset=reset, times=times, only=only, skip=skip))

    def drip(
        self, seconds: float, *, after: int = 0, times: int | None = None, only: bytes = b""
    ) -> None:
        """Give the first `after` bytes of the answer as they come, then a byte every `seconds`."""
        self._set(_Fault("drip", seconds=seconds, after=after, times=times, only=only))

    def answer(
        self, answer: bytes, *, keep: bool = False, times: int | None = None, only: bytes = b""
    ) -> None:
        """Do not pass the request on; send these bytes and close, or `keep` the connection.

        `keep` is for requests that come in one piece.
        """
        self._set(_Fault("answer", answer=answer, keep=keep, times=times, only=only))

    def close(self) -> None:
        """Stop all of it."""
        self._stopped.set()
        self.refuse()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _set(self, fault: _Fault) -> None:
        with self._lock:
            self._fault = fault

    def _count(self, data: bytes) -> None:
        with self._lock:
            self.request_bytes += len(data)
            if self.sent is not None:
                self.sent += data

    def _take(self, request: bytes) -> _Fault:
        """Count a request and return what becomes of it."""
        with self._lock:
            self.requests += 1
            if self.received is not None:
                self.received.append(request)
            fault = self._fault
            if not request.startswith(fault.only) or fault.times == 0:
                return _PASS
            if fault.skip:
                fault.skip -= 1
                return _PASS
            if fault.times is not None:
                fault.times -= 1
            return fault

    def _accept_in_thread(self) -> None:
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=_Connection(self, client).run, daemon=True).start()


class _Connection:
    """One client, its connection to the peer, and the fault of its present request."""

    def __init__(self, proxy: TcpProxy, client: socket.socket) -> None:
        self._proxy = proxy
        self._client = client
        self._peer: socket.socket | None = None
        self._fault = _PASS
        self._answered = 0
        """Bytes of the answer to the present request that were passed on."""
        self._new_request = True
        self._ended = False

    def run(self) -> None:
        """Pass requests on until either side ends."""
        with self._proxy._lock:
            self._proxy._open[self._client] = threading.current_thread()
        try:
            while data := self._client.recv(65536):
                self._proxy._count(data)
                if self._new_request:
                    self._new_request, self._answered = False, 0
                    self._fault = self._proxy._take(data)
                if self._fault.kind == "hold":
                    continue
                if self._fault.kind == "answer":
                    self._new_request = self._fault.keep
                    self._client.sendall(self._fault.answer)
                    if not self._fault.keep:
                        self._client.shutdown(socket.SHUT_WR)
                        # Closing with bytes unread would reset the connection under the answer.
                        self._fault = _Fault("hold")
                    continue
                self._to_peer().sendall(data)
        except OSError:
            pass
        finally:
            self._end()

    def _to_peer(self) -> socket.socket:
        if self._peer is None:
            self._peer = socket.create_connection(self._proxy.upstream)
            self._peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            reader = threading.Thread(target=self._pass_answers, daemon=True)
            with self._proxy._lock:
                self._proxy._open[self._peer] = reader
                reader.start()
        return self._peer

    def _pass_answers(self) -> None:
        assert self._peer is not None
        try:
            while data := self._peer.recv(65536):
                fault = self._fault
                if not self._answered and fault.kind == "delay":
                    self._proxy._stopped.wait(fault.seconds)
                if fault.kind in ("cut", "drip"):
                    at_once = data[: max(0, fault.after - self._answered)]
                    rest = data[len(at_once) :]
                else:
                    at_once, rest = data, b""
                if not self._answered:
                    self._proxy.answer_start = data
                self._answered += len(data)
                self._proxy.answer_size = self._answered
                self._new_request = True
                self._client.sendall(at_once)
                if rest and fault.kind == "cut":
                    self._end(reset=fault.reset)
                    return
                for byte in rest:
                    if self._proxy._stopped.wait(fault.seconds):
                        return
                    self._client.sendall(bytes([byte]))
        except OSError:
            pass
        finally:
            self._end()

    def _end(self, *, reset: bool = False) -> None:
        with self._proxy._lock:
            if self._ended:
                return
            self._ended = True
            sockets = [sock for sock in (self._client, self._peer) if sock is not None]
            for sock in sockets:
                self._proxy._open.pop(sock, None)
        for sock in sockets:
            _end(sock, reset=reset)


def _listen(port: int) -> socket.socket:
    return socket.create_server(("127.0.0.1", port), backlog=128)


def _close_listener(listener: socket.socket) -> None:
    # shutdown wakes the thread that waits in accept(); close alone would not.
    with contextlib.suppress(OSError):
        listener.shutdown(socket.SHUT_RDWR)
    listener.close()


def _end(sock: socket.socket, *, reset: bool) -> None:
    with contextlib.suppress(OSError):
        if reset:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        # This also wakes the thread that waits in recv(), without which close() would do nothing.
        sock.shutdown(socket.SHUT_RD if reset else socket.SHUT_RDWR)
    sock.close()
