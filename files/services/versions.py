"""The two functions that write the denormalized columns of `files`."""

from __future__ import annotations

from django.db import transaction

from files.models import File, FileVersion, Integrity

_DENORMALIZED = (
    "version_current",
    "key_current",
    "size",
    "content_type",
    "checksum",
    "integrity",
    "updated_at",
)


def set_current_version(file: File, version: FileVersion) -> None:
    """Make `version` the current one of `file` and save it; an existing file must be locked."""
    file.version_current = version.version
    file.key_current = version.key
    file.size = version.size
    file.content_type = version.content_type
    file.checksum = version.checksum
    file.integrity = version.integrity
    file.updated_at = version.created_at
    if version.version == 1:
        file.save(force_insert=True)
    else:
        file.save(update_fields=_DENORMALIZED)


def settle_integrity(*, version: FileVersion, integrity: Integrity) -> bool:
    """Set `integrity` on `version`, and on its file if that is the newest version.

    Returns False and changes nothing when the row pins another object version by now: a finding
    about one object version says nothing about another.
    """
    with transaction.atomic():
        # The file first, as in a commit, which may be adding a version to it at this moment.
        file = File.objects.select_for_update(no_key=True).get(pk=version.file_id)
        settled = FileVersion.objects.filter(
            pk=version.pk, store_version_id=version.store_version_id
        ).update(integrity=integrity)
        if settled and file.version_current == version.version:
            File.objects.filter(pk=file.pk).update(integrity=integrity)
    return bool(settled)
