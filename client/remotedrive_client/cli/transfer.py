"""`put`, `get`, `sync`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from remotedrive_client.cli import output
from remotedrive_client.cli.exits import exit_of_all
from remotedrive_client.cli.session import jobs_option, json_option, signed_in
from remotedrive_client.results import Downloaded, Failed, Uploaded
from remotedrive_client.sync import Comparison

Results = Sequence[Uploaded | Downloaded | Failed]


@click.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--to", default="/", metavar="FOLDER", help="The folder of the drive; the top if not given."
)
@click.option("--as-version-of", metavar="X", help="Make the file the next version of X.")
@click.option("-r", "--recursive", is_flag=True, help="Upload folders with all that is in them.")
@jobs_option
@json_option
@click.pass_context
def put(
    context: click.Context,
    paths: tuple[Path, ...],
    to: str,
    as_version_of: str | None,
    recursive: bool,
    jobs: int | None,
    as_json: bool,
) -> None:
    """Upload files.

    A name that is in the folder already becomes the file's next version; the same bytes are not
    sent again. Run the same command again to resume what was interrupted.
    """
    if as_version_of is not None and len(paths) != 1:
        raise click.UsageError("--as-version-of takes one file.")
    with signed_in(jobs=jobs, bars=True) as drive:
        results: Results
        if as_version_of is not None:
            results = [drive.put_version(paths[0], as_version_of)]
        else:
            results = drive.put(paths, to=to, recursive=recursive)
    _show(context, results, as_json)


@click.command()
@click.argument("names", metavar="X...", nargs=-1, required=True)
@click.option(
    "-o",
    "--output-dir",
    type=click.Path(path_type=Path),
    default=Path(),
    help="The local folder; the current one if not given.",
)
@click.option("-r", "--recursive", is_flag=True, help="Download folders with all that is in them.")
@click.option("--version", type=click.IntRange(1), help="This version, not the newest.")
@click.option("--force", is_flag=True, help="Replace local files.")
@jobs_option
@json_option
@click.pass_context
def get(
    context: click.Context,
    names: tuple[str, ...],
    output_dir: Path,
    recursive: bool,
    version: int | None,
    force: bool,
    jobs: int | None,
    as_json: bool,
) -> None:
    """Download files, named by path or id.

    Each is written to a .part file first, and gets its name when its SHA-256 is right. Run the same
    command again to resume what was interrupted.
    """
    if version is not None and len(names) != 1:
        raise click.UsageError("--version takes one file.")
    with signed_in(jobs=jobs, bars=True) as drive:
        results = drive.get(names, output_dir, recursive=recursive, version=version, force=force)
    _show(context, results, as_json)


@click.command()
@click.argument("folder", metavar="LOCAL", type=click.Path(path_type=Path, file_okay=False))
@click.argument("remote", metavar="/REMOTE")
@click.option("--down", is_flag=True, help="Change LOCAL; without it the drive is changed.")
@click.option("--delete", is_flag=True, help="Delete what the other side does not have.")
@click.option("--dry-run", is_flag=True, help="Only print what would be done.")
@jobs_option
@json_option
@click.pass_context
def sync(
    context: click.Context,
    folder: Path,
    remote: str,
    down: bool,
    delete: bool,
    dry_run: bool,
    jobs: int | None,
    as_json: bool,
) -> None:
    """Make the folder /REMOTE of the drive like the local one, or with --down the other way.

    Files are compared by size and SHA-256. What --delete removes from the drive is in its trash;
    local files are gone.
    """
    with signed_in(jobs=jobs, bars=not dry_run) as drive:
        comparison = drive.compare(folder, remote, "down" if down else "up", delete=delete)
        results: Results = []
        if not dry_run:
            results = drive.synchronize(comparison, folder, remote)
    if as_json:
        output.show_json(_plan_json(comparison) | {"results": [_json(each) for each in results]})
    else:
        for step in comparison.steps:
            click.echo(f"{step.do:8}{output.shown('/'.join(step.names))}")
        click.echo(f"{len(comparison.steps)} to change, {comparison.alike} alike already.")
    _exit(context, results)


def _show(context: click.Context, results: Results, as_json: bool) -> None:
    ordered = sorted(results, key=lambda result: str(result.path))
    if as_json:
        output.show_json([_json(result) for result in ordered])
    else:
        for result in ordered:
            if not isinstance(result, Failed):
                click.echo(
                    f"{output.shown(result.path)}: version {result.version}, {_what(result)}"
                )
    _exit(context, ordered)


def _exit(context: click.Context, results: Results) -> None:
    """Print what failed, and end with the status that says so."""
    failed = [result for result in results if isinstance(result, Failed)]
    for each in failed:
        output.fail_line(each.error, each.path)
    context.exit(exit_of_all(each.error for each in failed))


def _what(result: Uploaded | Downloaded) -> str:
    if result.outcome == "unchanged":
        return "there already"
    return output.size(result.size)


def _json(result: Uploaded | Downloaded | Failed) -> dict[str, Any]:
    if isinstance(result, Failed):
        return {
            "path": output.shown(result.path),
            "outcome": "failed",
            "error": output.error_json(result.error),
        }
    members: dict[str, Any] = dict(vars(result))
    return members | {"path": output.shown(result.path)}


def _plan_json(comparison: Comparison) -> dict[str, Any]:
    steps = [
        {"do": step.do, "path": output.shown("/".join(step.names)), "size": step.size}
        for step in comparison.steps
    ]
    return {"direction": comparison.direction, "alike": comparison.alike, "steps": steps}
