"""Runs of the collector at another time, and what the bucket then has.

As a process of its own: `python -m tests.support.garbage DAYS` collects as if it were so many days
later, and prints the counts, and what of pins and bucket does not agree then. With a second number
it kills itself the moment the collector has named or deleted something for so many times.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import django
from django.conf import settings
from django.utils import timezone

from tests.support.object_store import make_s3

LATER = timedelta(days=60)
"""Long enough for every URL to expire and every delay to be over."""


def collect(
    *, after: timedelta = timedelta(), now: datetime | None = None, **options: Any
) -> tuple[dict[str, int], list[str]]:
    """Run the collector so much later than now; return what it counted, and what it named.

    `options` are those of `Run`, and `every_day`.
    """
    from files.services.collector import collect_garbage
    from files.services.garbage import COUNTED, Run

    names: list[str] = []
    every_day = options.pop("every_day", False)
    options.setdefault("name", names.append)
    run = Run(now=(now or timezone.now()) + after, **options)
    collect_garbage(run=run, every_day=every_day)
    return {what: run.counts[what] for what in COUNTED}, names


def stored(prefix: str = "uploads/") -> set[tuple[str, str]]:
    """Return key and version id of all object versions and delete markers in the bucket."""
    return {(each["Key"], each["VersionId"]) for each in _versions(prefix)}


def multipart_uploads() -> set[str]:
    """Return the keys of the bucket's multipart uploads."""
    pages = make_s3().get_paginator("list_multipart_uploads").paginate(Bucket=settings.MINIO_BUCKET)
    return {each["Key"] for page in pages for each in page.get("Uploads", ())}


def pinned() -> set[tuple[str, str]]:
    """Return what live rows pin."""
    from files.models import FileVersion

    return set(FileVersion.objects.live().values_list("key", "store_version_id"))


def _versions(prefix: str) -> Iterator[dict[str, Any]]:
    pages = (
        make_s3()
        .get_paginator("list_object_versions")
        .paginate(Bucket=settings.MINIO_BUCKET, Prefix=prefix)
    )
    for page in pages:
        yield from [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]


def main() -> None:
    django.setup()
    days, *die_at = (int(argument) for argument in sys.argv[1:])
    happened = 0

    def happens(what: object) -> None:
        nonlocal happened
        happened += 1
        if happened in die_at:
            os.kill(os.getpid(), signal.SIGKILL)

    options: dict[str, Any] = {"name": happens} if die_at else {}
    counts, _ = collect(after=timedelta(days=days), progress=happens, **options)
    found = {
        "counts": counts,
        "missing": sorted(pinned() - stored()),
        "left": sorted(stored() - pinned()),
        "multipart": sorted(multipart_uploads()),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
