"""Values of settings: a missing or malformed one stops the start by name."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.views.debug import SafeExceptionReporterFilter

from remotedrive.rates import Rate
from tests.support.settings_read import REQUIRED, SECRET, Load, load

__all__ = ["load"]

pytestmark = pytest.mark.once

INTEGERS = {
    "HSTS_SECONDS": (0, 63_072_000),
    "STORE_TIMEOUT": (1, 9),
    "PRESIGN_PUT_TTL": (1, 604_800),
    "PRESIGN_GET_TTL": (1, 604_800),
    "UPLOAD_GRACE": (0, 31_536_000),
    "MAX_FILE_SIZE": (1, 5 << 40),
    "COMMIT_READ_MAX": (0, 1 << 30),
    "TRASH_DAYS": (0, 36_500),
    "KEEP_VERSIONS": (0, 1_000_000),
    "GC_DELAY": (0, 31_536_000),
    "CLOCK_SKEW": (0, 86_400),
    "UPLOAD_HISTORY_DAYS": (1, 36_500),
    "CHANGES_DAYS": (1, 36_500),
    "THREADS": (2, 256),
}
SECRETS = [
    "SECRET_KEY",
    "JWT_SECRET",
    "JWT_SECRET_OLD",
    "METRICS_TOKEN",
    "MINIO_SECRET_KEY",
    "MINIO_SESSION_TOKEN",
    "MINIO_UPLOAD_SECRET_KEY",
]


def refused(load: Load, name: str, value: str | None) -> str:
    """Hold the start to be stopped by `name`, without a secret or the value in the message."""
    with pytest.raises(ImproperlyConfigured) as stopped:
        load(**{name: value})
    message = str(stopped.value)
    assert name in message
    assert SECRET not in message
    if value is not None and len(value) > 12:
        assert value not in message
    return message


def test_what_is_required_is_enough(load: Load) -> None:
    settings = load()
    assert settings["DEBUG"] is False
    assert settings["DATABASES"]["default"]["ENGINE"] == "django.db.backends.sqlite3"
    assert settings["MINIO_PUBLIC_ENDPOINT"] == "http://localhost:9000"


@pytest.mark.parametrize("name", REQUIRED)
def test_a_required_setting_that_is_missing_or_empty_stops_the_start(load: Load, name: str) -> None:
    assert "is not set" in refused(load, name, None)
    assert "is not set" in refused(load, name, "")


@pytest.mark.parametrize("name", ["SECRET_KEY", "JWT_SECRET", "JWT_SECRET_OLD"])
def test_a_secret_of_less_than_32_bytes_stops_the_start(load: Load, name: str) -> None:
    assert "32" in refused(load, name, "x" * 31)
    assert load(**{name: "x" * 32})[name] == "x" * 32
    assert load(**{name: "é" * 16})[name] == "é" * 16


@pytest.mark.parametrize("name", SECRETS)
@pytest.mark.parametrize(
    "text", ["change-me", "CHANGEME", "Please_Change-Me", "change_me", "replace-me", "your-secret"]
)
def test_a_secret_that_is_still_a_placeholder_stops_the_start(
    load: Load, name: str, text: str
) -> None:
    both = {"MINIO_UPLOAD_ACCESS_KEY": "narrow"} if "UPLOAD" in name else {}
    with pytest.raises(ImproperlyConfigured) as stopped:
        load(**both, **{name: f"{text}-{'x' * 32}"})
    assert str(stopped.value) == f"{name} is still a placeholder"


@pytest.mark.parametrize("password", ["change-me", "x-CHANGEME", "change%2Dme", "change%2dme"])
def test_a_database_password_that_is_still_a_placeholder_stops_the_start(
    load: Load, password: str
) -> None:
    url = f"postgresql://user:{password}@host/name"
    assert "still a placeholder" in refused(load, "DATABASE_URL", url)


def test_a_random_secret_with_such_letters_in_it_is_none(load: Load) -> None:
    for text in ("exchange-meridian", "x-your-x", "a<b>c"):
        assert load(JWT_SECRET=text + "x" * 32)["JWT_SECRET"] == text + "x" * 32


def test_no_message_of_a_placeholder_says_more_of_the_secret(load: Load) -> None:
    assert "rest" not in refused(load, "JWT_SECRET", "change-me-and-the-rest-of-it-stays-here")


@pytest.mark.parametrize("name", INTEGERS)
def test_a_number_out_of_its_bounds_or_none_at_all_stops_the_start(load: Load, name: str) -> None:
    least, most = INTEGERS[name]
    for value in (least, most):
        assert load(**{name: str(value)})[name] == value
    wrong = [str(least - 1), str(most + 1), "1.0", "1e3", " 1", "+1", "1_0", "０", "x", "9" * 30]
    for text in wrong:
        refused(load, name, text)


def test_a_quota_is_a_size_or_none_at_all(load: Load) -> None:
    assert load()["DEFAULT_QUOTA"] is None
    sizes = {"0": 0, "1000": 1000, "20GiB": 20 << 30, "500MB": 500_000_000}
    for text, size in sizes.items():
        assert load(DEFAULT_QUOTA=text)["DEFAULT_QUOTA"] == size
    for text in ("none", "-1", "1.5GiB", "20 gigabytes of it all", "9" * 30):
        refused(load, "DEFAULT_QUOTA", text)


@pytest.mark.parametrize("name", ["THROTTLE_INIT", "THROTTLE_COMMIT", "THROTTLE_SHARE"])
def test_a_throttle_is_a_rate_or_none_at_all(load: Load, name: str) -> None:
    assert load()[name] is load(**{name: ""})[name] is None
    rates = {"1/s": (1, 1), "20/sec": (20, 1), "600/min": (600, 60), "5/hour": (5, 3600)}
    for text, (most, seconds) in (rates | {"999999999/day": (999_999_999, 86_400)}).items():
        assert load(**{name: text})[name] == Rate(most, seconds)
    wrong = ("600", "600/", "/min", "0/min", "-1/s", "600/minutes", "600 / min", "６/s", "1.5/s")
    for text in (*wrong, "600/MIN", "1/min/min", "1" * 10 + "/s", "off"):
        refused(load, name, text)


def test_a_cache_is_a_redis_whose_password_is_a_setting_of_its_own(load: Load) -> None:
    assert load()["CACHE"] is load(CACHE_URL="")["CACHE"] is None
    plain = {"host": "h", "port": 6379, "db": 0, "username": None, "password": None, "ssl": False}
    urls: dict[str, dict[str, object]] = {
        "redis://h": {},
        "redis://h/": {},
        "redis://h:1/15": {"port": 1, "db": 15},
        "rediss://:p%40ss%2Fword@h": {"password": "p@ss/word", "ssl": True},
        "redis://me:p@[::1]:7": {"host": "::1", "port": 7, "username": "me", "password": "p"},
    }
    for url, parts in urls.items():
        assert load(CACHE_URL=url)["CACHE"] == plain | parts
    for url in (
        "localhost:6379",
        "memcached://h",
        "redis://",
        "redis://:hidden-one@",
        "redis://h:0",
        "redis://h:port",
        "redis://h/name",
        "redis://h/0/1",
        "redis://h?db=1",
        "redis://h#1",
        "redis://[::1",
        "redis://h/１",
    ):
        refused(load, "CACHE_URL", url)
    assert "placeholder" in refused(load, "CACHE_URL", "redis://:change-me@h")
    shown = SafeExceptionReporterFilter().cleanse_setting("CACHE", load(CACHE_URL="redis://:pw@h"))
    assert "pw" not in str(shown["CACHE"])


@pytest.mark.parametrize("name", ["DEBUG", "JWT_CREATE_USERS"])
def test_a_switch_is_true_or_false_and_nothing_else(load: Load, name: str) -> None:
    for text in ("true", "True", "1", "yes", "ON"):
        assert load(**{name: text})[name] is True
    for text in ("false", "FALSE", "0", "no", "off", ""):
        assert load(**{name: text})[name] is False
    for text in ("maybe", "2", " true", "truefalse"):
        refused(load, name, text)


ADDRESSES = ["MINIO_ENDPOINT", "MINIO_PUBLIC_ENDPOINT", "PUBLIC_URL", "JWT_JWKS_URL"]


@pytest.mark.parametrize("name", ADDRESSES)
def test_an_address_is_scheme_host_and_port_and_nothing_else(load: Load, name: str) -> None:
    for good in ("http://localhost:9000", "https://s3.example", "http://[::1]:9000", "http://a_b"):
        assert load(**{name: good})[name] == good
    for tidied in ("/", ":443", ":443/"):
        found = load(**{name: f"https://s3.example{tidied}"})[name]
        assert found.removesuffix("/") == "https://s3.example"
    for tidied in ("HTTPS://s3.example", "https://S3.Example", " https://s3.example\n"):
        assert load(**{name: tidied})[name] == "https://s3.example"
    assert load(**{name: "http://s3.example:443"})[name] == "http://s3.example:443"
    for text in (
        "localhost:9000",
        "//localhost",
        "ftp://localhost",
        "http://",
        "http://:9000",
        "http://localhost:",
        "http://localhost:0",
        "http://localhost:99999",
        "http://localhost:port",
        "http://localhost//",
        "http://localhost/a//b",
        "http://localhost/a/../b",
        "http://localhost/./b",
        "http://localhost/a%2fb",
        "http://localhost/a b",
        "http://localhost#a",
        "http://user:password@localhost",
        "http://a b",
        "http://é.example",
        "http://[::1",
        "http://a,http://b",
    ):
        refused(load, name, text)


def test_only_a_store_and_a_key_set_may_be_below_a_path(load: Load) -> None:
    for name in ("MINIO_ENDPOINT", "MINIO_PUBLIC_ENDPOINT"):
        assert load(**{name: "https://GW.example:443/s3/v1/"})[name] == "https://gw.example/s3/v1"
        refused(load, name, "https://gw.example/s3?a=b")
    keys = "https://issuer.example/realms/A/certs?a=B"
    assert load(JWT_JWKS_URL=keys)["JWT_JWKS_URL"] == keys
    refused(load, "JWT_JWKS_URL", "https://issuer.example/certs?a=b c")
    refused(load, "PUBLIC_URL", "https://drive.example/path")
    refused(load, "PUBLIC_URL", "https://drive.example?a=b")


def test_a_secret_for_tokens_is_not_needed_where_an_issuer_has_the_keys(load: Load) -> None:
    keys = "https://issuer.example/certs"
    assert load(JWT_SECRET=None, JWT_JWKS_URL=keys)["JWT_SECRET"] is None
    assert load(JWT_JWKS_URL=keys)["JWT_SECRET"] == SECRET
    with pytest.raises(ImproperlyConfigured, match="JWT_SECRET_OLD is set without JWT_SECRET"):
        load(JWT_SECRET=None, JWT_SECRET_OLD=SECRET, JWT_JWKS_URL=keys)


def test_a_chain_of_credentials_takes_the_place_of_keys_and_suffers_none(load: Load) -> None:
    assert load()["MINIO_CREDENTIALS"] == "static"
    none = {"MINIO_ACCESS_KEY": None, "MINIO_SECRET_KEY": None}
    settings = load(MINIO_CREDENTIALS="chain", **none)
    assert (settings["MINIO_ACCESS_KEY"], settings["MINIO_SECRET_KEY"]) == (None, None)
    for name in ("MINIO_ACCESS_KEY", "MINIO_SECRET_KEY", "MINIO_SESSION_TOKEN"):
        with pytest.raises(ImproperlyConfigured, match=f"{name} is set"):
            load(**({"MINIO_CREDENTIALS": "chain"} | none | {name: "given-" * 3}))
    assert load(MINIO_SESSION_TOKEN="given")["MINIO_SESSION_TOKEN"] == "given"
    refused(load, "MINIO_CREDENTIALS", "role")


def test_a_bucket_stands_before_a_name_and_not_before_an_ip_address(load: Load) -> None:
    assert load()["MINIO_ADDRESSING"] == "path"
    assert load(MINIO_ADDRESSING="virtual")["MINIO_ADDRESSING"] == "virtual"
    refused(load, "MINIO_ADDRESSING", "host")
    for endpoint in ("http://127.0.0.1:9000", "http://[::1]:9000", "https://10.0.0.7/s3"):
        with pytest.raises(ImproperlyConfigured, match="MINIO_ADDRESSING=virtual"):
            load(MINIO_ADDRESSING="virtual", MINIO_PUBLIC_ENDPOINT=endpoint)
        with pytest.raises(ImproperlyConfigured, match="MINIO_ADDRESSING=virtual"):
            load(MINIO_ADDRESSING="virtual", MINIO_ENDPOINT=endpoint)


def test_a_list_of_hosts_is_split_at_commas(load: Load) -> None:
    assert load(ALLOWED_HOSTS="a.example, b.example")["ALLOWED_HOSTS"] == ["a.example", "b.example"]
    for text in (",", "a,,b", "a,", " "):
        refused(load, "ALLOWED_HOSTS", text)


def test_trusted_proxies_are_addresses_and_networks(load: Load) -> None:
    assert load()["TRUSTED_PROXIES"] == []
    given = "127.0.0.1, 10.1.0.0/16,::1,fd00::/8"
    expected = ["127.0.0.1/32", "10.1.0.0/16", "::1/128", "fd00::/8"]
    assert load(TRUSTED_PROXIES=given)["TRUSTED_PROXIES"] == expected
    for text in ("*", "localhost", "10.0.0.1/8", "10.0.0", "300.0.0.1", "127.0.0.1,", "1/2/3"):
        refused(load, "TRUSTED_PROXIES", text)
    for everyone in ("0.0.0.0/0", "::/0"):
        refused(load, "TRUSTED_PROXIES", everyone)


def test_no_other_origin_may_call_the_api_unless_it_is_named(load: Load) -> None:
    assert load()["CORS_ALLOWED_ORIGINS"] == []
    assert not [name for name in load()["MIDDLEWARE"] if "cors" in name]
    given = "http://localhost:3000, HTTPS://Uploads.example:443/"
    expected = ["http://localhost:3000", "https://uploads.example"]
    assert load(CORS_ORIGINS=given)["CORS_ALLOWED_ORIGINS"] == expected
    for text in ("*", "null", "uploads.example", "https://*.example", "https://a.example/b", ","):
        refused(load, "CORS_ORIGINS", text)


def test_an_https_address_asks_for_https_everywhere(load: Load) -> None:
    settings = load(PUBLIC_URL="https://Drive.example:8443", TRUSTED_PROXIES="127.0.0.1")
    assert settings["SESSION_COOKIE_SECURE"] is True
    assert settings["CSRF_COOKIE_SECURE"] is True
    assert settings["CSRF_TRUSTED_ORIGINS"] == ["https://drive.example:8443"]
    assert settings["SECURE_HSTS_SECONDS"] == 3600
    assert settings["SECURE_SSL_REDIRECT"] is True
    assert settings["SECURE_SSL_HOST"] == "drive.example:8443"


def test_without_a_trusted_proxy_nothing_is_redirected(load: Load) -> None:
    settings = load(PUBLIC_URL="https://drive.example")
    assert settings["SECURE_SSL_REDIRECT"] is False
    assert settings["SESSION_COOKIE_SECURE"] is True


PROVIDER = {
    "OIDC_ISSUER": "https://login.example/realms/drive",
    "OIDC_CLIENT_ID": "drive",
    "PUBLIC_URL": "https://drive.example",
}


def test_an_issuer_is_https_or_this_machine_and_stays_as_it_is_given(load: Load) -> None:
    assert load()["OIDC_ISSUER"] is None
    for good in (
        "https://login.example",
        "https://login.example/",
        "https://Login.example:8443/realms/drive",
        "http://localhost:9400",
        "http://127.0.0.1:9400",
        "http://[::1]:9400/a",
    ):
        assert load(**PROVIDER | {"OIDC_ISSUER": good})["OIDC_ISSUER"] == good
    for text in (
        "http://login.example",
        "http://127.0.0.1.example",
        "ftp://localhost",
        "login.example",
        "https://",
        "https://login.example?a=b",
        "https://login.example/#a",
        "https://user:password@login.example",
        "https://login.example:0",
        "https://login.example:port",
        "https://login.example/a b",
        "https://login.example/\n",
        "https://[::1",
        "HTTPS://login.example",
    ):
        refused(load, "OIDC_ISSUER", text)


@pytest.mark.parametrize("missing", ["OIDC_ISSUER", "OIDC_CLIENT_ID", "PUBLIC_URL"])
def test_a_provider_without_what_it_needs_stops_the_start(load: Load, missing: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=missing):
        load(**PROVIDER | {missing: None})
    with pytest.raises(ImproperlyConfigured, match="OIDC_CLIENT_SECRET"):
        load(OIDC_CLIENT_SECRET=SECRET)


def test_passwords_are_turned_off_only_where_a_provider_takes_their_place(load: Load) -> None:
    password, provider = "files.api.sign_in.ThrottledBackend", "files.web.backend.OpenIDBackend"
    assert load()["AUTHENTICATION_BACKENDS"] == [password]
    assert load(**PROVIDER)["AUTHENTICATION_BACKENDS"] == [password, provider]
    alone = load(**PROVIDER, PASSWORD_SIGN_IN="false")
    assert alone["AUTHENTICATION_BACKENDS"] == [provider]
    refused(load, "PASSWORD_SIGN_IN", "false")
    with pytest.raises(ImproperlyConfigured, match="PASSWORD_SIGN_IN"):
        load(**PROVIDER, PASSWORD_SIGN_IN="false", WEB="false")


@pytest.mark.parametrize("address", [None, "http://drive.example"])
def test_without_https_nothing_asks_for_it(load: Load, address: str | None) -> None:
    settings = load(PUBLIC_URL=address, TRUSTED_PROXIES="127.0.0.1", HSTS_SECONDS="60")
    assert settings["SESSION_COOKIE_SECURE"] is False
    assert settings["CSRF_COOKIE_SECURE"] is False
    assert settings["SECURE_HSTS_SECONDS"] == 0
    assert settings["SECURE_SSL_REDIRECT"] is False


@pytest.mark.parametrize(
    "name", ["no", "Bad Bucket", "a/b", "a" * 64, "a..b", "-abc", "abc-", "bück", "abc\n"]
)
def test_a_bucket_that_no_store_can_have_stops_the_start(load: Load, name: str) -> None:
    refused(load, "MINIO_BUCKET", name)


@pytest.mark.parametrize("region", ["eu central", "a/b", "é", "us-east-1\n", "a" * 64])
def test_a_region_that_is_no_word_stops_the_start(load: Load, region: str) -> None:
    refused(load, "MINIO_REGION", region)


@pytest.mark.parametrize("name", ["MINIO_UPLOAD_ACCESS_KEY", "MINIO_UPLOAD_SECRET_KEY"])
def test_half_an_upload_key_stops_the_start(load: Load, name: str) -> None:
    refused(load, name, "only-this-half")


@pytest.mark.parametrize(
    "url",
    [
        "nonsense",
        "://",
        "mysql://user:password@host/name",
        "oracle://host/name",
        "postgresql://user:password@host:port/name",
        "postgresql://[::1/name",
    ],
)
def test_a_database_of_another_kind_or_none_stops_the_start(load: Load, url: str) -> None:
    assert "password" not in refused(load, "DATABASE_URL", url)


@pytest.mark.parametrize("scheme", ["postgres", "postgresql"])
def test_postgresql_gets_its_time_limits_and_keeps_what_the_url_says(
    load: Load, scheme: str
) -> None:
    url = f"{scheme}://user:password@host:5433/name?connect_timeout=2"
    database = load(DATABASE_URL=url)["DATABASES"]["default"]
    assert (database["HOST"], database["PORT"], database["NAME"]) == ("host", 5433, "name")
    assert database["OPTIONS"]["connect_timeout"] == 2
    assert "statement_timeout" in database["OPTIONS"]["options"]
    assert database["CONN_MAX_AGE"] is None
    assert database["ENGINE"] == "remotedrive.database.postgresql"


def test_a_data_folder_that_cannot_be_stops_the_start(load: Load, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(ImproperlyConfigured, match="file"):
        load(DATA_DIR=str(file))
    with pytest.raises(ImproperlyConfigured, match="DATA_DIR"):
        load(DATA_DIR="/proc/no/such")


def test_a_data_folder_may_have_any_name(load: Load, tmp_path: Path) -> None:
    folder = tmp_path / "a b%20c#d?e"
    database = load(DATA_DIR=str(folder))["DATABASES"]["default"]
    assert database["NAME"] == str(folder / "db.sqlite3")
