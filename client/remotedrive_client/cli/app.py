"""The command `drive`: its subcommands, and how errors become a sentence and an exit status."""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import PurePath

import click

from remotedrive_client.cli import account, browse, output, shares, transfer
from remotedrive_client.cli.exits import Exit, exit_of
from remotedrive_client.errors import DriveError, StoppedError

try:
    _VERSION = version("remotedrive-client")
except PackageNotFoundError:
    _VERSION = "not installed"


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(_VERSION, prog_name="drive")
def drive() -> None:
    """Files on a Remote Drive.

    A file or folder of the drive is given as its path, /Reports/plan.pdf, or as its id.
    """


for _command in (
    account.login,
    account.logout,
    account.whoami,
    account.usage,
    account.changes,
    transfer.put,
    transfer.get,
    transfer.sync,
    browse.ls,
    browse.tree,
    browse.versions,
    browse.mkdir,
    browse.mv,
    browse.cp,
    browse.rm,
    browse.trash,
    browse.restore,
    shares.share,
):
    drive.add_command(_command)


def run(arguments: Sequence[str]) -> int:
    """Run one command; print any error as one sentence, and return the exit status."""
    try:
        status = drive.main(list(arguments), prog_name="drive", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        if "--json" in arguments:
            output.show_json({"error": {"message": error.format_message()}})
        return error.exit_code
    except (click.Abort, KeyboardInterrupt, StoppedError):
        click.echo("drive: Interrupted.", err=True)
        return Exit.INTERRUPTED
    except DriveError as error:
        output.fail_line(error)
        if "--json" in arguments:
            output.show_json({"error": output.error_json(error)})
        return exit_of(error)
    except BrokenPipeError:
        raise
    except Exception as error:
        # Its message may name a presigned URL; where it was raised helps whoever mends it.
        where = traceback.extract_tb(error.__traceback__)[-1]
        message = (
            f"This is a defect of the client: {type(error).__name__} in "
            f"{PurePath(where.filename).name}, line {where.lineno}."
        )
        click.echo(f"drive: {message}", err=True)
        if "--json" in arguments:
            output.show_json({"error": {"message": message}})
        return Exit.FAILED
    return status if isinstance(status, int) else Exit.OK
