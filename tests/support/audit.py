"""Holds every row of a service's database against the others and against the store.

Runs in a process of its own, with the service's settings: `python -m tests.support.audit` prints
what is wrong, a line each, and ends with 1 if there is anything.
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
    found = [*_files(), *_versions(), *_uploads(), *_shares()]
    print("\n".join(found))
    return 1 if found else 0


def _files() -> Iterator[str]:
    from files.models import File

    for file in File.objects.all():
        versions = list(file.versions.order_by("version"))
        numbers = [version.version for version in versions]
        if numbers != list(range(1, len(versions) + 1)):
            yield f"{file.pk}: has the versions {numbers}"
            continue
        if not versions:
            yield f"{file.pk}: has no version"
            continue
        newest = versions[-1]
        repeated = (
            (file.version_current, newest.version),
            (file.key_current, newest.key),
            (file.size, newest.size),
            (file.content_type, newest.content_type),
            (file.checksum, newest.checksum),
            (file.integrity, newest.integrity),
        )
        if any(ours != theirs for ours, theirs in repeated):
            yield f"{file.pk}: differs from its newest version: {repeated}"


def _versions() -> Iterator[str]:
    from files.models import FileVersion, Integrity
    from files.store.client import object_store

    for version in FileVersion.objects.select_related("upload", "file"):
        stored = object_store().head(version.key, version_id=version.store_version_id)
        if stored is None:
            yield f"{version}: its object version is not there"
            continue
        if (stored.size, stored.etag) != (version.size, version.etag):
            yield f"{version}: {version.size} bytes, in the store {stored.size}, or another ETag"
        read = object_store().sha256(
            version.key, version_id=version.store_version_id, per_read_timeout_only=True
        )
        if version.integrity != Integrity.CORRUPT and read != version.checksum:
            yield f"{version}: its bytes are not those of its checksum"
        upload = getattr(version, "upload", None)
        if upload is None:
            yield f"{version}: no upload was committed as it"
        elif upload.user_id != version.file.user_id or upload.key != version.key:
            yield f"{version}: its upload is of another user or key"


def _uploads() -> Iterator[str]:
    from files.models import Upload

    for upload in Upload.objects.select_related("file_version"):
        version = upload.file_version
        if (upload.state == Upload.State.COMMITTED) != (version is not None):
            yield f"{upload}: {upload.state}, version {version}"
        elif version is not None and version.size != upload.size:
            yield f"{upload}: was committed with another size"
        elif version is not None and upload.file_id not in (None, version.file_id):
            yield f"{upload}: was committed to another file"


def _shares() -> Iterator[str]:
    from files.models import Share, ShareEvent

    for share in Share.objects.all():
        downloads = share.events.filter(what=ShareEvent.What.DOWNLOADED).count()
        if downloads != share.download_count:
            yield f"{share}: {share.download_count} downloads, {downloads} recorded"


if __name__ == "__main__":
    sys.exit(main())
