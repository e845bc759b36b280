"""The only two functions that write what `files` repeats of the newest version."""

from __future__ import annotations

from django.db import transaction

from files.models import File, FileVersion, Integrity

_REPEATED = (
    "version_current",
    "key_current",
    "size",
    "content_type",
    "checksum",
    "integrity",
    "updated_at",
)


def set_current_version(file: File, version: FileVersion) -> None:
    """Move `file` to `version` and save it: a new file is inserted, another one must be locked."""
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
        file.save(update_fields=_REPEATED)


def settle_integrity(*, version: FileVersion, integrity: Integrity) -> bool:
    """Record how the checksum of `version` is known now, and on its file if it is the newest.

    False, and nothing is changed, where the row pins another object version by now: what was
    found of the one says nothing of the other.
    """
    with transaction.atomic():
        # The file first, as a commit locks it: it may be moving to its next version just now.
        file = File.objects.select_for_update(no_key=True).get(pk=version.file_id)
        settled = FileVersion.objects.filter(
            pk=version.pk, store_version_id=version.store_version_id
        ).update(integrity=integrity)
        if settled and file.version_current == version.version:
            File.objects.filter(pk=file.pk).update(integrity=integrity)
    return bool(settled)
