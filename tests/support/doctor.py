"""`manage.py doctor` run in the test's process, and what it leaves in the store."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from django.conf import settings
from django.core.management import call_command

# The command measures the checks when it is loaded, which must be before a test takes some away.
import files.management.commands.doctor  # noqa: F401
from files.store.ops import doctor as store_doctor
from files.store.ops.doctor import CHECKS, Finding
from files.store.ops.probe import PREFIX
from tests.support.object_store import make_s3


@dataclass
class Report:
    """What the command printed and its exit status."""

    status: int
    text: str

    @property
    def findings(self) -> dict[str, Finding]:
        return {check["name"]: Finding(**check) for check in json.loads(self.text)["checks"]}

    def names(self, status: str) -> set[str]:
        return {name for name, found in self.findings.items() if found.status == status}


def doctor(*arguments: str, only: str | None = None) -> Report:
    """Run the command; with `only`, with no more than these checks of it, to be quick."""
    out = io.StringIO()
    status = 0
    with pytest.MonkeyPatch.context() as patch:
        if only is not None:
            wanted = [check for check in CHECKS if check.name in only.split(", ")]
            patch.setattr(store_doctor, "CHECKS", wanted)
        try:
            call_command("doctor", *arguments, stdout=out)
        except SystemExit as end:
            status = int(str(end.code))
    return Report(status, out.getvalue())


def left_behind(s3: Any, bucket: str) -> list[str]:
    """Versions, delete markers and multipart uploads under the doctor's prefix."""
    listed = s3.list_object_versions(Bucket=bucket, Prefix=PREFIX)
    versions = listed.get("Versions", []) + listed.get("DeleteMarkers", [])
    begun = s3.list_multipart_uploads(Bucket=bucket).get("Uploads", [])
    return [found["Key"] for found in versions + begun if found["Key"].startswith(PREFIX)]


@pytest.fixture(autouse=True, scope="module")
def nothing_left(store: object) -> Iterator[None]:
    """Hold the tests of a module to leave nothing of the doctor's in the store."""
    before = left_behind(make_s3(), settings.MINIO_BUCKET)
    yield
    assert left_behind(make_s3(), settings.MINIO_BUCKET) == before
