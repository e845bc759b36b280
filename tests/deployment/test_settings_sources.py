"""Where settings come from, who says what is wrong with them, and the document that lists them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from remotedrive.environment import Environment, read_env_file
from tests.support.settings_read import REQUIRED, ROOT, SECRET, Load, load, names_read

__all__ = ["load"]

pytestmark = pytest.mark.once

DOCUMENT = ROOT / "docx" / "deployment.md"


# The file in the data folder


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


def table() -> dict[str, str]:
    """Return the document's settings, each with its default."""
    section = DOCUMENT.read_text().partition("\n## Settings\n")[2]
    rows = re.findall(r"^\| `([A-Z_]+)` \| ([^|]+) \|", section, re.MULTILINE)
    assert len(rows) == len(dict(rows)), "a setting stands there twice"
    return dict(rows)


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
    # The entry points say only where the settings are, and where workers count together.
    others = {"__main__.py", "asgi.py", "wsgi.py", "metric_files.py"}
    assert readers - {f"remotedrive/{name}" for name in others} == {"remotedrive/settings.py"}
