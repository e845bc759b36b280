"""Lifecycle rules of a bucket: which of them delete object versions."""

from __future__ import annotations

from xml.etree import ElementTree


def deletes_versions(rules: bytes) -> bool:
    """Say whether a rule in force under `uploads/` deletes versions that a file may be pinned to.

    A rule for some tags counts: whoever uploads can tag. S3 LifecycleRule; the elements after the
    first are MinIO's.
    """
    # The operator's own store sent this, and the SDK parses its every response in the same way.
    root = ElementTree.fromstring(rules)  # noqa: S314
    for rule in root.iterfind("{*}Rule"):
        prefix = next((found.text or "" for found in rule.iterfind(".//{*}Prefix")), "")
        reaches = prefix.startswith("uploads/") or "uploads/".startswith(prefix)
        deletes = any(
            rule.find(f".//{{*}}{name}") is not None
            for name in ("NoncurrentVersionExpiration", "DelMarkerExpiration")
        ) or any(
            (found.text or "").strip().lower() == "true"
            for found in rule.iterfind(".//{*}ExpiredObjectAllVersions")
        )
        if rule.findtext("{*}Status") == "Enabled" and reaches and deletes:
            return True
    return False
