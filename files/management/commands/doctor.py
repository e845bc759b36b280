"""`manage.py doctor`: does the store of the settings do what the service relies on?"""

from __future__ import annotations

import json
from argparse import ArgumentParser
from contextlib import closing
from dataclasses import asdict
from textwrap import wrap
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from files.store.config import StoreConfig
from files.store.ops.doctor import CHECKS, Doctor, Finding

_MARKS = {"ok": "✔", "fail": "✘", "note": "–"}
_PLAIN_MARKS = {"ok": "ok", "fail": "FAIL", "note": "note"}
_WIDTH = max(len(check.name) for check in CHECKS)


class Command(BaseCommand):
    help = (
        "Ask the store of the settings for everything that the service relies on, with throw-away "
        "objects that are removed again. Exit 0: all of it is there; 1: something is missing."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="print JSON in place of a table")

    def handle(self, *args: Any, json: bool, **options: Any) -> None:
        try:
            own = settings.PUBLIC_URL or "https://example.org"
            origins = [own, *settings.CORS_ALLOWED_ORIGINS]
            doctor = Doctor(StoreConfig.from_settings(), origins=origins)
        except ValueError as error:
            raise CommandError(
                f"MINIO_ENDPOINT, MINIO_REGION or MINIO_BUCKET is not valid: {error}"
            ) from None
        findings = []
        # Closed at once, so that what was made in the store is removed after Ctrl-C, too.
        with closing(doctor.run()) as examination:
            for finding in examination:
                findings.append(finding)
                if not json:
                    self._print(finding)
        if json:
            self._print_json(findings)
        if any(finding.status == "fail" for finding in findings):
            raise SystemExit(1)

    def _print(self, finding: Finding) -> None:
        encoding = getattr(self.stdout, "encoding", None) or "utf-8"
        marks = _MARKS
        try:
            "".join(marks.values()).encode(encoding)
        except UnicodeEncodeError:
            marks = _PLAIN_MARKS
        mark = marks[finding.status].ljust(max(map(len, marks.values())))
        lines = [f"{mark} {finding.name.ljust(_WIDTH)}  {finding.detail}"]
        if finding.meaning is not None:
            indent = " " * (len(mark) + _WIDTH + 3)
            lines += wrap(finding.meaning, 100, initial_indent=indent, subsequent_indent=indent)
        for line in lines:
            self.stdout.write(line.encode(encoding, "replace").decode(encoding))

    def _print_json(self, findings: list[Finding]) -> None:
        ok = all(finding.status != "fail" for finding in findings)
        self.stdout.write(
            json.dumps({"ok": ok, "checks": [asdict(finding) for finding in findings]}, indent=2)
        )
