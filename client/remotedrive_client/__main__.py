"""`drive`, also as `python -m remotedrive_client`."""

from __future__ import annotations

import io
import os
import sys

INTERRUPTED = 130


def main() -> None:
    """Run the command line, and exit with its status."""
    try:
        for stream in (sys.stdout, sys.stderr):
            # A name that the encoding of the terminal does not have must not end a command.
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="backslashreplace")
        # Imported here so that Ctrl-C leaves no stack trace while modules load.
        from remotedrive_client.cli.app import run

        status = run(sys.argv[1:])
        sys.stdout.flush()
    except KeyboardInterrupt:
        status = INTERRUPTED
    except BrokenPipeError:
        # Whoever read the output has seen enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 1
    sys.stderr.flush()
    # Threads that still send must not hold the end; what they have done is recorded.
    os._exit(status)


if __name__ == "__main__":
    main()
