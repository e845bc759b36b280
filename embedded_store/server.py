"""Starts the servers of the embedded store as greenlets of this process, and keeps them running.

To be imported after Swift's monkey patching only; ``__main__`` sees to that.
"""

import errno
import fcntl
import logging
import os
import re
import signal
import socket
import sys
import tempfile
from collections.abc import Collection
from pathlib import Path
from typing import Any, TextIO
from wsgiref.types import WSGIApplication

import eventlet
import eventlet.debug
from eventlet import wsgi
from swift.common.http_protocol import SwiftHttpProtocol
from swift.common.utils import NullLogger, logs

from embedded_store import configuration
from embedded_store.filters.edge import Edge
from embedded_store.filters.keys import Credentials

SIGNATURE = re.compile(r"(Signature(?:=|%3D|%253D))[0-9a-f]+", re.IGNORECASE)
ADDRESS = "127.0.0.1"
IDLE_SECONDS = 60  # after which a connection without a request, or a stalled one, is closed


def run(
    *,
    data: Path,
    port: int,
    access_key: str,
    secret_key: str,
    origins: Collection[str],
    verbose: bool,
) -> None:
    """Serve until a signal ends the process. SystemExit with a sentence when it cannot start."""
    _end_at_signals()
    _set_up_logging(verbose)
    lock = _take_folder(data)
    front = _listen(port)
    configuration.prepare(data)
    level = "INFO" if verbose else "CRITICAL"
    for kind in configuration.STORAGE_KINDS:
        behind = _listen(0)
        configuration.write_ring(data, kind, behind.getsockname()[1])
        _serve(behind, configuration.storage_application(data, kind, level))
    credentials = Credentials(access_key, secret_key)
    s3 = configuration.s3_application(data, credentials, level)
    server = _serve(front, Edge(s3, origins, data))
    print(f"embedded store: http://{ADDRESS}:{front.getsockname()[1]}", flush=True)  # noqa: T201
    server.wait()
    lock.close()


def _end_at_signals() -> None:
    """End at once: nothing is owed, since Swift answers only after fsync.

    A SIGINT that the parent has set to be ignored stays ignored, so that a script may let the
    store outlive a Ctrl-C that goes to the whole process group, and end it afterwards.
    """
    signal.signal(signal.SIGTERM, _end)
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, _end)


def _end(*_: object) -> None:
    os._exit(0)


def _set_up_logging(verbose: bool) -> None:
    """Standard error or nothing, in place of syslog (UDP port 514 where there is no /dev/log)."""
    handler = logging.StreamHandler(sys.stderr) if verbose else logging.NullHandler()
    handler.addFilter(_without_signatures)
    logging.getLogger().addHandler(handler)
    logs.ThreadSafeSysLogHandler = lambda *_, **__: handler
    eventlet.debug.hub_exceptions(verbose)


def _without_signatures(record: logging.LogRecord) -> bool:
    """A presigned URL in a log would be a key to the object, for as long as it is valid."""
    record.msg = SIGNATURE.sub(r"\1...", record.getMessage())
    record.args = ()
    return True


def _take_folder(data: Path) -> TextIO:
    """The data folder, made if it is missing and locked for as long as the result is open."""
    try:
        data.mkdir(parents=True, exist_ok=True)
        lock = (data / "lock").open("w")
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # two would fight over the rings
        with tempfile.TemporaryFile(dir=data) as probe:
            os.setxattr(probe.fileno(), "user.remotedrive", b"probe")
    except BlockingIOError:
        sys.exit(f"embedded store: another store is using the data folder {data}.")
    except OSError as error:
        if error.errno in (errno.ENOTSUP, errno.EOPNOTSUPP):
            sys.exit(
                f"embedded store: the file system of the data folder {data} has no user extended "
                "attributes, which it needs; ext4, XFS, Btrfs, overlayfs and tmpfs have them."
            )
        sys.exit(f"embedded store: the data folder {data} cannot be used: {error.strerror}.")
    return lock


def _listen(port: int) -> socket.socket:
    """A listening socket on this machine only; port 0 takes any free one."""
    try:
        listener: socket.socket = eventlet.listen((ADDRESS, port), backlog=1024, reuse_port=False)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            sys.exit(f"embedded store: port {port} is in use.")
        sys.exit(f"embedded store: port {port} cannot be opened: {error.strerror}.")
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def _serve(listener: socket.socket, application: WSGIApplication) -> Any:
    """A greenlet that serves the application."""
    return eventlet.spawn(
        wsgi.server,
        listener,
        application,
        NullLogger(),
        protocol=SwiftHttpProtocol,
        capitalize_response_headers=False,
        socket_timeout=IDLE_SECONDS,
        debug=False,
    )
