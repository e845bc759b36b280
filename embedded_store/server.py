"""Runs the servers of the embedded store as greenlets of this process.

Import it only after Swift's monkey patching.
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
IDLE_SECONDS = 60  # until an idle or stalled connection is closed


def run(
    *,
    data: Path,
    port: int,
    access_key: str,
    secret_key: str,
    origins: Collection[str],
    verbose: bool,
) -> None:
    """Serve until a signal ends the process. Raises SystemExit if it fails to start."""
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
    """Exit immediately at a signal: Swift responds only after fsync, so nothing is lost.

    If the parent ignores SIGINT, it stays ignored, so that a script can stop the store after a
    Ctrl-C that goes to the whole process group.
    """
    signal.signal(signal.SIGTERM, _end)
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, _end)


def _end(*_: object) -> None:
    os._exit(0)


def _set_up_logging(verbose: bool) -> None:
    """Log to standard error or nowhere, not to syslog (UDP port 514 without /dev/log)."""
    handler = logging.StreamHandler(sys.stderr) if verbose else logging.NullHandler()
    handler.addFilter(_without_signatures)
    logging.getLogger().addHandler(handler)
    logs.ThreadSafeSysLogHandler = lambda *_, **__: handler
    eventlet.debug.hub_exceptions(verbose)


def _without_signatures(record: logging.LogRecord) -> bool:
    """Remove signatures: a presigned URL in a log would give access to the object."""
    record.msg = SIGNATURE.sub(r"\1...", record.getMessage())
    record.args = ()
    return True


def _take_folder(data: Path) -> TextIO:
    """Make the data folder if it is missing; return its lock, held until closed."""
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
    """Return a socket that listens on 127.0.0.1; port 0 means any free one."""
    try:
        listener: socket.socket = eventlet.listen((ADDRESS, port), backlog=1024, reuse_port=False)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            sys.exit(f"embedded store: port {port} is in use.")
        sys.exit(f"embedded store: port {port} cannot be opened: {error.strerror}.")
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def _serve(listener: socket.socket, application: WSGIApplication) -> Any:
    """Return a greenlet that serves the application."""
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
