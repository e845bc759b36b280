"""`POST /files/commit`: of the refusals that apply, the first of the documented order answers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from itertools import combinations

import pytest
from django.utils import timezone

from files.models import FileVersion, Upload
from files.store import signing
from tests.support.client import Client, assert_problem, put, sha256
from tests.support.rows import make_file
from tests.support.tcp_proxy import TcpProxy

pytestmark = pytest.mark.usefixtures("store")

DATA = b"the declared bytes"


@dataclass(frozen=True)
class Row:
    """A row of the table of answers: what is so, and what is answered."""

    what: str
    status: int
    code: str


ROWS = [
    Row("another person's", 404, "not-found"),
    Row("committed with other arguments", 409, "commit-conflict"),
    Row("aborted", 410, "upload-aborted"),
    Row("too late", 410, "upload-expired"),
    Row("size not of init-upload", 422, "size-mismatch"),
    Row("checksum not of init-upload", 422, "checksum-mismatch"),
    Row("file in the trash", 409, "file-trashed"),
    Row("nothing in the store", 409, "object-missing"),
    Row("object of another size", 422, "size-mismatch"),
    Row("object with a Content-Encoding", 422, "content-encoding"),
    Row("object of other bytes", 422, "checksum-mismatch"),
    Row("base_version not the newest", 412, "version-conflict"),
]
NEED_NO_STORE = ROWS[:7]
OBJECTS = {row.what for row in ROWS if row.what.startswith("object")}
CANNOT_BOTH_BE = {
    ("committed with other arguments", "aborted"),
    ("committed with other arguments", "nothing in the store"),
    ("nothing in the store", "object of another size"),
    ("nothing in the store", "object with a Content-Encoding"),
    ("nothing in the store", "object of other bytes"),
    # One row of the table each:
    ("aborted", "too late"),
    ("size not of init-upload", "checksum not of init-upload"),
}
PAIRS = [
    (first, second)
    for first, second in combinations(ROWS, 2)
    if (first.what, second.what) not in CANNOT_BOTH_BE
]


def send_otherwise(key: str, what: set[str]) -> None:
    """PUT an object that the URL of init-upload would refuse, or that nobody would want."""
    data = DATA
    if "object of another size" in what:
        data += b"!"
    elif "object of other bytes" in what:
        data = DATA[::-1]
    encoded = "object with a Content-Encoding" in what
    headers = {"Content-Encoding": "gzip"} if encoded else {}
    signed = signing.uploads().put(key, size=len(data), checksum=None, expires_in=60)
    assert put(signed.url, data, headers).status_code == 200


def arrange(owner: Client, what: set[str]) -> dict[str, object]:
    """Bring about everything that `what` names; return the body of the commit to try."""
    # The bytes of the file's versions so far play no part.
    newest = 2 if "base_version not the newest" in what else 1
    file_id = str(make_file(owner.user, versions=newest).id)
    bound = "checksum not of init-upload" in what
    members = {"checksum": sha256(DATA)} if bound else {}
    begun = owner.init(DATA, file_id=file_id, **members)
    key = begun["key"]
    if "committed with other arguments" in what:
        assert put(begun["presigned_put_url"], DATA, begun["headers"]).status_code == 200
        assert owner.commit(key, DATA).status == 201
    asked_for = not what & {row.what for row in NEED_NO_STORE} or what & OBJECTS
    if asked_for and "nothing in the store" not in what:
        send_otherwise(key, what)
    if "aborted" in what:
        assert owner.delete(f"/uploads/{begun['upload_id']}").status == 204
    if "too late" in what:
        late = timezone.now() - timedelta(seconds=1)
        Upload.objects.filter(key=key).update(commit_by=late)
    if "file in the trash" in what:
        assert owner.delete(f"/files/{file_id}").status == 204
    body: dict[str, object] = {"key": key, "checksum": sha256(DATA), "size": len(DATA)}
    if what & {"committed with other arguments", "checksum not of init-upload"}:
        body["checksum"] = "0" * 64
    if "size not of init-upload" in what:
        body["size"] = len(DATA) + 1
    if "base_version not the newest" in what:
        body["base_version"] = 1
    return body


def rows() -> tuple[object, ...]:
    """All that a commit could have changed, but for what it remembers of the bytes that it read."""
    columns = [field.name for field in Upload._meta.fields if not field.name.startswith("read_")]
    return (
        *Upload.objects.order_by("id").values_list(*columns),
        *FileVersion.objects.order_by("id").values_list(),
        *FileVersion.objects.order_by("id").values_list(
            "file__version_current", "file__key_current"
        ),
    )


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.what)
def test_each_refusal_has_its_answer_and_changes_nothing(
    owner: Client, stranger: Client, row: Row
) -> None:
    body = arrange(owner, {row.what})
    before = rows()
    caller = stranger if row.what == "another person's" else owner
    answer = assert_problem(caller.post("/files/commit", body), row.status, row.code)
    if row.code == "version-conflict":
        assert answer["version_current"] == 2
    assert rows() == before


@pytest.mark.parametrize(
    ("first", "second"),
    PAIRS,
    ids=[f"{first.what} before {second.what}" for first, second in PAIRS],
)
def test_the_earlier_row_wins_over_the_later(
    owner: Client, stranger: Client, first: Row, second: Row
) -> None:
    body = arrange(owner, {first.what, second.what})
    before = rows()
    caller = stranger if first.what == "another person's" else owner
    assert_problem(caller.post("/files/commit", body), first.status, first.code)
    assert rows() == before


@pytest.mark.parametrize("row", NEED_NO_STORE, ids=lambda row: row.what)
def test_what_the_database_can_tell_is_answered_without_the_store(
    owner: Client, stranger: Client, store_proxy: TcpProxy, row: Row
) -> None:
    body = arrange(owner, {row.what})
    store_proxy.refuse()
    caller = stranger if row.what == "another person's" else owner
    assert_problem(caller.post("/files/commit", body), row.status, row.code)


def test_a_store_that_does_not_answer_changes_nothing_and_the_retry_succeeds(
    owner: Client, store_proxy: TcpProxy
) -> None:
    body = arrange(owner, set())
    before = rows()
    store_proxy.refuse()
    assert_problem(owner.post("/files/commit", body), 503, "store-unavailable")
    assert rows() == before
    store_proxy.pass_on()
    assert owner.post("/files/commit", body).status == 201


def test_an_equal_commit_needs_no_store(owner: Client, store_proxy: TcpProxy) -> None:
    body = arrange(owner, set())
    committed = owner.post("/files/commit", body)
    store_proxy.refuse()
    again = owner.post("/files/commit", body)
    assert (again.status, again.json) == (200, committed.json)
