"""`ls`, `tree`, `versions`, `mkdir`, `mv`, `cp`, `rm`, `trash`, `restore`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import click

from remotedrive_client.cli import output
from remotedrive_client.cli.session import json_option, signed_in
from remotedrive_client.drive import Drive
from remotedrive_client.errors import InvalidPathError
from remotedrive_client.models import File, Folder
from remotedrive_client.paths import Place, Tree

Listed = tuple[str, File | Folder]


@click.command()
@click.argument("name", metavar="[X]", default="/")
@click.option("-l", "--long", is_flag=True, help="Show sizes, times, versions and ids.")
@click.option("-r", "--recursive", is_flag=True, help="List what is in the folders, too.")
@json_option
def ls(name: str, long: bool, recursive: bool, as_json: bool) -> None:
    """List a folder of the drive, or show a file."""
    with signed_in() as drive:
        _show(list(_listed(drive, name, recursive)), long, as_json)


@click.command()
@click.argument("name", metavar="[X]", default="/")
@json_option
def tree(name: str, as_json: bool) -> None:
    """Show a folder with all that is below it."""
    with signed_in() as drive:
        found = drive.paths.tree(drive.paths.folder(name))
    if as_json:
        _show(_flat(found), long=False, as_json=True)
        return
    click.echo(found.place.name or "/")
    _draw(found, (), "")
    click.echo(f"{len(found.folders)} folders, {len(found.files)} files")


@click.command()
@click.argument("name", metavar="X")
@json_option
def versions(name: str, as_json: bool) -> None:
    """List the versions of a file, newest first."""
    with signed_in() as drive:
        found = drive.versions(name)
    if as_json:
        output.show_json(found)
        return
    rows = [
        (
            f"v{each.version}",
            output.size(each.size),
            output.time(each.created_at),
            each.checksum.removeprefix("sha256:")[:12],
            each.integrity if each.purged_at is None else "purged",
        )
        for each in found
    ]
    output.show_table(rows, right=(1,))


@click.command()
@click.argument("path", metavar="/PATH")
@click.option("-p", "--parents", is_flag=True, help="Make the folders above, too.")
@json_option
def mkdir(path: str, parents: bool, as_json: bool) -> None:
    """Make a folder."""
    with signed_in() as drive:
        made = drive.mkdir(path, parents=parents)
    if as_json:
        output.show_json(made)


@click.command()
@click.argument("names", metavar="X... TARGET", nargs=-1, required=True)
@json_option
def mv(names: tuple[str, ...], as_json: bool) -> None:
    """Move or rename files and folders."""
    sources, target = _sources(names)
    with signed_in() as drive:
        _require_folder(drive, sources, target)
        moved = [drive.move(source, target) for source in sources]
    if as_json:
        output.show_json(moved)


@click.command()
@click.argument("names", metavar="X... TARGET", nargs=-1, required=True)
@click.option("-r", "--recursive", is_flag=True, help="Copy folders with all that is in them.")
@json_option
def cp(names: tuple[str, ...], recursive: bool, as_json: bool) -> None:
    """Copy files within the drive; no bytes are transferred."""
    sources, target = _sources(names)
    with signed_in() as drive:
        _require_folder(drive, sources, target)
        copied = [
            file for source in sources for file in drive.copy(source, target, recursive=recursive)
        ]
    if as_json:
        output.show_json(copied)


@click.command()
@click.argument("names", metavar="X...", nargs=-1, required=True)
@click.option("-r", "--recursive", is_flag=True, help="Remove folders with all that is in them.")
@click.option("--permanent", is_flag=True, help="For good: not to the trash.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def rm(names: tuple[str, ...], recursive: bool, permanent: bool, yes: bool, as_json: bool) -> None:
    """Move files and folders to the trash."""
    if permanent and not yes:
        click.confirm(f"Remove {', '.join(names)} for good?", abort=True, err=True)
    with signed_in() as drive:
        if not recursive:
            for name in names:
                if not isinstance(drive.find(name), File):
                    raise InvalidPathError(f"{name} is a folder; -r removes it with all in it.")
        removed = [drive.remove(name, permanent=permanent) for name in names]
    if as_json:
        output.show_json(removed)


@click.command()
@click.option("--empty", is_flag=True, help="Remove all that is in it for good.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def trash(empty: bool, yes: bool, as_json: bool) -> None:
    """List the trash, or empty it."""
    if empty and not yes:
        click.confirm("Remove all that is in the trash for good?", abort=True, err=True)
    with signed_in() as drive:
        if empty:
            drive.empty_trash()
        if as_json or not empty:
            _show([(entry.name, entry) for entry in drive.trash()], long=True, as_json=as_json)


@click.command()
@click.argument("name", metavar="X")
@click.option("--version", type=click.IntRange(1), help="Make this version the newest again.")
@json_option
def restore(name: str, version: int | None, as_json: bool) -> None:
    """Take X, a name or an id, out of the trash; with --version, bring back a version of a file."""
    with signed_in() as drive:
        if version is not None:
            commit = drive.restore_version(name, version)
            if as_json:
                output.show_json(commit)
            else:
                click.echo(f"{commit.name}: version {commit.version}")
            return
        restored = drive.restore(name)
    if as_json:
        output.show_json(restored)


def _listed(drive: Drive, name: str, recursive: bool) -> Iterator[Listed]:
    entry = drive.find(name)
    if isinstance(entry, File):
        yield entry.name, entry
    elif recursive:
        yield from _flat(drive.paths.tree(entry))
    else:
        yield from _in(drive, entry)


def _in(drive: Drive, place: Place) -> Iterator[Listed]:
    for folder in drive.paths.folders_in(place):
        yield folder.name, folder
    for file in sorted(drive.paths.files_in(place), key=lambda file: file.name):
        yield file.name, file


def _flat(found: Tree) -> list[Listed]:
    entries: Iterable[tuple[tuple[str, ...], File | Folder]] = [
        *found.folders.items(),
        *found.files.items(),
    ]
    return sorted(("/".join(names), entry) for names, entry in entries)


def _show(entries: list[Listed], long: bool, as_json: bool) -> None:
    if as_json:
        output.show_json([output.entry_json(path, entry) for path, entry in entries])
    elif long:
        output.show_table([output.row(path, entry) for path, entry in entries], right=(0,))
    else:
        for path, entry in entries:
            click.echo(f"{path}/" if isinstance(entry, Folder) else path)


def _draw(found: Tree, above: tuple[str, ...], indent: str) -> None:
    folders = [names for names in found.folders if names[:-1] == above]
    files = [names for names in found.files if names[:-1] == above]
    below = sorted([(names, True) for names in folders] + [(names, False) for names in files])
    for at, (names, is_folder) in enumerate(below):
        last = at == len(below) - 1
        click.echo(f"{indent}{'└── ' if last else '├── '}{names[-1]}{'/' if is_folder else ''}")
        if is_folder:
            _draw(found, names, indent + ("    " if last else "│   "))


def _sources(names: tuple[str, ...]) -> tuple[tuple[str, ...], str]:
    if len(names) < 2:
        raise click.UsageError("Give what, and where to.")
    return names[:-1], names[-1]


def _require_folder(drive: Drive, sources: tuple[str, ...], target: str) -> None:
    """Raise where several things would get one name."""
    if len(sources) > 1:
        drive.paths.folder(target)
