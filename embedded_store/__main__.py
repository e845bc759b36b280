"""The command line of the embedded store: reads the arguments, patches, hands over to ``server``.

Nothing here may import a module that imports Swift or opens a socket before the patching.
"""

import argparse
import os
import re
import sys
from pathlib import Path

DEVELOPMENT_ACCESS_KEY = "remotedrive"
DEVELOPMENT_SECRET_KEY = "remotedrive-secret"  # noqa: S105 (documented, for one's own machine)

NO_SWIFT = (
    "embedded store: OpenStack Swift cannot be imported here. It comes with "
    "requirements-local.txt and has wheels for Linux only; elsewhere use MinIO, see README.md."
)


def port_number(text: str) -> int:
    """A TCP port, 0 meaning any free one."""
    port = int(text)
    if not 0 <= port <= 65535:
        raise ValueError(text)
    return port


def access_key_id(text: str) -> str:
    """An access key id. It becomes a part of paths inside Swift, so it is kept plain."""
    if not re.fullmatch(r"[A-Za-z0-9._-]{3,128}", text):
        raise argparse.ArgumentTypeError("3 to 128 of the characters A-Z a-z 0-9 . _ -")
    return text


def secret_key_text(text: str) -> str:
    """A secret key; an empty one would let anybody sign."""
    if not text:
        raise argparse.ArgumentTypeError("must not be empty")
    return text


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """The options; keys that are not given come from the environment, else are the documented ones.

    argparse checks string defaults like arguments, so the environment is held to the same rules.
    """
    parser = argparse.ArgumentParser(
        prog="python -m embedded_store",
        description="An S3 store in one process, for development. Listens on 127.0.0.1 only.",
    )
    parser.add_argument("--data", type=Path, required=True, help="folder that keeps everything")
    parser.add_argument("--port", type=port_number, default=9000, help="0 takes any free one")
    parser.add_argument(
        "--access-key",
        type=access_key_id,
        default=os.environ.get("MINIO_ACCESS_KEY", DEVELOPMENT_ACCESS_KEY),
        help="else MINIO_ACCESS_KEY. Each access key sees the buckets made with it, and no others",
    )
    parser.add_argument(
        "--secret-key",
        type=secret_key_text,
        default=os.environ.get("MINIO_SECRET_KEY", DEVELOPMENT_SECRET_KEY),
        help="better in MINIO_SECRET_KEY: a command line shows in ps",
    )
    parser.add_argument(
        "--cors-origin",
        default="*",
        metavar="ORIGINS",
        help="comma separated origins whose pages may use the store, or * for all",
    )
    parser.add_argument("--verbose", action="store_true", help="log to standard error")
    return parser.parse_args(arguments)


def main() -> None:
    """Run until SIGTERM or SIGINT. Exit code 1, with a sentence, when it cannot start."""
    options = parse_arguments()
    if sys.platform != "linux":
        sys.exit(NO_SWIFT)
    # Only 127.0.0.1 is ever connected to; without its own resolver eventlet loads in half the time.
    os.environ["EVENTLET_NO_GREENDNS"] = "yes"
    try:
        from swift.common import utils
    except ImportError:
        sys.exit(NO_SWIFT)
    utils.monkey_patch()
    from embedded_store import server

    server.run(
        data=options.data.absolute(),
        port=options.port,
        access_key=options.access_key,
        secret_key=options.secret_key,
        origins=frozenset(origin.strip() for origin in options.cors_origin.split(",")),
        verbose=options.verbose,
    )


if __name__ == "__main__":
    main()
