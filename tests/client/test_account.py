"""Signing in, where the token is kept, and how `drive` says that something is wrong."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from files.services.tokens import mint
from remotedrive_client.cli.app import drive
from remotedrive_client.cli.exits import Exit
from remotedrive_client.cli.shares import share
from tests.support.drive import Person
from tests.support.process import ROOT
from tests.support.server import Server
from tests.support.tcp_proxy import TcpProxy, response


def test_without_a_sign_in_one_sentence_says_what_to_do(person: Person) -> None:
    assert person.json("logout") == {"signed_in": False}
    output = person.drive("ls", status=4)
    assert output.err == "drive: You are not signed in; `drive login URL` does that.\n"


def test_a_token_that_is_wrong_is_not_kept(person: Person, tmp_path: Path) -> None:
    person.drive("logout")
    (tmp_path / "wrong").write_text("wrong")
    login = ("login", person.server.url, "--token-file", tmp_path / "wrong")
    output = person.json(*login, status=4)
    assert output["error"]["code"] == "token-invalid"
    assert output["error"]["request_id"] in output["error"]["message"]
    person.drive("whoami", status=4)
    for address in ("ftp://host", "http://[bad", "http://host:99999"):
        person.drive("login", address, "--token-file", tmp_path / "wrong", status=4)
    (tmp_path / "wrong").write_bytes(b"\xff\xfe")
    assert person.drive(*login, status=4).err.endswith("its file is not text.\n")


@pytest.mark.parametrize("body", [b"<html>", b"[1]", b"{}"])
def test_another_server_at_the_address_is_said(person: Person, tmp_path: Path, body: bytes) -> None:
    with TcpProxy(("127.0.0.1", 1)) as other:
        other.answer(response("200 OK", body))
        output = person.drive("login", other.endpoint, "--token-file", tmp_path / "token", status=1)
    assert output.err.endswith("did not answer as Remote Drive does; is the address right?\n")


def test_the_configuration_is_for_its_owner_only(person: Person, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    person.drive("put", tmp_path / "file")
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in person.config.iterdir()}
    assert modes["config.json"] == modes["state.sqlite3"] == 0o600
    assert set(modes.values()) == {0o600}
    assert stat.S_IMODE(person.config.stat().st_mode) == 0o700


def test_a_token_is_taken_from_a_prompt(person: Person) -> None:
    runner = CliRunner()
    done = runner.invoke(
        drive, ["login", person.server.url], input=person.token + "\n", env=person.environment
    )
    assert done.exit_code == 0, done.output
    assert person.token not in done.output


def test_a_token_is_taken_from_the_environment(person: Person, tmp_path: Path) -> None:
    other = person.server.token("other")
    environment = {"DRIVE_TOKEN": other, "DRIVE_CONFIG_DIR": str(tmp_path / "none")}
    runner = CliRunner()
    done = runner.invoke(drive, ["whoami"], env=environment | {"DRIVE_URL": person.server.url})
    assert done.output == f"other at {person.server.url}\n"
    assert not (tmp_path / "none" / "config.json").exists()


def test_a_saved_token_goes_to_no_other_address(person: Person) -> None:
    runner = CliRunner()
    environment = person.environment | {"DRIVE_URL": "http://localhost:1"}
    done = runner.invoke(drive, ["whoami"], env=environment)
    assert "set DRIVE_TOKEN, too" in str(done.exception)


def test_an_expired_token_is_replaced_by_the_command(person: Person, tmp_path: Path) -> None:
    tokens = tmp_path / "tokens"
    expired = mint(subject=person.subject, ttl=-60)
    tokens.write_text(f"{expired}\n{person.token}\n")
    script = tmp_path / "token.py"
    script.write_text(
        f"from pathlib import Path; path = Path({str(tokens)!r})\n"
        "first, *rest = path.read_text().splitlines()\n"
        "print(first); path.write_text('\\n'.join(rest or [first]))\n"
    )
    command = f"{sys.executable} {script}"
    person.drive("login", person.server.url, "--token-command", command)
    kept = json.loads((person.config / "config.json").read_text())
    assert kept == {"url": person.server.url, "token_command": command}
    tokens.write_text(f"{expired}\n{person.token}\n")
    assert person.json("whoami")["subject"] == person.subject


def test_a_command_that_fails_is_said(person: Person) -> None:
    login = ("login", person.server.url, "--token-command", "false")
    output = person.drive(*login, status=4)
    assert output.err == "drive: The command that prints the token failed.\n"


def test_usage_is_shown(person: Person, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(bytes(2048))
    person.drive("put", tmp_path / "file")
    assert person.json("usage")["bytes_used"] == 2048
    assert "used                  2.0 KiB" in person.drive("usage").out
    assert person.drive("whoami").out == f"{person.subject} at {person.server.url}\n"


def test_a_command_that_is_wrong_shows_its_usage(person: Person) -> None:
    assert "Usage: drive put" in person.drive("put", status=2).err
    assert person.json("put", status=2)["error"]["message"].startswith("Missing argument")
    assert "No such command" in person.drive("send", status=2).err


def test_nothing_slow_is_loaded_before_ctrl_c_is_handled() -> None:
    typed = "import sys, remotedrive_client.__main__; print({'httpx', 'click'} & {*sys.modules})"
    path = {"PYTHONPATH": str(ROOT / "client")}
    assert subprocess.check_output([sys.executable, "-c", typed], env=path) == b"set()\n"


def test_a_reader_that_has_seen_enough_ends_it_quietly(person: Person) -> None:
    process = person.start("--help", stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    assert process.stderr.read() == ""
    process.wait(timeout=20)


COMMANDS = {
    **drive.commands,
    **{f"share {name}": each for name, each in share.commands.items()},
}


@pytest.mark.parametrize("command", sorted(set(COMMANDS) - {"share"}))
def test_every_command_speaks_json(command: str) -> None:
    assert any("--json" in option.opts for option in COMMANDS[command].params)


def test_a_terminal_that_lacks_a_letter_gets_an_escape(person: Person) -> None:
    person.drive("mkdir", "/Ω")
    environment = os.environ | person.environment | {"PYTHONIOENCODING": "cp1252"}
    out, err = person.start("ls", env=environment).communicate(timeout=20)
    assert (out, err) == ("\\u03a9/\n", "")


def test_every_exit_status_is_documented() -> None:
    page = (ROOT / "docx" / "client.md").read_text()
    for status in Exit:
        assert f"| {status.value} |" in page


@pytest.mark.slow
def test_a_quota_that_is_used_up_has_a_status_of_its_own(server: Server, tmp_path: Path) -> None:
    person = Person(server, tmp_path)
    server.manage("quota", person.subject, "10")
    (tmp_path / "file").write_bytes(bytes(11))
    output = person.drive("put", tmp_path / "file", status=7)
    assert output.err.count("\n") == 1
    assert "(request " in output.err
