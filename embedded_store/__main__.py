"""The command line of the embedded store.

No module that imports Swift or opens a socket may be imported before the monkey patching.
"""

import argparse
import os
import re
import sys
from pathlib import Path

DEVELOPMENT_ACCESS_KEY = "remotedrive"
DEVELOPMENT_SECRET_KEY = "remotedrive-secret"  # noqa: S105 (documented, for one's own machine)

NO_SWIFT = (
    "embedded store: OpenStack Swift is not installed. requirements-local.txt installs it on "
    "Linux; elsewhere use MinIO, see README.md."
)


def port_number(text: str) -> int:
    """Return a TCP port; 0 means any free one."""
    port = int(text)
    if not 0 <= port <= 65535:
        raise ValueError(text)
    return port


def access_key_id(text: str) -> str:
    """Return a valid access key. Swift uses it in paths, so it has safe characters only."""
    if not re.fullmatch(r"[A-Za-z0-9._-]{3,128}", text):
        raise argparse.ArgumentTypeError("3 to 128 of the characters A-Z a-z 0-9 . _ -")
    return text


def secret_key_text(text: str) -> str:
    """Return a secret key; with an empty one anybody could sign."""
    if not text:
        raise argparse.ArgumentTypeError("must not be empty")
    return text


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """Return the options; keys default to the environment, then to the documented ones.

    argparse checks string defaults like arguments, so it checks the environment, too.
    """
    parser = argparse.ArgumentParser(
        prog="python -m embedded_store",
        description="An S3 store in one process, for development. Listens on 127.0.0.1 only.",
    )
    parser.add_argument("--data", type=Path, required=True, help="folder for all data")
    parser.add_argument(
        "--port", type=port_number, default=9000, help="0: any free one (%(default)s)"
    )
    parser.add_argument(
        "--access-key",
        type=access_key_id,
        default=os.environ.get("MINIO_ACCESS_KEY", DEVELOPMENT_ACCESS_KEY),
        help="default: MINIO_ACCESS_KEY. An access key sees only the buckets made with it",
    )
    parser.add_argument(
        "--secret-key",
        type=secret_key_text,
        default=os.environ.get("MINIO_SECRET_KEY", DEVELOPMENT_SECRET_KEY),
        help="default: MINIO_SECRET_KEY, which is safer: ps shows command lines",
    )
    parser.add_argument(
        "--cors-origin",
        default="*",
        metavar="ORIGINS",
        help="comma-separated origins whose pages may use the store, or * for all (%(default)s)",
    )
    parser.add_argument("--verbose", action="store_true", help="log to standard error")
    return parser.parse_args(arguments)


def main() -> None:
    """Run until SIGTERM or SIGINT. If the start fails, print why and exit with 1."""
    options = parse_arguments()
    if sys.platform != "linux":
        sys.exit(NO_SWIFT)
    # The store connects to 127.0.0.1 only; without its resolver eventlet loads in half the time.
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
