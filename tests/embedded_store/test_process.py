"""The process: how it starts, what it says, how it ends, and what outlives it."""

import contextlib
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.support.process import ROOT

from .store_process import BUCKET, HTTP, Store, command, environment

pytestmark = pytest.mark.once

StartStore = Callable[..., Store]

PRIVATE_MOUNT = subprocess.run(
    ["unshare", "-rm", "sh", "-c", "mount -t tmpfs tmpfs /mnt"], capture_output=True, check=False
)
needs_mounts = pytest.mark.skipif(
    PRIVATE_MOUNT.returncode != 0, reason="this machine does not let one mount in a namespace"
)


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        arguments,
        cwd=ROOT,
        env=environment(),
        text=True,
        capture_output=True,
        timeout=20,
        check=False,
    )


def assert_refused(completed: subprocess.CompletedProcess[str], *named: str) -> None:
    """One sentence that names these, on standard error, and exit code 1."""
    assert (completed.returncode, completed.stdout) == (1, "")
    assert completed.stderr.count("\n") == 1
    for text in ("embedded store: ", *named):
        assert text in completed.stderr


def test_importing_the_package_imports_neither_swift_nor_eventlet_nor_django() -> None:
    names = "{'swift', 'eventlet', 'django'}"
    line = f"import sys, embedded_store; sys.exit(len({names} & set(sys.modules)))"
    assert run(sys.executable, "-c", line).returncode == 0


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_with_success_and_without_a_word(
    start: StartStore, ending: signal.Signals
) -> None:
    store = start()
    store.process.send_signal(ending)
    assert store.process.communicate(timeout=10) == ("", "")
    assert store.process.returncode == 0


def test_a_sigint_that_the_parent_ignores_is_ignored(start: StartStore) -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        store = start()
    finally:
        signal.signal(signal.SIGINT, before)
    store.process.send_signal(signal.SIGINT)
    store.make_bucket()
    assert store.stop() == (0, "", "")


def test_it_listens_on_this_machine_only(shared_store: Store) -> None:
    inodes = {
        link.readlink().name
        for link in Path(f"/proc/{shared_store.process.pid}/fd").iterdir()
        if link.is_symlink()
    }
    listening = [
        fields[1]
        for table in ("tcp", "tcp6")
        for fields in map(str.split, Path(f"/proc/net/{table}").read_text().splitlines()[1:])
        if fields[3] == "0A" and f"socket:[{fields[9]}]" in inodes
    ]
    assert f"0100007F:{shared_store.port:04X}" in listening
    assert all(address.startswith("0100007F:") for address in listening)


@pytest.mark.slow
def test_a_second_store_on_the_same_folder_is_refused(start: StartStore, tmp_path: Path) -> None:
    start()
    assert_refused(run(*command(tmp_path / "data")), str(tmp_path / "data"))


def test_a_port_in_use_is_said_so_by_number(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert_refused(run(*command(tmp_path / "data", "--port", port)), port)


def test_a_folder_that_cannot_be_made_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert_refused(run(*command(tmp_path / "file" / "data")), str(tmp_path / "file" / "data"))


@needs_mounts
def test_a_file_system_without_extended_attributes_is_said_so(tmp_path: Path) -> None:
    line = f'mount -t ramfs ramfs "{tmp_path}"; exec "$@"'
    completed = run("unshare", "-rm", "sh", "-ec", line, "sh", *command(tmp_path / "data"))
    assert_refused(completed, str(tmp_path / "data"), "extended attributes")


def test_where_swift_cannot_be_imported_it_names_the_way_with_minio(tmp_path: Path) -> None:
    line = (
        "import runpy, sys; sys.modules['swift'] = None; sys.argv[1:] = ['--data', 'unused'];"
        "runpy.run_module('embedded_store', run_name='__main__')"
    )
    assert_refused(run(sys.executable, "-c", line), "MinIO", "README.md")


def test_an_empty_secret_key_is_refused(tmp_path: Path) -> None:
    completed = run(*command(tmp_path / "data", "--secret-key", ""))
    assert completed.returncode == 2
    assert "--secret-key" in completed.stderr


def test_only_the_named_origins_may_read_answers(start: StartStore) -> None:
    store = start(None, "--cors-origin", "https://a.example, https://b.example")
    for origin, status in (("https://b.example", 204), ("https://evil.example", 403)):
        headers = {"origin": origin, "access-control-request-method": "PUT"}
        answer = HTTP.options(store.url, headers=headers)
        assert answer.status_code == status
        assert (answer.headers.get("access-control-allow-origin") == origin) == (status == 204)


def test_it_logs_requests_when_asked_and_never_a_secret_or_a_signature(start: StartStore) -> None:
    store = start(None, "--verbose")
    store.make_bucket()
    url = store.presign("PUT", "key")
    HTTP.put(url, content=b"bytes")
    _, _, errors = store.stop()
    assert BUCKET in errors
    signature = url.rpartition("=")[2]
    assert signature[:8] not in errors
    assert environment()["MINIO_SECRET_KEY"] not in errors


def test_the_secret_key_is_not_written_to_the_data_folder(
    start: StartStore, tmp_path: Path
) -> None:
    store = start()
    store.make_bucket()
    secret = environment()["MINIO_SECRET_KEY"].encode()
    files = [path for path in (tmp_path / "data").rglob("*") if path.is_file()]
    assert files
    assert not any(secret in path.read_bytes() for path in files)


@pytest.mark.slow
def test_it_holds_less_than_150_mb_after_a_hundred_megabytes_went_through(
    start: StartStore, key: str
) -> None:
    store = start()
    store.make_bucket()
    assert store.put(key, bytes(100_000_000)).status_code == 200
    assert len(store.get(key).content) == 100_000_000
    status = Path(f"/proc/{store.process.pid}/status").read_text()
    peak = int(status.partition("VmHWM:")[2].split()[0]) * 1024
    assert peak < 150_000_000


@pytest.mark.slow
def test_what_was_acknowledged_is_there_after_kill_9_during_puts(
    start: StartStore, key: str
) -> None:
    store = start()
    store.make_bucket()
    acknowledged: dict[str, tuple[str, bytes]] = {}
    lock = threading.Lock()
    enough = threading.Event()

    def write(writer: int) -> None:
        for number in range(1000):
            name, body = f"{key}-{writer}-{number}", f"{writer} {number}".encode() * 1000
            try:
                put = store.put(name, body, {"if-none-match": "*"})
            except httpx.HTTPError:
                return
            if put.status_code == 200:
                with lock:
                    acknowledged[name] = (put.headers["x-amz-version-id"], body)
                    if len(acknowledged) >= 20:
                        enough.set()

    writers = [threading.Thread(target=write, args=(writer,)) for writer in range(4)]
    for thread in writers:
        thread.start()
    enough.wait(timeout=20)
    store.kill()
    for thread in writers:
        thread.join()
    assert len(acknowledged) >= 20
    again = start()
    for name, (version, body) in acknowledged.items():
        assert again.get(name, version).content == body
        assert again.get(name).content == body


@pytest.mark.slow
@needs_mounts
def test_on_a_full_disk_a_put_is_refused_and_nothing_of_it_is_stored(
    start: StartStore, tmp_path: Path, key: str
) -> None:
    (tmp_path / "data").mkdir()
    line = f'mount -t tmpfs -o size=32m tmpfs "{tmp_path / "data"}"; exec "$@"'
    store = start(tmp_path / "data", wrapped=line)
    store.make_bucket()
    large = bytes(20_000_000)
    assert store.put(key, large).status_code == 200
    for _ in range(3):
        status, body = store.answer_to_head_of_put(f"{key}-refused", 8_000_000)
        assert status == 507
        assert b"XMinioStorageFull" in body
    assert store.get(f"{key}-refused").status_code == 404
    assert store.versions(f"{key}-refused") == []
    (version,) = store.versions(key)
    store.s3.delete_object(Bucket=BUCKET, Key=key, VersionId=version)
    assert store.put(f"{key}-refused", large).status_code == 200
    assert store.stop() == (0, "", "")


@pytest.mark.slow
@needs_mounts
def test_a_put_during_which_the_disk_fills_up_fails_and_is_not_stored(
    start: StartStore, tmp_path: Path, key: str
) -> None:
    (tmp_path / "data").mkdir()
    line = f'mount -t tmpfs -o size=32m tmpfs "{tmp_path / "data"}"; exec "$@"'
    store = start(tmp_path / "data", wrapped=line)
    store.make_bucket()
    bodies = {f"{key}-{number}": bytes([number]) * 20_000_000 for number in range(2)}
    begun = {
        name: store.begin_put(store.presign("PUT", name), body, held_back=len(body) - 1)
        for name, body in bodies.items()
    }

    def finish(name: str) -> bytes:
        with begun[name] as connection, contextlib.suppress(ConnectionError):
            connection.sendall(bodies[name][1:])
            return connection.recv(4096)
        return b""

    with ThreadPoolExecutor(2) as pool:
        answers = dict(zip(bodies, pool.map(finish, bodies), strict=True))
    assert not all(answer.startswith(b"HTTP/1.1 200 ") for answer in answers.values())
    for name, answer in answers.items():
        stored = answer.startswith(b"HTTP/1.1 200 ")
        assert store.versions(name) == [] or stored
        assert store.get(name).status_code == (200 if stored else 404)
        assert store.get(name).content == bodies[name] or not stored
    assert store.put(f"{key}-small", b"small").status_code == 200
    assert store.stop() == (0, "", "")
