"""`scripts/run` from outside: what it says, what it keeps, and that it leaves nothing behind."""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from remotedrive.environment import read_env_file
from scripts.lib import local_environment
from tests.support.ports import free_port
from tests.support.process import ROOT, wait_for
from tests.support.run_script import SECONDS, Run, clean_environment, run
from tests.support.settings_read import names_read

__all__ = ["run"]

pytestmark = pytest.mark.once

SCRIPTS = ROOT / "scripts"


def script(name: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(SCRIPTS / name), *arguments],
        env=clean_environment() | environment,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def children(pid: int) -> dict[str, int]:
    """Return the process ids of `pid`'s children by what they are."""
    found = {}
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        arguments = Path(f"/proc/{child}/cmdline").read_text()
        names = {"embedded_store": "store", "collect_garbage": "collector"}
        name = next((each for part, each in names.items() if part in arguments), "service")
        found[name] = int(child)
    return found


@pytest.mark.parametrize("name", ["run", "test"])
def test_help_is_given_with_nothing_installed(name: str) -> None:
    told = script(name, "--help", PATH=f"{Path(sys.executable).resolve().parent}:/usr/bin:/bin")
    assert told.returncode == 0
    assert f"usage: scripts/{name}" in told.stdout


def test_without_a_python_that_is_new_enough_it_says_so(tmp_path: Path) -> None:
    old = tmp_path / "python3"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    (tmp_path / "dirname").symlink_to("/usr/bin/dirname")
    told = script("run", "--help", PATH=str(tmp_path))
    assert told.returncode == 1
    assert told.stderr == "Python 3.11 or newer is needed, and none was found on the PATH.\n"


@pytest.mark.parametrize("option", ["--port", "--store-port"])
def test_a_port_in_use_is_named_before_anything_is_made(option: str, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken = server.getsockname()[1]
        ports = {"--port": str(free_port()), "--store-port": str(free_port()), option: str(taken)}
        data = tmp_path / "data"
        told = script(
            "run", "--data", str(data), *(part for each in ports.items() for part in each)
        )
    assert told.returncode == 1
    assert told.stderr == f"Port {taken} is in use; choose another with {option}.\n"
    assert not data.exists()


def test_the_service_and_the_store_cannot_have_the_same_port(tmp_path: Path) -> None:
    port = str(free_port())
    told = script("run", "--data", str(tmp_path), "--port", port, "--store-port", port)
    assert told.returncode == 1
    assert told.stderr.startswith(f"--port and --store-port are both {port};")


def test_a_run_passes_the_smoke_script_and_the_next_one_keeps_its_secrets(run: Run) -> None:
    smoke = run.start("--with-smoke")
    said, complaints = smoke.communicate(timeout=SECONDS)
    assert "every byte the same" in said, complaints
    assert smoke.returncode == 0
    assert stat.S_IMODE((run.data / "env").stat().st_mode) == 0o600
    assert stat.S_IMODE((run.data / "secrets").stat().st_mode) == 0o600
    first = read_env_file(run.data / "env")
    assert first["MINIO_ENDPOINT"] == f"http://127.0.0.1:{run.store_port}"
    assert "DATABASE_URL" not in first

    process = run.start(JWT_ISSUER="https://issuer.example")
    banner = run.read_banner()
    here, password = f"http://127.0.0.1:{run.port}", first["ALICE_PASSWORD"]
    assert f"Open {here} and sign in as alice with the password {password}\n" in banner
    second = read_env_file(run.data / "env")
    assert second == first | {"JWT_ISSUER": "https://issuer.example"}
    process.terminate()
    process.communicate(timeout=SECONDS)
    assert process.returncode == 0
    assert not listens(run.port)
    assert not listens(run.store_port)


@pytest.mark.slow
def test_ctrl_c_at_the_terminal_ends_the_service_before_the_store(run: Run) -> None:
    process = run.start()
    run.read_banner()
    with socket.create_connection(("127.0.0.1", run.port)) as client:
        # The service waits for a request that it has begun to read.
        client.sendall(
            b"POST /files/commit HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{"
        )
        wait_for(lambda: listens(run.port), seconds=SECONDS)
        os.killpg(process.pid, signal.SIGINT)
        wait_for(lambda: not listens(run.port), seconds=SECONDS)
        assert listens(run.store_port)
    process.communicate(timeout=SECONDS)
    assert process.returncode == 0
    assert not listens(run.store_port)


@pytest.mark.slow
@pytest.mark.parametrize("victim", ["store", "service", "collector"])
def test_when_one_of_them_dies_the_others_are_ended_and_it_says_so(run: Run, victim: str) -> None:
    process = run.start("--workers", "2" if victim == "service" else "1")
    run.read_banner()
    os.kill(children(process.pid)[victim], signal.SIGKILL)
    _, said = process.communicate(timeout=SECONDS)
    assert process.returncode == 1
    assert f"The {victim} has ended by itself (status -9)." in said
    assert not listens(run.port)
    assert not listens(run.store_port)


@pytest.mark.slow
def test_nothing_goes_on_when_the_script_itself_is_killed(run: Run) -> None:
    process = run.start()
    run.read_banner()
    process.kill()
    wait_for(lambda: not listens(run.port) and not listens(run.store_port), seconds=SECONDS)


@pytest.mark.slow
def test_with_another_store_named_none_is_started_and_its_keys_are_not_invented(run: Run) -> None:
    process = run.start(MINIO_ENDPOINT="http://127.0.0.1:9")
    _, said = process.communicate(timeout=SECONDS)
    assert process.returncode == 1
    assert said == "MINIO_ACCESS_KEY is not set\n"
    written = read_env_file(run.data / "env")
    assert set(written) == {"SECRET_KEY", "JWT_SECRET", "ALICE_PASSWORD", "MINIO_ENDPOINT"}


def test_the_env_file_names_every_setting_that_another_terminal_needs() -> None:
    written = local_environment.SETTINGS
    groups = ("SECRET_KEY", "DATABASE_URL", "JWT_", "MINIO_")
    needed = {name for name in names_read() if name.startswith(groups)}
    assert needed == set(written)
