"""The questions of `manage.py doctor`: each asks the store, and returns what it saw, or raises.

Only `store_doctor` uses this, and it says what an answer means. What is said here holds no secret
and no signed URL.
"""

from __future__ import annotations

import hashlib
import time
from xml.etree import ElementTree

from files import checksums
from files.store.client import ObjectVersion
from files.store.ops.probe import EXPIRES_IN, Probe, Reply, reason
from files.store.presign import PresignedURL

CLOCK_NOTE = 30
"""Seconds between the store's clock and ours that are worth a note …"""
CLOCK_FAIL = 300
"""… and that break the URLs: a store may see them as expired, or 15 minutes on as from ahead."""

_DATA = b"Remote Drive asks: is it kept?"
_OTHER = b"These are other bytes, as many"
_CHECKSUM = checksums.from_digest(hashlib.sha256(_DATA).digest())


class CheckFailedError(Exception):
    """Something that the service rests on is missing. `meaning` replaces the check's."""

    def __init__(self, detail: str, meaning: str | None = None) -> None:
        super().__init__(detail)
        self.meaning = meaning


class CheckNotedError(Exception):
    """Good to know, and no more."""

    def __init__(self, detail: str, meaning: str) -> None:
        super().__init__(detail)
        self.meaning = meaning


class Questions:
    """Asked by `probe`, each in a `time_limit`; `origin` is that of a page that would upload.

    Each returns what it saw. Failed: it is not as it must be; Noted: not as it might be. What the
    store does to a connection comes through as it is.
    """

    def __init__(self, probe: Probe, *, origin: str) -> None:
        self._probe = probe
        self._access = probe.access
        self._origin = origin

    def store(self) -> str:
        try:
            self._probe.send("GET", f"{self._access.endpoint}/")
        except Exception as error:
            # Any error: those of ssl and http.client come through.
            raise CheckFailedError(
                f"{self._access.endpoint} does not answer ({reason(error)})"
            ) from error
        return f"{self._access.endpoint} answers"

    def clock(self) -> str:
        before = time.time()
        date = self._probe.send("GET", f"{self._access.endpoint}/").date
        if date is None:
            raise CheckNotedError(
                "the store does not say what time it has", "It could not be compared."
            )
        ahead = round(date.timestamp() - (before + time.time()) / 2)
        seen = f"the store's clock is {abs(ahead)} s {'ahead of' if ahead > 0 else 'behind'} ours"
        if abs(ahead) > CLOCK_FAIL:
            raise CheckFailedError(seen)
        if abs(ahead) > CLOCK_NOTE:
            raise CheckNotedError(
                seen, "Signed URLs live that much shorter or longer. Set the clocks."
            )
        return "the same here and there"

    def bucket(self) -> str:
        if not self._probe.service.bucket_state().exists:
            raise CheckFailedError(f"there is no bucket {self._access.bucket}")
        return f"{self._access.bucket} is there, and the service's key may use it"

    def versioning(self) -> str:
        if not self._probe.service.bucket_state().versioned:
            raise CheckFailedError("is not on")
        return "is on"

    def lifecycle(self) -> str:
        try:
            rules = self._probe.lifecycle()
        except Exception as error:
            raise CheckNotedError(
                f"the rules cannot be read ({reason(error)})",
                "Make sure that no rule deletes noncurrent versions: it would delete committed"
                " bytes.",
            ) from error
        if rules is not None and _deletes_versions(rules):
            raise CheckFailedError("a rule deletes versions that are not the newest")
        return "no rule deletes noncurrent versions"

    def upload(self) -> str:
        key = self._probe.key("upload")
        reply = self._probe.put(self._url_to_put(key), _DATA)
        if reply.status != 200:
            raise CheckFailedError(
                f"a presigned PUT to {self._access.public_endpoint} got {reply.text}"
            )
        found = self._probe.service.head(key)
        if found is None or found.size != len(_DATA):
            raise CheckFailedError(
                "a presigned PUT succeeded, and the service does not find the object",
                "MINIO_PUBLIC_ENDPOINT and MINIO_ENDPOINT lead to different stores.",
            )
        return f"a presigned PUT to {self._access.public_endpoint} is kept"

    def download(self) -> str:
        found = self._kept("download")
        reply = self._probe.send("GET", self._probe.url_to_get(found.key, found.version_id))
        if (reply.status, reply.body) != (200, _DATA):
            raise CheckFailedError(f"a presigned GET got {_seen(reply, _DATA)}")
        return "a presigned GET gives the same bytes"

    def overrides(self) -> str:
        found = self._kept("overrides")
        reply = self._probe.send("GET", self._probe.url_to_get(found.key, found.version_id))
        kind = reply.headers.get("content-type", "").partition(";")[0]
        disposition = reply.headers.get("content-disposition", "")
        if (reply.status, kind) != (200, "text/plain") or "doctor.txt" not in disposition:
            raise CheckFailedError(
                "a URL's content type and file name do not replace those of the PUT"
            )
        return "a URL's content type and file name replace those of the PUT"

    def signature(self) -> str:
        found = self._kept("signature")
        for url in (_forged(self._probe.url_to_get(found.key, found.version_id)), None):
            url = url or f"{self._access.public_endpoint}/{self._access.bucket}/{found.key}"
            reply = self._probe.send("GET", url)
            if reply.status < 400:
                raise CheckFailedError(f"a GET without a valid signature got {reply.text}")
        key = self._probe.key("forged")
        self._refused(key, self._probe.send("PUT", _forged(self._url_to_put(key).url), body=_DATA))
        return "a changed or missing signature is refused"

    def length(self) -> str:
        for name, body in (("shorter", _DATA[:-1]), ("longer", _DATA + b"!")):
            key = self._probe.key(name)
            self._refused(key, self._probe.put(self._url_to_put(key), body))
        return "a body of another length is refused"

    def checksum(self) -> str:
        self._kept_bound("checksum")
        key = self._probe.key("other-bytes")
        self._refused(key, self._probe.put(self._url_to_put(key, _CHECKSUM), _OTHER))
        return "other bytes than declared are refused"

    def algorithm(self) -> str:
        key = self._probe.key("algorithm")
        signed = self._url_to_put(key, _CHECKSUM)
        self._refused(key, self._probe.put(signed, _OTHER, x_amz_checksum_algorithm="CRC32"))
        return "another checksum algorithm than signed is refused"

    def once(self) -> str:
        found = self._kept_bound("once")
        reply = self._probe.put(self._url_to_put(found.key, _CHECKSUM), _DATA)
        if reply.status < 300:
            raise CheckNotedError(
                "a second PUT with If-None-Match: * is accepted",
                "An upload URL can be used again until it expires. It costs space and changes no"
                " committed bytes.",
            )
        if reply.status >= 500:
            raise CheckFailedError(f"a second PUT with If-None-Match: * got {reply.text}")
        return f"a second PUT with If-None-Match: * is refused ({reply.text})"

    def pinned(self) -> str:
        first = self._kept("pinned")
        if self._probe.put(self._url_to_put(first.key), _OTHER).status != 200:
            raise CheckFailedError("an object cannot be overwritten, so nothing can be said")
        second = self._probe.service.head(first.key)
        reply = self._probe.send("GET", self._probe.url_to_get(first.key, first.version_id))
        if second is None or second.version_id == first.version_id or reply.body != _DATA:
            raise CheckFailedError(
                f"after an overwrite the version before it got {_seen(reply, _DATA)}"
            )
        return "a version stays readable after an overwrite"

    def copy(self) -> str:
        source, key = self._kept("source"), self._probe.key("copy")
        reply = self._probe.put(
            self._url_to_put(key, size=0),
            b"",
            x_amz_copy_source=f"/{self._access.bucket}/{source.key}",
        )
        if reply.status >= 500:
            raise CheckFailedError(f"could not be told: {reply.text}")
        copied = self._probe.service.head(key)
        if copied is not None and copied.size:
            raise CheckFailedError(
                "a presigned PUT with x-amz-copy-source is carried out as a copy"
            )
        if not self._access.upload_access_key:
            raise CheckNotedError(
                f"this store refuses x-amz-copy-source on a presigned PUT ({reply.text})",
                "Safe while it goes on doing so: the key that signs uploads may read. Set"
                " MINIO_UPLOAD_ACCESS_KEY, and it does not depend on the store.",
            )
        return f"x-amz-copy-source on a presigned PUT copies nothing ({reply.text})"

    def upload_key(self) -> str:
        if not self._access.upload_access_key:
            raise CheckNotedError(
                "none is set, so the service's own key signs uploads",
                "Every upload URL names a key that may do all. Set MINIO_UPLOAD_ACCESS_KEY and"
                " MINIO_UPLOAD_SECRET_KEY; manage.py bootstrap_store makes that key on MinIO.",
            )
        found = self._kept("secret")
        url = self._probe.url_to_get(found.key, found.version_id, self._probe.uploads)
        reply = self._probe.send("GET", url)
        if reply.status != 403:
            raise CheckFailedError(f"a GET signed with it got {reply.text}")
        return "cannot read"

    def multipart(self) -> str:
        key = self._probe.key("multipart")
        upload_id = self._probe.create_multipart(key)
        signed = self._probe.uploads.part(
            key, upload_id=upload_id, part_number=1, size=len(_DATA), expires_in=EXPIRES_IN
        )
        reply = self._probe.put(signed, _DATA + b"!")
        if not 400 <= reply.status < 500 or self._part_sizes(key, upload_id):
            raise CheckFailedError(f"a part of another length than signed got {reply.text}")
        reply = self._probe.put(signed, _DATA)
        if reply.status != 200 or self._part_sizes(key, upload_id) != [len(_DATA)]:
            raise CheckFailedError(f"a presigned part got {reply.text}, or is not listed")
        if not self._probe.complete_multipart(key):
            raise CheckFailedError("an upload whose parts are listed cannot be completed")
        found = self._probe.service.head(key)
        if found is None or self._probe.service.sha256(key, version_id=found.version_id) != (
            _CHECKSUM
        ):
            raise CheckFailedError("a completed upload does not read back as its parts")
        return "begun, sent, listed, completed and read back; a wrong length is refused"

    def attestation(self) -> str:
        if self._kept_bound("attestation").sha256 != _CHECKSUM:
            raise CheckNotedError(
                "the store does not say which SHA-256 an object has",
                "Commits read what was uploaded, up to COMMIT_READ_MAX, and record integrity `read`"
                " in place of `store`. What is larger is `declared`, for verify_checksums.",
            )
        return "the store says which SHA-256 an object has"

    def cors(self) -> str:
        signed = self._url_to_put(self._probe.key("cors"), _CHECKSUM)
        names = sorted(name.lower() for name in signed.headers)
        asked = {
            "Origin": self._origin,
            "Access-Control-Request-Method": "PUT",
            "Access-Control-Request-Headers": ",".join(names),
        }
        reply = self._probe.send("OPTIONS", signed.url, headers=asked)
        methods = _listed(reply, "access-control-allow-methods")
        allowed = _listed(reply, "access-control-allow-headers")
        if not (
            reply.status < 300
            and reply.headers.get("access-control-allow-origin") in ("*", self._origin)
            and methods & {"*", "put"}
            and ("*" in allowed or allowed.issuperset(names))
        ):
            raise CheckNotedError(
                f"pages of {self._origin} may not PUT with the checksum headers",
                "Only browsers ask. If pages are to upload, allow it in the store's CORS settings.",
            )
        return f"pages of {self._origin} may PUT"

    def _url_to_put(
        self, key: str, checksum: str | None = None, *, size: int = len(_DATA)
    ) -> PresignedURL:
        return self._probe.uploads.put(key, size=size, checksum=checksum, expires_in=EXPIRES_IN)

    def _kept(self, name: str) -> ObjectVersion:
        """PUT the data under a key of that name, and find it."""
        key = self._probe.key(name)
        return self._found(key, self._probe.put(self._url_to_put(key), _DATA))

    def _kept_bound(self, name: str) -> ObjectVersion:
        """The same, with the checksum signed."""
        key = self._probe.key(name)
        reply = self._probe.put(self._url_to_put(key, _CHECKSUM), _DATA)
        if reply.status != 200:
            raise CheckFailedError(
                f"a PUT with the checksum headers and If-None-Match got {reply.text}",
                "Uploads with a checksum do not work with this store.",
            )
        return self._found(key, reply)

    def _found(self, key: str, reply: Reply) -> ObjectVersion:
        found = self._probe.service.head(key) if reply.status == 200 else None
        if found is None:
            raise CheckFailedError(f"a presigned PUT got {reply.text}, and nothing is kept")
        return found

    def _refused(self, key: str, reply: Reply) -> None:
        if not 400 <= reply.status < 500 or self._probe.service.head(key) is not None:
            raise CheckFailedError(f"a PUT that must be refused got {reply.text}")

    def _part_sizes(self, key: str, upload_id: str) -> list[int]:
        parts = self._probe.service.list_parts(key, upload_id=upload_id) or []
        return [part.size for part in parts]


def _forged(url: str) -> str:
    """The URL with the last digit of its signature changed."""
    return url[:-1] + ("0" if url[-1] != "0" else "1")


def _listed(reply: Reply, header: str) -> set[str]:
    return {item.strip().lower() for item in reply.headers.get(header, "").split(",")}


def _seen(reply: Reply, expected: bytes) -> str:
    other = reply.status == 200 and reply.body != expected
    return f"{reply.text} and other bytes" if other else reply.text


def _deletes_versions(rules: bytes) -> bool:
    """Say whether a rule in force under `uploads/` deletes versions that a file may be pinned to.

    A rule for some tags counts: whoever uploads can tag. S3 LifecycleRule; the elements after the
    first are MinIO's.
    """
    # The operator's own store says this, and the SDK parses its every answer in the same way.
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
