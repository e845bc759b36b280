"""Asks a store for everything that the service relies on, for `manage.py doctor`.

Nothing that serves a request may import this. `CHECKS` holds, in order, each question and what it
means to users when the answer is not as it must be.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Literal

from files.store import transport
from files.store.ops.probe import PREFIX, Probe, StoreAccess, reason
from files.store.ops.questions import CheckFailedError, CheckNotedError, Questions


@dataclass(frozen=True)
class Finding:
    """One check: what was seen, and, unless it is `ok`, what that means and what to do."""

    name: str
    status: Literal["ok", "fail", "note"]
    detail: str
    meaning: str | None = None


class Doctor:
    """Examines the store of `access`; `origin` is that of a web page that would upload to it.

    Raises ValueError for an endpoint or region that cannot be.
    """

    def __init__(self, access: StoreAccess, *, origin: str) -> None:
        self._timeout = access.timeout
        self._probe = Probe(access)
        self._questions = Questions(self._probe, origin=origin)

    def run(self) -> Generator[Finding, None, None]:
        """Give one finding after the other, and at the end remove all that was made for them.

        Each takes at most the timeout. After one without which the rest says nothing, no more come.
        """
        try:
            for check in CHECKS:
                finding = self._finding(check)
                yield finding
                if finding.status == "fail" and check.essential:
                    break
        finally:
            left = self._clean_up()
        if left is not None:
            yield left

    def _finding(self, check: Check) -> Finding:
        try:
            with transport.deadline(self._timeout):
                return Finding(check.name, "ok", check.ask(self._questions))
        except CheckFailedError as failed:
            return Finding(check.name, "fail", str(failed), failed.meaning or check.meaning)
        except CheckNotedError as noted:
            return Finding(check.name, "note", str(noted), noted.meaning)
        except Exception as error:
            # Any error: the SDK lets those of ssl, http.client, XML and int() through.
            detail = f"the store did not answer as it should ({reason(error)})"
            return Finding(check.name, "fail", detail, check.meaning)

    def _clean_up(self) -> Finding | None:
        try:
            self._probe.clean_up()
        except Exception as error:
            return Finding(
                "clean-up",
                "note",
                f"could not be done ({reason(error)})",
                f"Throw-away objects are left under {PREFIX}. The service's key must be able to"
                " list and delete object versions, and to abort multipart uploads.",
            )
        return None


@dataclass(frozen=True)
class Check:
    """A question to the store, and what it means when the answer is not as it must be."""

    name: str
    ask: Callable[[Questions], str]
    meaning: str
    essential: bool = False
    """Without it, the checks after it say nothing."""


CHECKS = (
    Check(
        "store",
        Questions.store,
        "Nothing can be uploaded, committed or downloaded. Is it running, and MINIO_ENDPOINT its"
        " address?",
        essential=True,
    ),
    Check(
        "clock",
        Questions.clock,
        "The store takes the service's URLs as expired, or not yet valid. Set the clocks (NTP).",
    ),
    Check(
        "bucket",
        Questions.bucket,
        "The service cannot use its bucket. See MINIO_BUCKET, MINIO_ACCESS_KEY, MINIO_SECRET_KEY"
        " and MINIO_REGION; manage.py bootstrap_store makes a bucket.",
        essential=True,
    ),
    Check(
        "versioning",
        Questions.versioning,
        "A later PUT would replace committed bytes. manage.py bootstrap_store turns it on.",
        essential=True,
    ),
    Check(
        "lifecycle",
        Questions.lifecycle,
        "The store will delete committed bytes: a committed version need not be the newest of its"
        " key. Remove the rule (NoncurrentVersionExpiration) from the bucket.",
    ),
    Check(
        "upload",
        Questions.upload,
        "Clients cannot upload. MINIO_PUBLIC_ENDPOINT must be the store's address for clients, and"
        " reachable from here for this check; the key that signs uploads must be able to PUT.",
        essential=True,
    ),
    Check("download", Questions.download, "Clients cannot download."),
    Check(
        "overrides",
        Questions.overrides,
        "Downloads lose their names, and whoever uploads decides whether a browser runs a file as"
        " a page.",
    ),
    Check(
        "signature",
        Questions.signature,
        "Whoever knows or guesses a key can read or write files. Is the bucket public?",
    ),
    Check("length", Questions.length, "Clients can store more bytes than they announced."),
    Check(
        "checksum",
        Questions.checksum,
        "The store keeps other bytes than declared; only commit would find out.",
    ),
    Check(
        "algorithm",
        Questions.algorithm,
        "A client can make the store skip the checksum, and keep other bytes than declared.",
    ),
    Check("once", Questions.once, "Whether the store refuses a second PUT could not be told."),
    Check("pinned", Questions.pinned, "A later PUT takes the committed bytes away."),
    Check(
        "copy",
        Questions.copy,
        "Whoever has an upload URL can read any object through it. Set MINIO_UPLOAD_ACCESS_KEY and"
        " MINIO_UPLOAD_SECRET_KEY to a key that may only PUT under uploads/; manage.py"
        " bootstrap_store makes it on MinIO.",
    ),
    Check(
        "upload key",
        Questions.upload_key,
        "It must only be able to PUT under uploads/: its bearer could read everyone's files.",
    ),
    Check("multipart", Questions.multipart, "Files over 5 GiB, and uploads in parts, do not work."),
    Check("attestation", Questions.attestation, "Whether the store attests could not be told."),
    Check("CORS", Questions.cors, "Whether web pages may upload could not be told."),
)
