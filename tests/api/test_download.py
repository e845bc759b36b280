"""Downloads: whose, as what, under which name; and that they are the committed bytes, for ever."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from django.conf import settings
from minio import Minio

from files.models import FileVersion, Integrity
from files.services.versions import settle_integrity
from files.store import signing
from tests.support.client import Client, assert_invalid, assert_problem, fetch, put, sha256
from tests.support.rows import make_file

pytestmark = pytest.mark.usefixtures("store")

DATA = b"the committed bytes"
OTHER = b"THE COMMITTED BYTES"
ATTACHED = "attachment; filename=\"a.txt\"; filename*=utf-8''a.txt"


def name_in(disposition: str) -> str:
    """Return the file name that a Content-Disposition carries (RFC 6266, section 4).

    It stands there in ASCII first, for clients that know no other form, and then in full.
    """
    found = re.fullmatch(
        r"(?:attachment|inline); filename=\"([^\"\\%]*)\"; filename\*=utf-8''([!-~]*)", disposition
    )
    assert found, disposition
    assert found[1].isascii()
    return unquote(found[2], errors="strict")


def test_nobody_downloads(anonymous: Client, owner: Client) -> None:
    file_id = make_file(owner.user).id
    assert_problem(anonymous.get(f"/files/{file_id}/download"), 401, "not-authenticated")


def test_another_person_is_not_redirected_either(owner: Client, stranger: Client) -> None:
    file_id = make_file(owner.user).id
    redirected = stranger.get(f"/files/{file_id}/download?redirect=true")
    assert_problem(redirected, 404, "not-found")


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("redirect=1", "redirect"),
        ("redirect=True", "redirect"),
        ("redirect=", "redirect"),
        ("redirect=true&redirect=true", "redirect"),
        ("disposition=", "disposition"),
        ("disposition=Inline", "disposition"),
        ("disposition=inline%3B", "disposition"),
        ("version=1", "version"),
    ],
)
def test_a_query_that_cannot_be_is_refused(owner: Client, query: str, field: str) -> None:
    file_id = make_file(owner.user).id
    assert_invalid(owner.get(f"/files/{file_id}/download?{query}"), field)
    assert_invalid(owner.get(f"/files/{file_id}/versions/1/download?{query}"), field)


def test_corrupt_bytes_are_not_handed_out(owner: Client) -> None:
    file_id = make_file(owner.user, versions=2).id
    version = FileVersion.objects.get(file=file_id, version=2)
    settle_integrity(version=version, integrity=Integrity.CORRUPT)
    for path in ("download", "download?redirect=true", "versions/2/download"):
        assert_problem(owner.get(f"/files/{file_id}/{path}"), 409, "corrupt")
    assert owner.get(f"/files/{file_id}/versions/1/download").status == 200
    assert owner.get(f"/files/{file_id}")["integrity"] == "corrupt"


def test_the_answer_has_the_documented_members(owner: Client) -> None:
    committed = owner.upload(DATA, filename="a b.txt", content_type="text/x-plain")
    download = owner.get(f"/files/{committed['fileId']}/download")
    assert download.status == 200
    assert download.json.keys() == {
        "presigned_get_url",
        "expires_at",
        "filename",
        "size",
        "content_type",
        "checksum",
        "integrity",
        "version",
    }
    for member in ("size", "content_type", "checksum", "integrity", "version"):
        assert download[member] == committed[member]
    assert download["filename"] == "a b.txt"
    assert download.headers["Cache-Control"] == "no-store"


def test_expires_at_is_the_urls(owner: Client) -> None:
    before = datetime.now(UTC) - timedelta(seconds=1)
    download = owner.get(f"/files/{make_file(owner.user).id}/download")
    url = urlsplit(download["presigned_get_url"])
    query = parse_qs(url.query)
    signed_at = datetime.strptime(query["X-Amz-Date"][0], "%Y%m%dT%H%M%S%z")
    assert before <= signed_at <= datetime.now(UTC)
    assert query["X-Amz-Expires"] == [str(settings.PRESIGN_GET_TTL)]
    lifetime = timedelta(seconds=settings.PRESIGN_GET_TTL)
    assert datetime.fromisoformat(download["expires_at"]) == signed_at + lifetime
    assert f"{url.scheme}://{url.netloc}" == settings.MINIO_PUBLIC_ENDPOINT


def test_a_redirect_leads_to_the_bytes(owner: Client) -> None:
    file_id = owner.upload(DATA)["fileId"]
    for path in ("download", "versions/1/download"):
        redirected = owner.get(f"/files/{file_id}/{path}?redirect=true")
        assert (redirected.status, redirected.content) == (302, b"")
        assert redirected.headers["Cache-Control"] == "no-store"
        assert fetch(redirected.headers["Location"]).content == DATA
    assert owner.get(f"/files/{file_id}/download?redirect=false").status == 200


def test_the_download_is_of_the_declared_type_not_of_the_puts(owner: Client) -> None:
    begun = owner.init(DATA, content_type="image/png")
    sent = {
        "Content-Type": "text/html",
        "Content-Disposition": "inline",
        "Cache-Control": "public, max-age=31536000",
        "Expires": "Fri, 01 Jan 2100 00:00:00 GMT",
        "Content-Language": "de",
    }
    assert put(begun["presigned_put_url"], DATA, sent).status_code == 200
    file_id = owner.commit(begun["key"], DATA)["fileId"]
    answer = fetch(owner.get(f"/files/{file_id}/download")["presigned_get_url"])
    assert answer.headers["Content-Type"] == "image/png"
    assert answer.headers["Content-Disposition"] == ATTACHED
    assert answer.headers["Cache-Control"] == "private, max-age=0"
    assert answer.headers["Expires"] == "Thu, 01 Jan 1970 00:00:00 GMT"
    assert answer.headers["Content-Language"] == "und"


@pytest.mark.parametrize(
    "name",
    [
        "plain.txt",
        'a "quoted" name.txt',
        "it's.txt",
        '"',
        'ends with "',
        "100%.txt",
        "100%25.txt",
        "%22.txt",
        " leading blank.txt",
        "trailing blank ",
        "a; filename=evil.exe",
        "a, b.txt",
        "semi;colon=equals&amp+plus#hash?.txt",
        "\N{SNOWMAN}.txt",
        "👩‍👩‍👧 family.png",
        "Ame\u0301lie \u0915\u094d\u0937.txt",
        "日本語.txt",
        "شكرا.txt",
        'Ångström 100% "quoted".txt',
        "\N{NO-BREAK SPACE}x.txt",
        "é" * 127,
        "a" * 255,
        "文" * 255,
        "🙂" * 255,
        "\N{LEFT-TO-RIGHT MARK}WhatsApp Image.jpg",
        "\N{RIGHT-TO-LEFT MARK}\N{ARABIC LETTER MARK}صورة.jpg",
    ],
)
def test_the_name_is_given_back_exactly(owner: Client, name: str) -> None:
    file_id = owner.upload(b"x", filename=name)["fileId"]
    download = owner.get(f"/files/{file_id}/download")
    kept = owner.get(f"/files/{file_id}")["name"]
    assert download["filename"] == kept
    assert name_in(fetch(download["presigned_get_url"]).headers["Content-Disposition"]) == kept


@pytest.mark.parametrize(
    "content_type",
    [
        "image/png",
        "image/jpeg",
        "IMAGE/GIF",
        "image/webp",
        "application/pdf",
        "text/plain",
        "text/plain; charset=utf-8",
        "audio/ogg",
        "video/mp4",
    ],
)
def test_what_a_browser_may_show_is_inline_when_asked_for(owner: Client, content_type: str) -> None:
    file_id = make_file(owner.user, content_type=content_type).id
    assert disposition(owner, f"/files/{file_id}/download?disposition=inline") == "inline"
    assert disposition(owner, f"/files/{file_id}/download?disposition=attachment") == "attachment"
    assert disposition(owner, f"/files/{file_id}/download") == "attachment"


@pytest.mark.parametrize(
    "content_type",
    [
        "text/html",
        "TEXT/HTML",
        "text/html; charset=utf-8",
        "image/svg+xml",
        "application/xhtml+xml",
        "text/xml",
        "application/xml",
        "text/javascript",
        "text/css",
        "application/octet-stream",
        "multipart/x-mixed-replace",
        "text/plain2",
        "model/gltf+json",
    ],
)
def test_all_else_is_an_attachment(owner: Client, content_type: str) -> None:
    file_id = make_file(owner.user, content_type=content_type).id
    for path in ("download", "versions/1/download"):
        asked = f"/files/{file_id}/{path}?disposition=inline"
        assert disposition(owner, asked) == "attachment"


def disposition(client: Client, path: str) -> str:
    url: str = client.get(path)["presigned_get_url"]
    return parse_qs(urlsplit(url).query)["response-content-disposition"][0].partition(";")[0]


def test_the_store_answers_inline_as_signed(owner: Client) -> None:
    file_id = owner.upload(DATA, content_type="text/plain")["fileId"]
    inline = owner.get(f"/files/{file_id}/download?disposition=inline")
    answer = fetch(inline["presigned_get_url"])
    assert answer.headers["Content-Disposition"] == ATTACHED.replace("attachment", "inline")
    assert answer.headers["Content-Type"].partition(";")[0] == "text/plain"


def test_a_changed_url_opens_nothing(owner: Client) -> None:
    first = owner.upload(DATA)["fileId"]
    second = owner.upload(OTHER)["fileId"]
    url = owner.get(f"/files/{first}/download")["presigned_get_url"]
    key = owner.get(f"/files/{first}")["key"]
    assert fetch(url.replace(key, owner.get(f"/files/{second}")["key"])).status_code == 403
    assert fetch(url.replace("attachment", "inline")).status_code == 403
    assert fetch(re.sub(r"versionId=[^&]*&?", "", url)).status_code == 403


def test_an_expired_url_opens_nothing(owner: Client) -> None:
    version = FileVersion.objects.get(file=owner.upload(DATA)["fileId"])
    signed = signing.downloads().get(
        version.key,
        version_id=version.store_version_id,
        content_type="text/plain",
        disposition="attachment",
        expires_in=1,
    )
    time.sleep(max(0, signed.expires_at.timestamp() + 1 - time.time()))
    assert fetch(signed.url).status_code == 403


def by_every_route(owner: Client, file_id: str) -> list[bytes]:
    urls = [
        owner.get(f"/files/{file_id}/{path}download")["presigned_get_url"]
        for path in ("", "versions/1/")
    ]
    urls.append(owner.get(f"/files/{file_id}/download?redirect=true").headers["Location"])
    return [fetch(url).content for url in urls]


def put_again(begun_url: str, key: str) -> None:
    """PUT other bytes of the same length with the URL that is still valid."""
    assert put(begun_url, OTHER).status_code == 200


def delete_then_put(begun_url: str, key: str) -> None:
    delete(begun_url, key)
    put_again(begun_url, key)


def delete(begun_url: str, key: str) -> None:
    """Set a delete marker."""
    store = urlsplit(settings.MINIO_ENDPOINT)
    client = Minio(
        store.netloc,
        access_key=settings.MINIO_ACCESS_KEY,
        secret_key=settings.MINIO_SECRET_KEY,
        region=settings.MINIO_REGION,
        secure=store.scheme == "https",
    )
    client.remove_object(settings.MINIO_BUCKET, key)


@pytest.mark.parametrize("after", [put_again, delete, delete_then_put])
def test_whatever_happens_to_the_key_later_the_committed_bytes_are_downloaded(
    owner: Client, after: Callable[[str, str], None]
) -> None:
    begun = owner.put(DATA)
    committed = owner.commit(begun["key"], DATA)
    file_id = committed["fileId"]
    earlier = owner.get(f"/files/{file_id}/download")["presigned_get_url"]
    after(begun["presigned_put_url"], begun["key"])
    assert by_every_route(owner, file_id) == [DATA] * 3
    assert fetch(earlier).content == DATA
    again = owner.commit(begun["key"], DATA)
    assert (again.status, again.json) == (200, committed.json)
    refused = owner.commit(begun["key"], OTHER)
    assert_problem(refused, 409, "commit-conflict")
    assert owner.get(f"/files/{file_id}")["checksum"] == sha256(DATA)


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("Über 100%41.TXT", "uber-100-41.txt"),
        ('a "quoted" name.txt', "a-quoted-name.txt"),
        ("日本語", "file"),
        ("日本語.pdf", "file.pdf"),
        ("Report (final), v2.pdf", "Report (final), v2.pdf"),
    ],
)
def test_a_client_that_knows_only_ascii_saves_a_sensible_name(
    owner: Client, name: str, plain: str
) -> None:
    file_id = owner.upload(b"x", filename=name)["fileId"]
    answer = fetch(owner.get(f"/files/{file_id}/download")["presigned_get_url"])
    disposition = answer.headers["Content-Disposition"]
    assert disposition.startswith(f'attachment; filename="{plain}"; ')
    assert name_in(disposition) == name
