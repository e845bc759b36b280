"""Holds every row of a service's database against the others and against the store.

Beside what `manage.py audit` looks at, it reads all bytes back. Runs in a process of its own, with
the service's settings: `python -m tests.support.audit` prints what is wrong, a line each, and ends
with 1 if there is anything.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping

import django


def audit(environment: Mapping[str, str]) -> None:
    """Assert that nothing is wrong with the service that runs with `environment`."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.audit"],
        env=dict(environment),
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def main() -> int:
    django.setup()
    found = [*_audited(), *_versions(), *_shares(), *_folders()]
    print("\n".join(found))
    return 1 if found else 0


def _audited() -> list[str]:
    from django.utils import timezone

    from files.services.auditing import Audit, audit

    found: list[str] = []
    audit(run=Audit(now=timezone.now(), say=found.append))
    # A test may have said so of a version, and holds that by itself.
    return [line for line in found if not line.startswith("corrupt: ")]


def _versions() -> Iterator[str]:
    from files.models import FileVersion, Integrity
    from files.store.client import object_store

    live = FileVersion.objects.live().exclude(integrity=Integrity.CORRUPT)
    for version in live.select_related("upload", "file"):
        read = object_store().sha256(
            version.key, version_id=version.store_version_id, per_read_timeout_only=True
        )
        if read != version.checksum:
            yield f"{version}: its bytes are not those of its checksum"
        upload = getattr(version, "upload", None)
        if upload is None:
            # What a copy was made of may be collected, rows and all.
            continue
        if upload.user_id != version.file.user_id:
            yield f"{version}: its upload is of another user"
        elif upload.file_id not in (None, version.file_id):
            yield f"{version}: its upload was for another file"


def _shares() -> Iterator[str]:
    from files.models import Share, ShareEvent

    for share in Share.objects.all():
        recorded = share.events.filter(what=ShareEvent.What.DOWNLOADED)
        downloads = sum(recorded.values_list("count", flat=True))
        if downloads != share.download_count:
            yield f"{share}: {share.download_count} downloads, {downloads} recorded"


def _folders() -> Iterator[str]:
    from files.models import File, Folder
    from files.models.folders import DEPTH_MAX

    parents = dict(Folder.objects.values_list("pk", "parent"))
    for folder in Folder.objects.filter(purged_at=None):
        depth, above = 1, parents[folder.pk]
        while above is not None and depth <= DEPTH_MAX:
            depth, above = depth + 1, parents[above]
        if depth > DEPTH_MAX and folder.deleted_at is None:
            yield f"{folder}: too deep, or in a loop"
    trashed = set(Folder.objects.trashed().values_list("pk", flat=True))
    for row in (*Folder.objects.trashed(), *File.objects.trashed()):
        if row.trashed_with is not None and row.trashed_with not in trashed:
            yield f"{row}: the folder with which it was trashed is not in the trash"


if __name__ == "__main__":
    sys.exit(main())
