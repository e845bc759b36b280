"""Settings: a missing or malformed one stops the start by name; the document lists them all."""

from __future__ import annotations

import ast
import functools
import os
import re
import runpy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from remotedrive.environment import Environment, read_env_file

ROOT = Path(__file__).resolve().parent.parent
SETTINGS = ROOT / "remotedrive" / "settings.py"
DOCUMENT = ROOT / "docx" / "deployment.md"
SECRET = "a-secret-that-no-message-may-show-" * 2
REQUIRED = {
    "SECRET_KEY": SECRET,
    "JWT_SECRET": SECRET,
    "MINIO_ENDPOINT": "http://localhost:9000",
    "MINIO_ACCESS_KEY": "access",
    "MINIO_SECRET_KEY": SECRET,
}
INTEGERS = {
    "HSTS_SECONDS": (0, 63_072_000),
    "STORE_TIMEOUT": (1, 9),
    "PRESIGN_PUT_TTL": (1, 604_800),
    "PRESIGN_GET_TTL": (1, 604_800),
    "UPLOAD_GRACE": (0, 31_536_000),
    "MAX_FILE_SIZE": (1, 5 << 40),
    "COMMIT_READ_MAX": (0, 1 << 30),
    "THREADS": (2, 256),
}
SECRETS = [
    "SECRET_KEY",
    "JWT_SECRET",
    "JWT_SECRET_OLD",
    "MINIO_SECRET_KEY",
    "MINIO_UPLOAD_SECRET_KEY",
]
Load = Callable[..., dict[str, Any]]


@functools.cache
def names_read() -> set[str]:
    """Return the names that the settings ask the environment for."""
    found = set()
    for node in ast.walk(ast.parse(SETTINGS.read_text())):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and ast.unparse(node.func.value) in ("_env", "os.environ")
            and isinstance(node.args[0], ast.Constant)
        ):
            found.add(str(node.args[0].value))
    return found


def table() -> dict[str, str]:
    """Return the document's settings, each with its default."""
    section = DOCUMENT.read_text().partition("\n## Settings\n")[2]
    rows = re.findall(r"^\| `([A-Z_]+)` \| ([^|]+) \|", section, re.MULTILINE)
    assert len(rows) == len(dict(rows)), "a setting stands there twice"
    return dict(rows)


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Load:
    """Read the settings anew, with `REQUIRED` and what is given in the environment; None: not."""

    def run(**changes: str | None) -> dict[str, Any]:
        for name in names_read():
            monkeypatch.delenv(name, raising=False)
        for name, value in (REQUIRED | {"DATA_DIR": str(tmp_path)} | changes).items():
            if value is not None:
                monkeypatch.setenv(name, value)
        return runpy.run_path(str(SETTINGS))

    return run


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
@pytest.mark.parametrize("text", ["change-me", "CHANGEME", "Please_Change-Me", "change_me"])
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


@pytest.mark.parametrize("name", ["DEBUG", "JWT_CREATE_USERS"])
def test_a_switch_is_true_or_false_and_nothing_else(load: Load, name: str) -> None:
    for text in ("true", "True", "1", "yes", "ON"):
        assert load(**{name: text})[name] is True
    for text in ("false", "FALSE", "0", "no", "off", ""):
        assert load(**{name: text})[name] is False
    for text in ("maybe", "2", " true", "truefalse"):
        refused(load, name, text)


@pytest.mark.parametrize("name", ["MINIO_ENDPOINT", "MINIO_PUBLIC_ENDPOINT", "PUBLIC_URL"])
def test_an_address_is_scheme_host_and_port_and_nothing_else(load: Load, name: str) -> None:
    for good in ("http://localhost:9000", "https://s3.example", "http://[::1]:9000", "http://a_b"):
        assert load(**{name: good})[name] == good
    for tidied in ("/", ":443", ":443/"):
        assert load(**{name: f"https://s3.example{tidied}"})[name] == "https://s3.example"
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
        "http://localhost/path",
        "http://localhost?a=b",
        "http://localhost#a",
        "http://user:password@localhost",
        "http://a b",
        "http://é.example",
        "http://[::1",
        "http://a,http://b",
    ):
        refused(load, name, text)


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
    assert database["CONN_HEALTH_CHECKS"] is True


def test_a_data_folder_that_cannot_be_stops_the_start(load: Load, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(ImproperlyConfigured, match="file"):
        load(DATA_DIR=str(file))
    with pytest.raises(ImproperlyConfigured, match="DATA_DIR"):
        load(DATA_DIR="/proc/no/such")


# The file in the data folder


def test_a_data_folder_may_have_any_name(load: Load, tmp_path: Path) -> None:
    folder = tmp_path / "a b%20c#d?e"
    database = load(DATA_DIR=str(folder))["DATABASES"]["default"]
    assert database["NAME"] == str(folder / "db.sqlite3")



def write(folder: Path, text: str) -> None:
    (folder / "env").write_text(text, encoding="utf-8")


def test_the_file_speaks_where_the_environment_is_silent(load: Load, tmp_path: Path) -> None:
    lines = [f"{name}={value}" for name, value in REQUIRED.items()]
    write(tmp_path, "\n".join(["# comment", "", *lines, "THREADS=4", "JWT_ISSUER=a=b c"]))
    settings = load(**dict.fromkeys(REQUIRED))
    assert settings["THREADS"] == 4
    assert settings["JWT_ISSUER"] == "a=b c"
    assert load(**(dict.fromkeys(REQUIRED) | {"THREADS": "5"}))["THREADS"] == 5


@pytest.mark.parametrize(
    ("given", "group"),
    [("MINIO_BUCKET", "MINIO_ENDPOINT"), ("JWT_ISSUER", "JWT_SECRET")],
)
def test_one_of_a_group_in_the_environment_silences_the_group_in_the_file(
    load: Load, tmp_path: Path, given: str, group: str
) -> None:
    write(tmp_path, "\n".join(f"{name}={value}" for name, value in REQUIRED.items()))
    assert load(**dict.fromkeys(REQUIRED))[group] == REQUIRED[group]
    with pytest.raises(ImproperlyConfigured, match=f"{group} is not set"):
        load(**(dict.fromkeys(REQUIRED) | {given: "given"}))


def test_an_empty_value_silences_nothing() -> None:
    environment = Environment({"MINIO_BUCKET": "", "A": ""}, {"MINIO_ENDPOINT": "x", "A": "y"})
    assert environment.optional("MINIO_ENDPOINT") == "x"
    assert environment.optional("A") == "y"


def test_names_of_no_group_are_each_on_their_own() -> None:
    environment = Environment({"SECRET_KEY": "a"}, {"SECRET_KEY": "b", "THREADS": "4"})
    assert environment.optional("SECRET_KEY") == "a"
    assert environment.optional("THREADS") == "4"


@pytest.mark.parametrize("line", ["novalue", "lower=1", "export A=1", "=1", "A B=1", f"- {SECRET}"])
def test_a_line_of_the_file_that_is_none_stops_the_start(tmp_path: Path, line: str) -> None:
    write(tmp_path, f"A=1\n{line}\n")
    with pytest.raises(ImproperlyConfigured, match="line 2") as stopped:
        read_env_file(tmp_path / "env")
    assert SECRET not in str(stopped.value)


def test_no_file_is_an_empty_one(tmp_path: Path) -> None:
    assert read_env_file(tmp_path / "env") == {}


# The start itself


def manage(tmp_path: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if name not in names_read()}
    changed = REQUIRED | {"DATA_DIR": str(tmp_path)} | environment
    return subprocess.run(
        [sys.executable, "manage.py", "check"],
        cwd=ROOT,
        env=kept | {"DJANGO_SETTINGS_MODULE": "remotedrive.settings"} | changed,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_manage_py_says_which_setting_stopped_it(tmp_path: Path) -> None:
    done = manage(tmp_path, JWT_SECRET="short")
    assert done.returncode != 0
    last = done.stderr.strip().splitlines()[-1]
    assert "JWT_SECRET is too short" in last
    assert SECRET not in done.stderr


def test_manage_py_check_is_content_with_good_settings(tmp_path: Path) -> None:
    done = manage(tmp_path)
    assert (done.returncode, "no issues" in done.stdout) == (0, True), done.stderr


# The document


def test_the_document_lists_every_setting_and_no_other() -> None:
    assert names_read() >= {"DATA_DIR", "DEBUG", "THREADS", *REQUIRED}
    assert table().keys() == names_read()


def test_the_document_says_of_every_required_setting_that_it_is(load: Load) -> None:
    assert {name for name, default in table().items() if default == "required"} == REQUIRED.keys()


def test_the_defaults_in_the_document_are_those_in_use(load: Load) -> None:
    by_default = load()
    stated = {
        name: default.strip("`")
        for name, default in table().items()
        if re.fullmatch(r"`[^`]+`", default)
    }
    assert len(stated) > 10
    for name, default in stated.items():
        assert load(**{name: default})[name] == by_default[name], name


def test_no_other_file_reads_the_environment() -> None:
    readers = {
        str(path.relative_to(ROOT))
        for folder in ("files", "remotedrive")
        for path in (ROOT / folder).rglob("*.py")
        if re.search(r"\bos\.environ\b|\bgetenv\b", path.read_text())
    }
    # The entries say only where the settings are; the embedded store is a program of its own.
    others = {"asgi.py", "wsgi.py", "embedded_store/__main__.py"}
    assert readers - {f"remotedrive/{name}" for name in others} == {"remotedrive/settings.py"}
