"""`share create`, `share ls`, `share rm`, `share edit`."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any, TextIO

import click

from remotedrive_client.cli import output
from remotedrive_client.cli.session import json_option, signed_in
from remotedrive_client.drive import Permission
from remotedrive_client.models import Share

_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_NONE = "none"


def _expiry(
    context: click.Context, option: click.Parameter, value: str | None
) -> datetime | str | None:
    """Return the time that `7d`, `12h`, `2026-12-31` or `2026-12-31T18:00` names, or `none`."""
    if value is None or value == _NONE:
        return value
    if span := re.fullmatch(r"([0-9]{1,5})([mhdw])", value):
        return datetime.now(UTC) + timedelta(**{_UNITS[span[2]]: int(span[1])})
    try:
        return datetime.fromisoformat(value).astimezone(UTC)
    except ValueError:
        raise click.BadParameter("Give a time like 7d, 12h or 2026-12-31T18:00.") from None


def _number(context: click.Context, option: click.Parameter, value: str | None) -> int | str | None:
    """Return a number of downloads, or `none`."""
    if value is None or value == _NONE:
        return value
    if not value.isdecimal() or int(value) < 1:
        raise click.BadParameter("Give a number from 1 on, or none.")
    return int(value)


_expires = click.option("--expires", callback=_expiry, help="7d, 12h, or a time; none: never.")
_limit = click.option("--max-downloads", callback=_number, help="How many; none: no limit.")
_ask = click.option("--ask-password", is_flag=True, help="Ask for a password that locks it.")
_file = click.option("--password-file", type=click.File(), help="Read it from a file; - is stdin.")


@click.group()
def share() -> None:
    """Share files with people who have the link."""


@share.command("create")
@click.argument("name", metavar="X")
@click.option("--write", is_flag=True, help="Let them upload new versions, too.")
@_expires
@_ask
@_file
@_limit
@json_option
def create(
    name: str,
    write: bool,
    expires: datetime | str | None,
    ask_password: bool,
    password_file: TextIO | None,
    max_downloads: int | str | None,
    as_json: bool,
) -> None:
    """Share a file, and print the link, which is shown this once."""
    permission: Permission = "write" if write else "read"
    password = _password(ask_password, password_file)
    with signed_in() as drive:
        made = drive.share(
            name,
            permission,
            expires_at=expires if isinstance(expires, datetime) else None,
            password=password,
            max_downloads=max_downloads if isinstance(max_downloads, int) else None,
        )
    if as_json:
        output.show_json(made)
    else:
        click.echo(made.url)


@share.command("ls")
@click.argument("name", metavar="[X]", required=False)
@json_option
def ls(name: str | None, as_json: bool) -> None:
    """List the shares of a file, or all."""
    with signed_in() as drive:
        found = drive.shares(name)
    if as_json:
        output.show_json([_json(each) for each in found])
        return
    output.show_table([_row(each) for each in found])


@share.command("rm")
@click.argument("share_ids", metavar="ID...", nargs=-1, required=True)
@json_option
def rm(share_ids: tuple[str, ...], as_json: bool) -> None:
    """End shares; their links stop working at once."""
    with signed_in() as drive:
        for share_id in share_ids:
            drive.revoke(share_id)
    if as_json:
        output.show_json({"revoked": share_ids})


@share.command("edit")
@click.argument("share_id", metavar="ID")
@click.option("--permission", type=click.Choice(["read", "write"]))
@_expires
@_ask
@_file
@click.option("--no-password", is_flag=True, help="Take the password away.")
@_limit
@json_option
def edit(
    share_id: str,
    permission: str | None,
    expires: datetime | str | None,
    ask_password: bool,
    password_file: TextIO | None,
    no_password: bool,
    max_downloads: int | str | None,
    as_json: bool,
) -> None:
    """Change a share; what is not given stays."""
    password = _password(ask_password, password_file)
    if no_password and password is not None:
        raise click.UsageError("--no-password does not go with a password.")
    changed: dict[str, Any] = {
        name: None if value == _NONE else value
        for name, value in {
            "permission": permission,
            "expires_at": expires,
            "password": _NONE if no_password else password,
            "max_downloads": max_downloads,
        }.items()
        if value is not None
    }
    if not changed:
        raise click.UsageError("Give what is to change.")
    with signed_in() as drive:
        edited = drive.edit_share(share_id, changed)
    if as_json:
        output.show_json(_json(edited))


def _password(ask: bool, file: TextIO | None) -> str | None:
    """Return the password; options carry none, as every process can read them."""
    if ask and file is not None:
        raise click.UsageError("--ask-password and --password-file do not go together.")
    if file is not None:
        try:
            return file.readline().rstrip("\r\n")
        except UnicodeDecodeError:
            raise click.UsageError("The password file is not text.") from None
    if not ask:
        return None
    asked: str = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    return asked


def _json(share: Share) -> dict[str, Any]:
    """Return what there is to see of a share that was made before."""
    return {name: value for name, value in vars(share).items() if name not in ("token", "url")}


def _row(share: Share) -> tuple[str, ...]:
    downloads = str(share.download_count)
    if share.max_downloads is not None:
        downloads += f" of {share.max_downloads}"
    state = "revoked" if share.revoked_at is not None else output.time(share.expires_at)
    locked = "password" if share.password_required else ""
    return (share.id, share.file_id, share.permission, state, downloads, locked)
