"""Credentials of a role: found, renewed before they end, and no URL outlives them.

They come as in a container: from a web server, a process of its own, whose address the environment
names. What it gives are the store's own keys, with an end.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.conf import settings as in_use
from pytest_django.fixtures import Settings

from files.exceptions import StoreUnavailableError
from files.models import Upload
from files.store import credentials, signing
from files.store.config import StoreConfig
from files.store.credentials import credential_source
from tests.support.client import Client, assert_problem, put
from tests.support.doctor import doctor
from tests.support.issuer import KeyServer, key_server
from tests.support.object_store import make_store
from tests.support.tcp_proxy import TcpProxy

__all__ = ["key_server"]

pytest_plugins = ["tests.support.store_fixtures"]
pytestmark = pytest.mark.usefixtures("store")

HOUR = 3600
Give = Callable[[float], None]


@pytest.fixture
def provider(key_server: KeyServer) -> Iterator[TcpProxy]:
    """The way to what gives credentials."""
    with TcpProxy(("127.0.0.1", key_server.port)) as proxy:
        yield proxy


@pytest.fixture
def give(
    key_server: KeyServer,
    provider: TcpProxy,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> Iterator[Give]:
    """Let the role have credentials that end in so many seconds, and the settings none."""
    own = (settings.MINIO_ACCESS_KEY, settings.MINIO_SECRET_KEY)
    settings.MINIO_ACCESS_KEY = settings.MINIO_SECRET_KEY = None
    settings.MINIO_UPLOAD_ACCESS_KEY = settings.MINIO_UPLOAD_SECRET_KEY = None
    settings.MINIO_CREDENTIALS = "chain"
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("ACCESS_KEY_ID", "ACCESS_KEY", "WEB_IDENTITY_TOKEN_FILE"):
        monkeypatch.delenv(f"AWS_{name}", raising=False)
    name = f"{tmp_path.name}.json"
    url = key_server.url(name, provider.port)
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", url)

    def give(seconds: float) -> None:
        end = datetime.fromtimestamp(int(time.time() + seconds), UTC)
        document = {
            "AccessKeyId": own[0],
            "SecretAccessKey": own[1],
            "Token": "",
            "Expiration": f"{end:%Y-%m-%dT%H:%M:%SZ}",
        }
        key_server.write(name, json.dumps(document))

    forget()
    yield give
    wait_for_fetch()
    forget()


def forget() -> None:
    """As a process that has just begun."""
    credentials._role_credentials.cache_clear()
    signing._uploads.cache_clear()
    signing._downloads.cache_clear()


def expires_in(url: str) -> int:
    return int(parse_qs(urlsplit(url).query)["X-Amz-Expires"][0])


def begin(client: Client) -> Any:
    return client.post("/files/init-upload", {"filename": "a", "size": 3})


def test_with_a_role_files_go_up_and_come_down_and_doctor_says_whose_keys_they_are(
    owner: Client, give: Give, provider: TcpProxy
) -> None:
    give(HOUR)
    begun = begin(owner).json
    assert expires_in(begun["presigned_put_url"]) == 900
    assert put(begun["presigned_put_url"], b"abc").status_code == 200
    body = {"key": begun["key"], "size": 3, "checksum": ABC}
    assert owner.post("/files/commit", body).status == 201
    report = doctor("--json", only="credentials, bucket, upload, download")
    assert (report.status, report.names("ok")) == (
        0,
        {"credentials", "bucket", "upload", "download"},
    )
    assert "60 more minutes" in report.findings["credentials"].detail
    assert provider.requests == 1


ABC = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_no_url_and_no_answer_says_longer_than_the_credentials_last(
    owner: Client, give: Give
) -> None:
    give(300)
    end = role_end()
    begun = begin(owner).json
    assert expires_in(begun["presigned_put_url"]) <= 300
    expires_at = datetime.fromisoformat(begun["expires_at"])
    assert abs(expires_at.timestamp() - end) <= 1
    row = Upload.objects.get()
    assert row.urls_expire_at is not None
    assert abs(row.urls_expire_at.timestamp() - end) <= 1
    assert put(begun["presigned_put_url"], b"abc").status_code == 200


def role_end() -> int:
    config = StoreConfig.from_settings()
    end = credential_source(config)().expires_at
    assert end is not None
    return end


def source() -> credentials.CredentialSource:
    return credential_source(StoreConfig.from_settings())


def wait_for_fetch() -> None:
    """Wait for the end of what was begun in the background."""
    role = credentials._role_credentials(in_use.THREADS)
    role._fetcher.wait(until=time.monotonic() + 30)


def test_credentials_near_their_end_are_renewed_while_requests_go_on(
    give: Give, provider: TcpProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    give(credentials.RENEW_BEFORE - 60)
    before, signer = source()(), signing.downloads()
    assert source()() is before
    assert provider.requests == 1, "less than a minute after the last attempt"
    monkeypatch.setattr(credentials, "RETRY_SECONDS", 0)
    give(HOUR)
    assert source()() is before
    wait_for_fetch()
    assert source()().seconds_left() > before.seconds_left()
    assert signing.downloads() is not signer
    assert provider.requests == 2


def test_credentials_that_name_no_end_are_looked_up_again_now_and_then(
    give: Give, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "first")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "token")
    first = source()()
    assert (first.access_key, first.session_token, first.expires_at) == ("first", "token", None)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "second")
    assert source()() is first
    monkeypatch.setattr(credentials, "RENEW_AFTER", 0)
    monkeypatch.setattr(credentials, "RETRY_SECONDS", 0)
    assert source()() is first
    wait_for_fetch()
    assert source()().access_key == "second"


@pytest.mark.parametrize(
    "fault",
    [pytest.param("hold", marks=pytest.mark.slow), "refuse", "rubbish"],
)
def test_while_nobody_gives_credentials_good_ones_go_on_and_without_any_it_is_503(
    owner: Client,
    give: Give,
    provider: TcpProxy,
    monkeypatch: pytest.MonkeyPatch,
    fault: str,
) -> None:
    monkeypatch.setattr(credentials, "RETRY_SECONDS", 0)
    give(credentials.RENEW_BEFORE - 60)
    assert begin(owner).status == 201
    in_full = credentials.FETCH_SECONDS
    monkeypatch.setattr(credentials, "FETCH_SECONDS", 0.2)
    if fault == "rubbish":
        provider.answer(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
    else:
        getattr(provider, fault)()
    assert [begin(owner).status for _ in range(3)] == [201] * 3
    wait_for_fetch()
    forget()
    assert_problem(begin(owner), 503, "store-unavailable")
    without = begin(owner)
    assert_problem(without, 503, "store-unavailable")
    assert 1 <= int(without.headers["Retry-After"]) <= 5
    monkeypatch.setattr(credentials, "RETRY_SECONDS_WITHOUT_KEYS", 0)
    monkeypatch.setattr(credentials, "FETCH_SECONDS", in_full)
    provider.pass_on()
    assert begin(owner).status == 201


def test_credentials_that_have_ended_are_not_used(
    owner: Client, give: Give, provider: TcpProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(credentials, "RETRY_SECONDS_WITHOUT_KEYS", 60)
    give(credentials.END_MARGIN - 1)
    assert_problem(begin(owner), 503, "store-unavailable")
    with pytest.raises(StoreUnavailableError):
        make_store().head("uploads/none")
    assert "credentials" in doctor("--json", only="credentials").names("fail")
    assert provider.requests == 1


def test_many_who_need_credentials_at_once_share_one_question(
    give: Give, provider: TcpProxy
) -> None:
    give(HOUR)
    together = threading.Barrier(6)

    def need(_number: int) -> credentials.Credentials:
        together.wait(timeout=30)
        return source()()

    with ThreadPoolExecutor(6) as threads:
        assert len({id(found) for found in threads.map(need, range(6))}) == 1
    assert provider.requests == 1


def test_the_narrow_key_stays_what_signs_uploads(give: Give, settings: Settings) -> None:
    give(300)
    settings.MINIO_UPLOAD_ACCESS_KEY, settings.MINIO_UPLOAD_SECRET_KEY = "narrow", "its-secret"
    signed = signing.uploads().put("uploads/a", size=1, checksum=None, expires_in=900)
    assert "X-Amz-Credential=narrow%2F" in signed.url
    assert expires_in(signed.url) == 900


@pytest.mark.once
def test_no_secret_is_in_a_repr() -> None:
    shown = repr(credentials.Credentials("access", "the-secret", "the-token"))
    assert "access" in shown
    assert "the-" not in shown
