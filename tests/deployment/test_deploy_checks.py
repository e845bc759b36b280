"""`manage.py check --deploy`: silent about a right deployment, and each wrong one has its id."""

from __future__ import annotations

import os
import runpy
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as in_use
from django.core import checks
from minio import Minio
from minio.commonconfig import ENABLED, Filter
from minio.lifecycleconfig import LifecycleConfig, NoncurrentVersionExpiration, Rule
from minio.versioningconfig import VersioningConfig
from pytest_django.fixtures import Settings

from files.store import sdk, transport
from files.store.config import StoreConfig
from tests.support.store import EmbeddedStore
from tests.support.tcp_proxy import TcpProxy

ROOT = Path(__file__).resolve().parents[2]
PRODUCTION = {
    "DEBUG": "",
    "SECRET_KEY": "e0e8c1b5a7f94d2c" * 4,
    "JWT_SECRET": "9d31f7a2c4b8e650" * 4,
    "JWT_SECRET_OLD": "",
    "JWT_JWKS_URL": "",
    "ALLOWED_HOSTS": "drive.example",
    "PUBLIC_URL": "https://drive.example",
    "TRUSTED_PROXIES": "127.0.0.1",
    "HSTS_SECONDS": "",
    "METRICS_TOKEN": "c4b8e6509d31f7a2" * 2,
    "DATABASE_URL": "postgresql://drive:4b8e650f7a2c9d31@127.0.0.1:1/drive",
    "MINIO_PUBLIC_ENDPOINT": "https://store.example",
    "MINIO_UPLOAD_ACCESS_KEY": "narrow",
    "MINIO_UPLOAD_SECRET_KEY": "7a2c9d31f4b8e650" * 2,
}
"""A right environment, but for the store's own address and keys, which the test run has."""
OF_THIS_SERVICE = {"JWT_ISSUER": "https://issuer.example", "JWT_AUDIENCE": "drive"}
PROVIDER = {"OIDC_ISSUER": "https://login.example", "OIDC_CLIENT_ID": "drive"}
Codes = Callable[..., list[str]]

# The databases of these settings are never connected to.
pytestmark = pytest.mark.filterwarnings("ignore:Overriding setting DATABASES:UserWarning")


@pytest.fixture
def codes(
    store: object, settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Codes:
    """Return the ids that the deployment checks give for `PRODUCTION` and these changes."""

    def run(**changes: str) -> list[str]:
        for name, value in (PRODUCTION | {"DATA_DIR": str(tmp_path)} | changes).items():
            monkeypatch.setenv(name, value)
        loaded = runpy.run_path(str(ROOT / "remotedrive" / "settings.py"))
        for name, value in loaded.items():
            if name.isupper() and getattr(in_use, name, None) != value:
                setattr(settings, name, value)
        found = checks.run_checks(tags=[checks.Tags.security], include_deployment_checks=True)
        assert all(message.hint for message in found if str(message.id).startswith("files"))
        shown = "".join(map(str, found))
        names = ("SECRET_KEY", "JWT_SECRET", "METRICS_TOKEN")
        assert not any(loaded[name] in shown for name in names if loaded[name])
        return sorted(
            str(message.id)
            for message in found
            if message.is_serious(checks.WARNING) and not message.is_silenced()
        )

    return run


def test_a_right_deployment_gets_no_warning(codes: Codes) -> None:
    assert codes() == []


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param(
            {"MINIO_UPLOAD_ACCESS_KEY": "", "MINIO_UPLOAD_SECRET_KEY": ""},
            ["files.W001"],
            id="no upload key",
        ),
        pytest.param(
            {"MINIO_UPLOAD_ACCESS_KEY": os.environ["MINIO_ACCESS_KEY"]},
            ["files.W001"],
            id="the main key as upload key",
        ),
        pytest.param({"JWT_SECRET": "abcdefg" * 5}, ["files.W002"], id="a weak JWT secret"),
        pytest.param({"JWT_SECRET_OLD": "x" * 32}, ["files.W002"], id="a weak old JWT secret"),
        pytest.param(
            {"MINIO_UPLOAD_SECRET_KEY": "q1w2e3r4t5y"}, ["files.W002"], id="a short store key"
        ),
        pytest.param(
            {"DATABASE_URL": "postgresql://drive:drive@127.0.0.1:1/drive"},
            ["files.W002"],
            id="a weak database password",
        ),
        pytest.param(
            {"DATABASE_URL": "postgresql://drive@127.0.0.1:1/drive"}, [], id="no database password"
        ),
        pytest.param({"THROTTLE_SHARE": "9/s"}, ["files.W030"], id="throttles without a cache"),
        pytest.param(
            {"THROTTLE_INIT": "9/s", "CACHE_URL": "redis://127.0.0.1:1"}, [], id="with a cache"
        ),
        pytest.param(
            {"CACHE_URL": "rediss://:redis@127.0.0.1:1"}, ["files.W002"], id="a weak cache password"
        ),
        pytest.param(
            {"JWT_SECRET": PRODUCTION["SECRET_KEY"]}, ["files.W003"], id="one secret for two"
        ),
        pytest.param(
            {"JWT_SECRET_OLD": PRODUCTION["JWT_SECRET"]}, ["files.W003"], id="no new JWT secret"
        ),
        pytest.param(
            {"SECRET_KEY": "e0e8c1b5a7f94d2c" * 2}, ["security.W009"], id="a short secret key"
        ),
        pytest.param(
            {"PUBLIC_URL": ""},
            ["files.W004", "security.W004", "security.W010"],
            id="no public URL",
        ),
        pytest.param(
            {"PUBLIC_URL": "http://drive.example"},
            ["files.W005", "security.W004", "security.W010"],
            id="a public URL without https",
        ),
        pytest.param({"HSTS_SECONDS": "0"}, ["security.W004"], id="no HSTS"),
        pytest.param({"TRUSTED_PROXIES": ""}, ["files.W006"], id="no trusted proxy"),
        pytest.param(
            {"MINIO_PUBLIC_ENDPOINT": "https://localhost:9000"},
            ["files.W007"],
            id="store on loopback",
        ),
        pytest.param(
            {"MINIO_PUBLIC_ENDPOINT": "https://[::1]:9000"}, ["files.W007"], id="store on ::1"
        ),
        pytest.param(
            {"MINIO_PUBLIC_ENDPOINT": "https://minio:9000"},
            ["files.W007"],
            id="store by a bare name",
        ),
        pytest.param(
            {"MINIO_PUBLIC_ENDPOINT": "https://10.0.0.7"}, [], id="store in a private net"
        ),
        pytest.param(
            {"MINIO_PUBLIC_ENDPOINT": "http://store.example"}, ["files.W008"], id="mixed content"
        ),
        pytest.param(
            {"JWT_JWKS_URL": "http://issuer.example/keys"} | OF_THIS_SERVICE,
            ["files.W020"],
            id="keys over http",
        ),
        pytest.param(
            {"JWT_JWKS_URL": "http://127.0.0.1:8080/keys"} | OF_THIS_SERVICE,
            [],
            id="keys of an issuer on this machine",
        ),
        pytest.param(
            {"JWT_JWKS_URL": "https://issuer.example/keys", "JWT_SECRET": ""} | OF_THIS_SERVICE,
            [],
            id="an issuer in place of a secret",
        ),
        pytest.param(
            {"JWT_JWKS_URL": "https://issuer.example/keys", "JWT_AUDIENCE": "drive"},
            ["files.W021"],
            id="any issuer",
        ),
        pytest.param(
            {"JWT_JWKS_URL": "https://issuer.example/keys", "JWT_ISSUER": "https://issuer.example"},
            ["files.W021"],
            id="any audience",
        ),
        pytest.param({"METRICS_TOKEN": ""}, ["files.W050"], id="public metrics"),
        pytest.param({"METRICS_TOKEN": "ab" * 16}, ["files.W002"], id="a weak metrics token"),
        pytest.param({"DATABASE_URL": ""}, ["files.W009"], id="SQLite"),
        pytest.param({"ALLOWED_HOSTS": "*"}, ["files.W010"], id="any host"),
        pytest.param({"ALLOWED_HOSTS": "localhost"}, ["files.W011"], id="another host"),
        pytest.param({"ALLOWED_HOSTS": ".example"}, [], id="a domain"),
        pytest.param(
            {"PUBLIC_URL": "https://[2600::1]:8443", "ALLOWED_HOSTS": "[2600::1]"}, [], id="IPv6"
        ),
        pytest.param({"DEBUG": "true"}, ["security.W018"], id="debug pages"),
        pytest.param(PROVIDER, [], id="a provider"),
        pytest.param(
            PROVIDER | {"JWT_ISSUER": PROVIDER["OIDC_ISSUER"]}, [], id="one issuer of all subjects"
        ),
        pytest.param(
            PROVIDER | {"JWT_ISSUER": "https://other.example"}, ["files.W040"], id="two issuers"
        ),
        pytest.param(
            PROVIDER | {"OIDC_CLIENT_SECRET": "drive"}, ["files.W002"], id="a weak client secret"
        ),
    ],
)
def test_what_is_wrong_with_a_deployment_is_said(
    codes: Codes, changes: dict[str, str], expected: list[str]
) -> None:
    assert codes(**changes) == expected


# The store


def test_a_session_token_that_nothing_renews_is_a_warning(codes: Codes) -> None:
    # Without a store: the token is one of nobody's.
    assert codes(MINIO_SESSION_TOKEN="a-token", MINIO_ENDPOINT="http://127.0.0.1:1") == [
        *("files.W012", "files.W022")
    ]


def test_a_bucket_with_a_dot_before_an_https_host_is_a_warning(codes: Codes) -> None:
    virtual = {"MINIO_ADDRESSING": "virtual", "MINIO_ENDPOINT": "http://localhost:1"}
    assert codes(**virtual, MINIO_BUCKET="a.b.c") == ["files.W012", "files.W023"]
    assert codes(**virtual, MINIO_BUCKET="a-b-c") == ["files.W012"]


@pytest.fixture
def minio(store: object) -> Minio:
    return sdk.client(StoreConfig.from_settings(), connections=1)


@pytest.fixture
def bucket(minio: Minio) -> Iterator[str]:
    """A bucket of the test's own, which keeps no versions."""
    name = f"checks-{os.getpid()}"
    with transport.read_timeout(30):
        minio.make_bucket(name)
        yield name
        minio.remove_bucket(name)


def test_a_missing_bucket_is_an_error(codes: Codes) -> None:
    assert codes(MINIO_BUCKET="there-is-no-such-bucket") == ["files.E001"]


def test_a_bucket_without_versions_is_an_error_until_it_has_them(
    codes: Codes, minio: Minio, bucket: str
) -> None:
    assert codes(MINIO_BUCKET=bucket) == ["files.E002"]
    minio.set_bucket_versioning(bucket, VersioningConfig(ENABLED))
    assert codes(MINIO_BUCKET=bucket) == []


def test_a_rule_that_deletes_noncurrent_versions_is_an_error(
    codes: Codes, minio: Minio, bucket: str, store: EmbeddedStore | None
) -> None:
    if store is not None:
        pytest.skip("the embedded store has no lifecycle rules")
    minio.set_bucket_versioning(bucket, VersioningConfig(ENABLED))
    rule = Rule(
        status=ENABLED,
        rule_filter=Filter(prefix=""),
        noncurrent_version_expiration=NoncurrentVersionExpiration(noncurrent_days=1),
    )
    minio.set_bucket_lifecycle(bucket, LifecycleConfig([rule]))
    assert codes(MINIO_BUCKET=bucket) == ["files.E003"]


def test_lifecycle_rules_that_cannot_be_read_are_a_warning(
    codes: Codes, store_proxy: TcpProxy
) -> None:
    refused = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"
    store_proxy.answer(refused, only=f"GET /{in_use.MINIO_BUCKET}?lifecycle".encode())
    assert codes(MINIO_ENDPOINT=store_proxy.endpoint) == ["files.W013"]


def test_a_store_that_does_not_answer_or_refuses_the_key_is_a_warning(codes: Codes) -> None:
    assert codes(MINIO_ENDPOINT="http://127.0.0.1:1") == ["files.W012"]
    assert codes(MINIO_ENDPOINT=in_use.MINIO_ENDPOINT, MINIO_SECRET_KEY="0123456789abcdef") == [
        "files.W012"
    ]


def test_a_store_that_never_answers_is_a_warning(codes: Codes, store_proxy: TcpProxy) -> None:
    store_proxy.hold()
    assert codes(MINIO_ENDPOINT=store_proxy.endpoint, STORE_TIMEOUT="1") == ["files.W012"]


# The command


def check(**changes: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"]
    environment: dict[str, Any] = os.environ | PRODUCTION | changes
    return subprocess.run(
        command,
        cwd=ROOT,
        env=environment | {"DJANGO_SETTINGS_MODULE": "remotedrive.settings"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_the_command_is_content_with_a_right_deployment_and_fails_for_a_wrong_one(
    store: object,
) -> None:
    right = check()
    assert right.returncode == 0, right.stderr
    assert "WARNING" not in right.stderr
    assert "(files.I001)" in right.stderr
    assert "redirected to itself for ever" in right.stderr
    wrong = check(MINIO_BUCKET="there-is-no-such-bucket", ALLOWED_HOSTS="*")
    assert wrong.returncode == 1
    assert "files.E001" in wrong.stderr
    assert "files.W010" in wrong.stderr
    assert "bootstrap_store" in wrong.stderr
