"""What `manage.py doctor` checks of the store, the credentials and the bucket.

See `doctor_checks.py`.
"""

from __future__ import annotations

import time

from files.store.credentials import credential_source
from files.store.ops.examination import CheckFailedError, CheckNotedError, Examination, check
from files.store.ops.lifecycle import deletes_versions
from files.store.ops.probe import reason

CLOCK_NOTE = 30
"""Seconds by which the clocks may differ without a note."""
CLOCK_FAIL = 300
"""Seconds by which they may differ without a failure: URLs would be expired, or not valid yet."""


@check(
    "store",
    "Nothing can be uploaded, committed or downloaded. Is it running, and MINIO_ENDPOINT its "
    "address?",
    essential=True,
)
def store(at: Examination) -> str:
    """The store answers at `MINIO_ENDPOINT`."""
    try:
        at.probe.send("GET", f"{at.config.endpoint}/")
    except Exception as error:
        # Any error: those of ssl and http.client come through.
        raise CheckFailedError(f"{at.config.endpoint} does not answer ({reason(error)})") from error
    return f"{at.config.endpoint} answers"


@check(
    "clock",
    "The store takes the service's URLs as expired, or not yet valid. Set the clocks (NTP).",
)
def clock(at: Examination) -> str:
    """The store's clock and ours differ by at most 5 minutes; more than 30 s is a note."""
    before = time.time()
    date = at.probe.send("GET", f"{at.config.endpoint}/").date
    if date is None:
        raise CheckNotedError(
            "the store does not say what time it has", "It could not be compared."
        )
    ahead = round(date.timestamp() - (before + time.time()) / 2)
    seen = f"the store's clock is {abs(ahead)} s {'ahead of' if ahead > 0 else 'behind'} ours"
    if abs(ahead) > CLOCK_FAIL:
        raise CheckFailedError(seen)
    if abs(ahead) > CLOCK_NOTE:
        raise CheckNotedError(seen, "Signed URLs live that much shorter or longer. Set the clocks.")
    return "the same here and there"


@check(
    "credentials",
    "The service can neither sign nor call. With MINIO_CREDENTIALS=chain the machine, the pod or "
    "the environment must give credentials, within seconds.",
    essential=True,
)
def credentials(at: Examination) -> str:
    """There are credentials. A session token without a known end is a note."""
    found = credential_source(at.config)()
    if found.expires_at is not None:
        minutes = round((found.expires_at - time.time()) / 60)
        return f"temporary, for {minutes} more minutes; no URL is valid for longer"
    if found.session_token is not None:
        raise CheckNotedError(
            "there is a session token, and nothing says when it ends",
            "After that nothing works until another one is set, and URLs may say that they are "
            "valid for longer. A role of the pod or the machine renews its credentials by itself.",
        )
    if at.config.access_key is None:
        return "found, and without an end"
    return "MINIO_ACCESS_KEY's"


@check(
    "bucket",
    "The service cannot use its bucket. See MINIO_BUCKET, MINIO_ADDRESSING, MINIO_ACCESS_KEY, "
    "MINIO_SECRET_KEY and MINIO_REGION; manage.py bootstrap_store makes a bucket.",
    essential=True,
)
def bucket(at: Examination) -> str:
    """The bucket is there, and the service's key may use it."""
    if not at.probe.service.bucket_state().exists:
        raise CheckFailedError(f"there is no bucket {at.config.bucket}")
    return f"{at.config.address.url()} is there, and the service's key may use it"


@check(
    "versioning",
    "A later PUT would replace committed bytes. manage.py bootstrap_store turns it on.",
    essential=True,
)
def versioning(at: Examination) -> str:
    """The bucket keeps versions."""
    if not at.probe.service.bucket_state().versioned:
        raise CheckFailedError("is not on")
    return "is on"


@check(
    "lifecycle",
    "The store will delete committed bytes: a committed version need not be the newest of its "
    "key. Remove the rule (NoncurrentVersionExpiration) from the bucket.",
)
def lifecycle(at: Examination) -> str:
    """No rule under `uploads/` deletes noncurrent versions. Unreadable rules are a note."""
    try:
        rules = at.probe.lifecycle()
    except Exception as error:
        raise CheckNotedError(
            f"the rules cannot be read ({reason(error)})",
            "Make sure that no rule deletes noncurrent versions: it would delete committed bytes.",
        ) from error
    if rules is not None and deletes_versions(rules):
        raise CheckFailedError("a rule deletes versions that are not the newest")
    return "no rule deletes noncurrent versions"
