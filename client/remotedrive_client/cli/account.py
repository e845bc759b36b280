"""`login`, `logout`, `whoami`, `usage`, `changes`."""

from __future__ import annotations

import os
import time
from typing import TextIO

import click

from remotedrive_client.cli import config, output
from remotedrive_client.cli.config import Config
from remotedrive_client.cli.session import json_option, signed_in
from remotedrive_client.drive import Drive
from remotedrive_client.errors import NotSignedInError
from remotedrive_client.models import Change
from remotedrive_client.service import parse_address

_LOOPBACK = ("localhost", "127.0.0.1", "::1")


@click.command()
@click.argument("url")
@click.option("--token-file", type=click.File(), help="Read the token from a file; - is stdin.")
@click.option("--token-command", help="Run this for a token, now and whenever one has expired.")
@json_option
def login(url: str, token_file: TextIO | None, token_command: str | None, as_json: bool) -> None:
    """Sign in at the service URL.

    The token is asked for, unless an option or the variable DRIVE_TOKEN gives it.
    """
    if token_file is not None and token_command is not None:
        raise click.UsageError("--token-file and --token-command do not go together.")
    url = url.rstrip("/")
    parts = parse_address(url)
    if parts.scheme == "http" and parts.hostname not in _LOOPBACK:
        click.echo("drive: Without https the token can be read on its way.", err=True)
    if token_command is not None:
        known = Config(url, token_command=token_command)
    else:
        if token_file is not None:
            token = _text_of(token_file)
        else:
            token = os.environ.get(config.TOKEN) or click.prompt("Token", hide_input=True, err=True)
        known = Config(url, token=token.strip())
    with Drive(known.url, known.credentials()) as drive:
        account = drive.account()
    kept = config.save(known)
    if as_json:
        output.show_json({"subject": account.subject, "url": url, "config": str(kept)})
    else:
        click.echo(f"Signed in at {url} as {account.subject}.")


@click.command()
@json_option
def logout(as_json: bool) -> None:
    """Delete the token from this machine."""
    config.forget()
    if as_json:
        output.show_json({"signed_in": False})


@click.command()
@json_option
def whoami(as_json: bool) -> None:
    """Show who is signed in, and where."""
    with signed_in() as drive:
        account = drive.account()
    url = config.load().url
    if as_json:
        output.show_json({"subject": account.subject, "email": account.email, "url": url})
    else:
        click.echo(f"{account.subject} at {url}")


@click.command()
@json_option
def usage(as_json: bool) -> None:
    """Show how much of the drive is used."""
    with signed_in() as drive:
        account = drive.account()
    if as_json:
        output.show_json(account)
        return
    output.show_table(
        [
            ("files", str(account.files)),
            ("used", output.size(account.bytes_used)),
            ("reserved for uploads", output.size(account.bytes_reserved)),
            ("quota", output.size(account.quota_bytes)),
        ]
    )


@click.command()
@click.option("--after", type=click.IntRange(0), help="Show what came after this cursor.")
@click.option("--follow", "-f", is_flag=True, help="Go on with what happens from now on.")
@click.option(
    "--interval",
    type=click.FloatRange(0.2, 3600),
    default=2.0,
    show_default=True,
    help="Seconds between looks with --follow.",
)
@json_option
def changes(after: int | None, follow: bool, interval: float, as_json: bool) -> None:
    """Show what happened in the drive, oldest first.

    With --json: a change on each line, then {"next": CURSOR}, from which --after goes on.
    """
    with signed_in() as drive:
        if follow and after is None:
            after = drive.latest_change()
        after = after or 0
        while True:
            page = drive.changes(after)
            for change in page.results:
                output.show_json_line(change) if as_json else click.echo(_line(change))
            after = page.next
            if page.has_more:
                continue
            if not follow:
                break
            time.sleep(interval)
    if as_json:
        output.show_json_line({"next": after})
    else:
        click.echo(f"next: {after}")


def _text_of(file: TextIO) -> str:
    try:
        return file.read()
    except UnicodeDecodeError:
        raise NotSignedInError("The token is not valid: its file is not text.") from None


def _line(change: Change) -> str:
    what = change.file_id or change.folder_id or ""
    version = "" if change.version is None else f" v{change.version}"
    return f"{change.seq}  {output.time(change.at)}  {change.kind}  {what}{version}"
