"""`manage.py audit`: hold the rows of the database and the objects in the store to each other."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import Error
from django.utils import timezone
from tqdm import tqdm

from files.exceptions import StoreUnavailableError
from files.services.auditing import AGES, KINDS, Audit, audit
from remotedrive.sizes import written_size


class Command(BaseCommand):
    help = (
        "Compare every row with the store and every object version with the rows, and count the "
        "object versions: pinned by a version, waiting to be collected, of an upload in flight, "
        "or unknown. Nothing is changed; the service may run. Exit status: 0 nothing is missing "
        "or wrong; 1 something is, a line each; 2 not finished: store or database failed."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="print the counts as JSON")

    def handle(self, *args: Any, json: bool, **options: Any) -> None:
        stopped = ""
        with tqdm(unit=" objects", disable=None) as bar:

            def say(line: str) -> None:
                with bar.external_write_mode():
                    (self.stderr if json else self.stdout).write(line)

            run = Audit(now=timezone.now(), say=say, progress=bar.update)
            try:
                audit(run=run)
            except StoreUnavailableError:
                stopped = "the store does not answer, or has no such bucket"
            except Error as error:
                stopped = f"the database failed: {str(error).partition(chr(10))[0]}"
        self.stdout.write(_as_json(run) if json else _as_text(run))
        if stopped:
            raise CommandError(f"{stopped}; run it again", returncode=2)
        if run.wrong:
            raise SystemExit(1)


def _as_json(run: Audit) -> str:
    objects = {
        kind: {
            age: {"objects": run.objects[kind, age], "bytes": run.sizes[kind, age]} for age in AGES
        }
        for kind in KINDS
    }
    return json.dumps({"wrong": dict(run.wrong), "objects": objects})


def _as_text(run: Audit) -> str:
    lines = []
    for kind in KINDS:
        number = sum(run.objects[kind, age] for age in AGES)
        size = sum(run.sizes[kind, age] for age in AGES)
        old = run.objects[kind, AGES[-1]]
        lines.append(
            f"{kind.replace('_', ' ')}: {number} objects, {written_size(size)}"
            + (f" ({old} older than a week)" if old else "")
        )
    wrong = ", ".join(f"{number} {kind}" for kind, number in sorted(run.wrong.items()))
    return "\n".join([*lines, f"wrong: {wrong or 'nothing'}"])
