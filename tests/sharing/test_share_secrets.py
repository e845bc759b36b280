"""Tokens and passwords of shares, and presigned URLs: in no log line and no column."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import pytest

from tests.support.client import put
from tests.support.server import running
from tests.support.shares import share

pytestmark = pytest.mark.usefixtures("store")

PASSWORD = "öpen sesame 4711"


@pytest.mark.slow
def test_no_secret_of_a_share_is_in_a_log_line_or_the_database(tmp_path: Path) -> None:
    with running(tmp_path, DEBUG="true") as server:
        owner, visitor = server.client("owner"), server.client(None)
        shared = share(owner, visitor, permission="write", password=PASSWORD, max_downloads=50)
        page = {"Accept": "text/html"}
        shared.look()
        shared.look(PASSWORD)
        shared.look("wrong")
        visitor.get(shared.path, headers=page)
        visitor.get(f"{shared.path}/download", headers=page)
        signed = [shared.download(PASSWORD)["presigned_get_url"]]
        form = f"password={quote(PASSWORD)}".encode()
        form_type = "application/x-www-form-urlencoded"
        path = f"{shared.path}/download"
        visitor.call("POST", path, raw=form, content_type=form_type)
        visitor.call("POST", path, raw=b"{", content_type="application/json")
        visitor.call("POST", path, raw=bytes(100_000), content_type=form_type)
        visitor.get(f"{shared.path}/no/such/path?token={shared.token}")
        visitor.get(f"{shared.path}?x={PASSWORD}")
        begun = shared.init(b"new", PASSWORD)
        signed.append(begun["presigned_put_url"])
        put(begun["presigned_put_url"], b"new")
        shared.commit(begun["key"], b"new", PASSWORD)
        owner.delete(f"/shares/{shared.id}")
        shared.download(PASSWORD)
        server.stop()
        log = server.log()
        dump = server.manage("dumpdata", "--indent=1")
    assert "/s/{token}/download" in log
    assert shared.file_id in dump
    secrets = [shared.token, PASSWORD, quote(PASSWORD), quote(PASSWORD, safe="")]
    secrets += [url.partition("X-Amz-Signature=")[2] for url in signed]
    for secret in secrets:
        assert secret
        assert secret not in log
        assert secret not in dump
