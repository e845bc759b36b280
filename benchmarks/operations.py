"""The requests that contenders are compared by, prepared for each of them."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit
from uuid import UUID

from benchmarks.client import Bytes, Client
from benchmarks.contenders import FASTAPI, GIFTLESS, GRANIAN, GUNICORN, LFS, SERVICE, Contender
from benchmarks.load import Request

INIT_UPLOAD, DOWNLOAD, LIST, COMMIT = "init-upload", "download", "list, 50 rows", "commit"
PEERS = (FASTAPI, GRANIAN, GUNICORN)
COMPARED = {
    INIT_UPLOAD: (SERVICE, *PEERS, GIFTLESS),
    DOWNLOAD: (SERVICE, *PEERS, GIFTLESS),
    LIST: (SERVICE, *PEERS),
    COMMIT: (SERVICE, *PEERS),
}
"""Who does what; giftless keeps no rows, so it neither lists nor commits."""
_THREADS = 8
_ANNOUNCED = {"filename": "report.pdf", "size": 4096, "content_type": "application/pdf"}


def init_uploads(contender: Contender) -> list[Request]:
    """Return the request that begins an upload."""
    if contender.name == GIFTLESS:
        return [_lfs("upload", Bytes.of(os.urandom(16)))]
    return [Request("POST", "/files/init-upload", json.dumps(_ANNOUNCED))]


def downloads(contender: Contender, ids: Sequence[UUID]) -> list[Request]:
    """Return requests for the download URL of each file; of one object, from giftless."""
    if contender.name == GIFTLESS:
        return [_lfs("download", _put_by_lfs(contender))]
    return [Request("GET", f"/files/{each}/download") for each in ids]


def listings() -> list[Request]:
    """Return the request of a listing's first page."""
    return [Request("GET", "/files?page_size=50")]


def commits(contender: Contender, count: int) -> list[Request]:
    """Begin `count` uploads, send their bytes, and return the requests that commit them."""
    with ThreadPoolExecutor(_THREADS) as pool:
        shares = [count // _THREADS + (n < count % _THREADS) for n in range(_THREADS)]
        done = pool.map(lambda share: _begin(contender, share), shares)
        return [request for requests in done for request in requests]


def _begin(contender: Contender, count: int) -> list[Request]:
    service, store = Client(contender.url, contender.token), None
    requests = []
    for _ in range(count):
        content = Bytes.of(os.urandom(64))
        begun = service.call("POST", "/files/init-upload", content.announcement("report.pdf"))
        store = store or Client(begun["presigned_put_url"])
        store.put(begun["presigned_put_url"], content.data, begun["headers"])
        body = json.dumps(content.commit(begun["key"]))
        requests.append(Request("POST", "/files/commit", body))
    service.close()
    if store is not None:
        store.close()
    return requests


def _lfs(operation: str, content: Bytes) -> Request:
    """Return a request of the Git LFS batch API, for one object."""
    oid = content.checksum.removeprefix("sha256:")
    objects = [{"oid": oid, "size": len(content.data)}]
    return Request("POST", LFS, json.dumps({"operation": operation, "objects": objects}))


def _put_by_lfs(contender: Contender) -> Bytes:
    """Upload an object through giftless, which shows that its URLs are good for this store."""
    content = Bytes.of(os.urandom(16))
    client = Client(contender.url, contender.token)
    answered = client.call("POST", LFS, json.loads(_lfs("upload", content).body))
    upload = answered["objects"][0]["actions"]["upload"]
    address = urlsplit(upload["href"])
    store = Client(f"{address.scheme}://{address.netloc}")
    store.put(upload["href"], content.data, upload["header"])
    client.close()
    store.close()
    return content
