"""What `manage.py doctor` checks of what objects need: each function asks the store, and returns
what it saw. Those of the store and the bucket come first, in `bucket_checks.py`.

The order of the functions is the order of the checks. What they say holds no secret and no signed
URL.
"""

from __future__ import annotations

from files.store.ops.examination import (
    CHECKSUM,
    DATA,
    OTHER,
    CheckFailedError,
    CheckNotedError,
    Examination,
    check,
)
from files.store.ops.probe import EXPIRES_IN, StoreResponse


@check(
    "upload",
    "Clients cannot upload. MINIO_PUBLIC_ENDPOINT must be the store's address for clients, as "
    "MINIO_ADDRESSING has it, and reachable from here for this check; the key that signs uploads "
    "must be able to PUT.",
    essential=True,
)
def upload(at: Examination) -> str:
    """A presigned PUT to `MINIO_PUBLIC_ENDPOINT` arrives where the service looks."""
    key = at.probe.key("upload")
    response = at.probe.put(at.url_to_put(key), DATA)
    if response.status != 200:
        raise CheckFailedError(
            f"a presigned PUT to {at.config.public_endpoint} got {response.text}"
        )
    found = at.probe.service.head(key)
    if found is None or found.size != len(DATA):
        raise CheckFailedError(
            "a presigned PUT succeeded, and the service does not find the object",
            "MINIO_PUBLIC_ENDPOINT and MINIO_ENDPOINT lead to different stores.",
        )
    return f"a presigned PUT to {at.config.public_address.url()} is kept"


@check(
    "download",
    "Clients cannot download.",
)
def download(at: Examination) -> str:
    """A presigned GET gives the bytes back."""
    found = at.kept("download")
    response = at.probe.send("GET", at.probe.url_to_get(found.key, found.version_id))
    if (response.status, response.body) != (200, DATA):
        raise CheckFailedError(f"a presigned GET got {_seen(response, DATA)}")
    return "a presigned GET gives the same bytes"


@check(
    "overrides",
    "Downloads lose their names, and whoever uploads decides whether a browser runs a file as a "
    "page.",
)
def overrides(at: Examination) -> str:
    """The URL's content type, file name, caching and language replace those of the PUT."""
    key = at.probe.key("overrides")
    response = at.probe.put(
        at.url_to_put(key),
        DATA,
        content_type="text/html",
        cache_control="public, max-age=31536000",
        expires="Fri, 01 Jan 2100 00:00:00 GMT",
        content_language="de",
    )
    found = at.found(key, response)
    response = at.probe.send("GET", at.probe.url_to_get(found.key, found.version_id))
    headers = response.headers
    kind = headers.get("content-type", "").partition(";")[0]
    if (response.status, kind) != (200, "text/plain") or "doctor.txt" not in headers.get(
        "content-disposition", ""
    ):
        raise CheckFailedError("a URL's content type and file name do not replace those of the PUT")
    kept = (headers.get("cache-control", ""), headers.get("expires", ""))
    if "public" in kept[0] or "2100" in kept[1] or headers.get("content-language") == "de":
        raise CheckFailedError("a URL's caching and language do not replace those of the PUT")
    return "a URL's content type, file name, caching and language replace those of the PUT"


@check(
    "signature",
    "Whoever knows or guesses a key can read or write files. Make the bucket private.",
)
def signature(at: Examination) -> str:
    """A changed or missing signature is refused."""
    found = at.kept("signature")
    for url in (_forged(at.probe.url_to_get(found.key, found.version_id)), None):
        url = url or at.config.public_address.url(found.key)
        response = at.probe.send("GET", url)
        if response.status < 400:
            raise CheckFailedError(f"a GET without a valid signature got {response.text}")
    key = at.probe.key("forged")
    at.refused(key, at.probe.send("PUT", _forged(at.url_to_put(key).url), body=DATA))
    return "a changed or missing signature is refused"


@check(
    "length",
    "Clients can store more bytes than they announced. Use another store.",
)
def length(at: Examination) -> str:
    """A body of another length than signed is refused."""
    for name, body in (("shorter", DATA[:-1]), ("longer", DATA + b"!")):
        key = at.probe.key(name)
        at.refused(key, at.probe.put(at.url_to_put(key), body))
    return "a body of another length is refused"


@check(
    "checksum",
    "The store keeps other bytes than declared; only commit would find out.",
)
def checksum(at: Examination) -> str:
    """Other bytes than declared are refused."""
    at.kept_bound("checksum")
    key = at.probe.key("other-bytes")
    at.refused(key, at.probe.put(at.url_to_put(key, CHECKSUM), OTHER))
    return "other bytes than declared are refused"


@check(
    "algorithm",
    "A client can make the store skip the checksum, and keep other bytes than declared.",
)
def algorithm(at: Examination) -> str:
    """Another checksum algorithm than signed is refused."""
    key = at.probe.key("algorithm")
    signed = at.url_to_put(key, CHECKSUM)
    at.refused(key, at.probe.put(signed, OTHER, x_amz_checksum_algorithm="CRC32"))
    return "another checksum algorithm than signed is refused"


@check(
    "once",
    "Whether the store refuses a second PUT could not be told.",
)
def once(at: Examination) -> str:
    """`If-None-Match: *` refuses a second PUT. A store that takes it is a note."""
    found = at.kept_bound("once")
    response = at.probe.put(at.url_to_put(found.key, CHECKSUM), DATA)
    if response.status < 300:
        raise CheckNotedError(
            "a second PUT with If-None-Match: * is accepted",
            "An upload URL can be used again until it expires. It costs space and changes no"
            " committed bytes.",
        )
    if response.status >= 500:
        raise CheckFailedError(f"a second PUT with If-None-Match: * got {response.text}")
    return f"a second PUT with If-None-Match: * is refused ({response.text})"


@check(
    "pinned",
    "A later PUT takes the committed bytes away. Use another store.",
)
def pinned(at: Examination) -> str:
    """A version stays readable after an overwrite."""
    first = at.kept("pinned")
    if at.probe.put(at.url_to_put(first.key), OTHER).status != 200:
        raise CheckFailedError("an object cannot be overwritten, so nothing can be said")
    second = at.probe.service.head(first.key)
    response = at.probe.send("GET", at.probe.url_to_get(first.key, first.version_id))
    if second is None or second.version_id == first.version_id or response.body != DATA:
        raise CheckFailedError(
            f"after an overwrite the version before it got {_seen(response, DATA)}"
        )
    return "a version stays readable after an overwrite"


@check(
    "copy",
    "Whoever has an upload URL can read any object through it. Set MINIO_UPLOAD_ACCESS_KEY and "
    "MINIO_UPLOAD_SECRET_KEY to a key that may only PUT under uploads/; manage.py bootstrap_store"
    " makes it on MinIO.",
)
def copy_source(at: Examination) -> str:
    """`x-amz-copy-source` on a presigned PUT copies nothing. Without an upload key it is a note."""
    source, key = at.kept("source"), at.probe.key("copy")
    response = at.probe.put(
        at.url_to_put(key, size=0),
        b"",
        x_amz_copy_source=f"/{at.config.bucket}/{source.key}",
    )
    if response.status >= 500:
        raise CheckFailedError(f"could not be told: {response.text}")
    copied = at.probe.service.head(key)
    if copied is not None and copied.size:
        raise CheckFailedError("a presigned PUT with x-amz-copy-source is carried out as a copy")
    if not at.config.upload_access_key:
        raise CheckNotedError(
            f"this store refuses x-amz-copy-source on a presigned PUT ({response.text})",
            "Safe while it goes on doing so: the key that signs uploads may read. Set"
            " MINIO_UPLOAD_ACCESS_KEY, and it does not depend on the store.",
        )
    return f"x-amz-copy-source on a presigned PUT copies nothing ({response.text})"


@check(
    "upload key",
    "It must only be able to PUT under uploads/: its bearer could read everyone's files.",
)
def upload_key(at: Examination) -> str:
    """The key that signs uploads cannot read. None at all is a note."""
    if not at.config.upload_access_key:
        raise CheckNotedError(
            "none is set, so the service's own key signs uploads",
            "Every upload URL names a key that may do all. Set MINIO_UPLOAD_ACCESS_KEY and"
            " MINIO_UPLOAD_SECRET_KEY; manage.py bootstrap_store makes that key on MinIO.",
        )
    found = at.kept("secret")
    url = at.probe.url_to_get(found.key, found.version_id, at.probe.uploads)
    response = at.probe.send("GET", url)
    if response.status != 403:
        raise CheckFailedError(f"a GET signed with it got {response.text}")
    return "cannot read"


@check(
    "multipart",
    "Files over 5 GiB, and uploads in parts, do not work.",
)
def multipart(at: Examination) -> str:
    """An upload in parts is begun, sent, listed, completed and read back."""
    key = at.probe.key("multipart")
    upload_id = at.probe.create_multipart(key)
    signed = at.probe.uploads.part(
        key, upload_id=upload_id, part_number=1, size=len(DATA), expires_in=EXPIRES_IN
    )
    response = at.probe.put(signed, DATA + b"!")
    if not 400 <= response.status < 500 or at.part_sizes(key, upload_id):
        raise CheckFailedError(f"a part of another length than signed got {response.text}")
    response = at.probe.put(signed, DATA)
    if response.status != 200 or at.part_sizes(key, upload_id) != [len(DATA)]:
        raise CheckFailedError(f"a presigned part got {response.text}, or is not listed")
    if not at.probe.complete_multipart(key):
        raise CheckFailedError("an upload whose parts are listed cannot be completed")
    found = at.probe.service.head(key)
    if found is None or at.probe.service.sha256(key, version_id=found.version_id) != CHECKSUM:
        raise CheckFailedError("a completed upload does not read back as its parts")
    return "begun, sent, listed, completed and read back; a wrong length is refused"


@check(
    "attestation",
    "Whether the store attests could not be told.",
)
def attestation(at: Examination) -> str:
    """The store says which SHA-256 an object has. One that does not is a note."""
    if at.kept_bound("attestation").sha256 != CHECKSUM:
        raise CheckNotedError(
            "the store does not say which SHA-256 an object has",
            "Commits read what was uploaded, up to COMMIT_READ_MAX, and record integrity `read`"
            " in place of `store`. What is larger is `declared`, for verify_checksums.",
        )
    return "the store says which SHA-256 an object has"


@check(
    "CORS",
    "Whether web pages may upload could not be told.",
)
def cors(at: Examination) -> str:
    """Pages of `PUBLIC_URL` and `CORS_ORIGINS` may PUT. Not allowed is a note."""
    refused = [origin for origin in at.origins if not _may_put(at, origin)]
    if refused:
        raise CheckNotedError(
            f"pages of {', '.join(refused)} may not PUT with the checksum headers",
            "Only browsers ask. If pages are to upload, allow it in the store's CORS settings.",
        )
    return f"pages of {', '.join(at.origins)} may PUT"


def _may_put(at: Examination, origin: str) -> bool:
    signed = at.url_to_put(at.probe.key("cors"), CHECKSUM)
    names = sorted(name.lower() for name in signed.headers)
    asked = {
        "Origin": origin,
        "Access-Control-Request-Method": "PUT",
        "Access-Control-Request-Headers": ",".join(names),
    }
    response = at.probe.send("OPTIONS", signed.url, headers=asked)
    methods = _listed(response, "access-control-allow-methods")
    allowed = _listed(response, "access-control-allow-headers")
    return (
        response.status < 300
        and response.headers.get("access-control-allow-origin") in ("*", origin)
        and bool(methods & {"*", "put"})
        and ("*" in allowed or allowed.issuperset(names))
    )


def _forged(url: str) -> str:
    """The URL with the last digit of its signature changed."""
    return url[:-1] + ("0" if url[-1] != "0" else "1")


def _listed(response: StoreResponse, header: str) -> set[str]:
    return {item.strip().lower() for item in response.headers.get(header, "").split(",")}


def _seen(response: StoreResponse, expected: bytes) -> str:
    other = response.status == 200 and response.body != expected
    return f"{response.text} and other bytes" if other else response.text
