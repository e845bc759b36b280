"""`/metrics`: what it counts, for whom, and when all else is down."""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import re
import signal
import string
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import httpx
import pytest

from remotedrive import metric_files, metrics
from remotedrive.http.views import metrics_response
from scripts.lib.processes import listens
from tests.support.client import assert_problem, put, sha256
from tests.support.exposition import Metrics, scraped, wait_until
from tests.support.object_store import address
from tests.support.ports import free_port
from tests.support.process import ROOT, Process
from tests.support.routes import routes
from tests.support.server import Server, running
from tests.support.tcp_proxy import TcpProxy

REQUESTS = "remotedrive_http_requests_total"
SECONDS_COUNT = "remotedrive_http_request_duration_seconds_count"
STARTED = "remotedrive_uploads_started_total"
COMMITTED = "remotedrive_uploads_committed_total"
BYTES = "remotedrive_committed_bytes_total"
FAILED = "remotedrive_uploads_failed_total"
STORE_CALLS = "remotedrive_store_calls_total"
STORE_SECONDS_COUNT = "remotedrive_store_call_duration_seconds_count"
BREAKERS = "remotedrive_store_breakers_open"
TOKEN = "scrape-me-if-you-can-0123456789"


@pytest.fixture(scope="module")
def behind(store: object) -> Iterator[TcpProxy]:
    """The way of the service to the store."""
    with TcpProxy(address()) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def service(
    store: object, behind: TcpProxy, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("service")
    with running(folder, THREADS="4", MINIO_ENDPOINT=behind.endpoint) as server:
        yield server


def test_uploads_and_what_the_store_did_for_them_are_counted(service: Server) -> None:
    owner = service.client("owner")
    before = scraped(service)
    file = owner.upload(b"12345")
    assert_problem(owner.commit("uploads/none", b"1"), 404, "not-found")
    begun = owner.init(b"never sent")
    assert_problem(owner.commit(begun["key"], b"never sent"), 409, "object-missing")
    results = owner.post(
        "/files/commit/batch",
        {"commits": [{"key": begun["key"], "checksum": sha256(b"x"), "size": 1}]},
    )["results"]
    assert results[0]["code"] == "size-mismatch"
    again = owner.put(b"123")
    for _ in range(2):
        assert owner.commit(again["key"], b"123").status in (200, 201)
    assert owner.get(f"/files/{file['fileId']}").status == 200
    after = scraped(service)

    def grown(name: str, **labels: str) -> float:
        return after.total(name, **labels) - before.total(name, **labels)

    assert grown(STARTED) == 3
    assert (grown(COMMITTED), grown(BYTES)) == (2, 8)
    for code in ("not-found", "object-missing", "size-mismatch"):
        assert grown(FAILED, step="commit", code=code) == 1
    assert grown(FAILED) == 3
    assert grown(STORE_CALLS, operation="head", result="ok") == 3
    assert grown(STORE_SECONDS_COUNT, operation="head") == 3
    assert grown(REQUESTS, route="/files/init-upload", method="POST", status="201") == 3
    assert grown(REQUESTS, route="/files/commit", status="404") == 1
    assert grown(REQUESTS, route="/files/{pk}", method="GET", status="200") == 1
    assert grown(REQUESTS) == grown(SECONDS_COUNT)
    assert after.total("remotedrive_threads") == 4
    assert after.total("remotedrive_workers") == 1


def test_uploads_through_a_share_are_counted_too(service: Server) -> None:
    owner, visitor = service.client("sharer"), service.client(None)
    share = owner.post(
        "/shares", {"file_id": owner.upload(b"old")["fileId"], "permission": "write"}
    )
    before = scraped(service)
    begun = visitor.post(
        f"/s/{share['token']}/init-upload", {"size": 3, "content_type": "text/plain"}
    )
    commit = {"key": begun["key"], "checksum": sha256(b"new"), "size": 3}
    assert_problem(
        visitor.call("POST", f"/s/{share['token']}/commit", commit), 409, "object-missing"
    )
    put(begun["presigned_put_url"], b"new", begun["headers"])
    visitor.post(f"/s/{share['token']}/commit", commit)
    after = scraped(service)
    assert after.total(STARTED) - before.total(STARTED) == 1
    assert after.total(COMMITTED) - before.total(COMMITTED) == 1
    assert after.total(FAILED, step="commit", code="object-missing") > before.total(
        FAILED, step="commit", code="object-missing"
    )
    assert "/s/{token}/commit" in after.values(REQUESTS, "route")


@pytest.mark.once
def test_no_label_grows_with_what_is_asked_for(service: Server) -> None:
    nobody = service.client(None)
    letters = string.ascii_letters + string.digits + "_-"
    known = {re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", route) for route in routes()}
    methods = ("GET", "HEAD", "PUT", "POST", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND")
    begins = ("/", "/files/", "/s/", "/admin/", "/static/", "/shares/x/", "/folders?", "/problems/")
    with httpx.Client(base_url=service.url, trust_env=False, timeout=30) as http:
        for _ in range(200):
            path = random.choice(begins) + "".join(random.choices(letters, k=24))
            http.request(random.choice(methods), path)
    assert nobody.get("/files").status == 401
    said = scraped(service)
    assert said.values(REQUESTS, "method") <= {"GET", "HEAD", "POST", "PATCH", "DELETE", "other"}
    routed = said.values(REQUESTS, "route") | said.values(SECONDS_COUNT, "route")
    assert routed <= known | {"unmatched", "/static/", "/admin/"}
    assert {"unmatched", "/s/{token}", "/problems/{code}"} <= routed
    assert said.total(REQUESTS) == said.total(SECONDS_COUNT)


@pytest.mark.slow
@pytest.mark.once
def test_metrics_are_there_while_the_store_is_down_and_say_so(
    service: Server, behind: TcpProxy
) -> None:
    before = scraped(service)
    behind.refuse()
    try:
        for _ in range(6):
            service.client(None).get("/readyz")
            scraped(service)
    finally:
        behind.pass_on()
    after = scraped(service)
    failed = {"operation": "bucket_state", "result": "failed"}
    assert after.total(STORE_CALLS, **failed) >= before.total(STORE_CALLS, **failed) + 5
    assert after.total(BREAKERS) == 1

    def closed(now: Metrics) -> bool:
        service.client(None).get("/readyz")
        return now.total(BREAKERS) == 0

    wait_until(service, closed)


@pytest.mark.once
def test_metrics_are_there_while_neither_database_nor_store_is(tmp_path: Path) -> None:
    port = free_port()
    down = {
        "DJANGO_SETTINGS_MODULE": "remotedrive.settings",
        "DATA_DIR": str(tmp_path),
        "DATABASE_URL": "postgresql://nobody:nothing@127.0.0.1:1/none",
        "MINIO_ENDPOINT": "http://127.0.0.1:1",
        "ALLOWED_HOSTS": "drive.example",
        # Of another program: a single worker counts in memory.
        "PROMETHEUS_MULTIPROC_DIR": str(tmp_path / "others"),
    }
    (tmp_path / "others").mkdir()
    process = Process(
        [sys.executable, "-m", "remotedrive", f"--port={port}"],
        environment=os.environ | down,
        log=tmp_path / "log",
    )
    url = f"http://127.0.0.1:{port}"
    try:
        with httpx.Client(base_url=url, trust_env=False, timeout=30) as http:
            process.wait_until(lambda: listens(port))
            unready = http.get("/readyz", headers={"Host": "drive.example"})
            assert unready.status_code == 503
            assert unready.json()["not_ready"].keys() == {"database", "store"}
            answer = http.get("/metrics")
    finally:
        process.end()
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    said = Metrics(answer.text)
    assert said.total(REQUESTS, route="/readyz", status="503") == 1
    assert list((tmp_path / "others").iterdir()) == []


@pytest.mark.once
def test_a_token_that_is_set_is_needed(tmp_path: Path) -> None:
    with running(tmp_path, METRICS_TOKEN=TOKEN, ALLOWED_HOSTS="drive.example") as server:

        def ask(authorization: str | None = None) -> tuple[int, str]:
            headers = {} if authorization is None else {"Authorization": authorization}
            answer = server.http.get("/metrics", headers=headers)
            return answer.status_code, answer.text

        status, said = ask()
        assert (status, "not-authenticated" in said) == (401, True)
        for wrong in (f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", f"Basic {TOKEN}", TOKEN, ""):
            status, said = ask(wrong)
            assert status == 401, wrong
            assert "remotedrive_" not in said
        status, said = ask(f"Bearer {TOKEN}")
        assert (status, "remotedrive_workers 1.0" in said) == (200, True)
        assert (
            server.http.head("/metrics", headers={"Authorization": f"bearer {TOKEN}"}).status_code
            == 200
        )
        assert server.http.post("/metrics").status_code in (400, 405)
        assert TOKEN not in server.log()


def _files(server: Server) -> list[Path]:
    assert server.process is not None
    environ = Path(f"/proc/{server.worker_pids()[0]}/environ").read_bytes().split(b"\0")
    (folder,) = (each for each in environ if each.startswith(metric_files.VARIABLE.encode()))
    return sorted(Path(os.fsdecode(folder.partition(b"=")[2])).iterdir())


def _all_serve(now: Metrics, starts: int) -> bool:
    started = now.total("remotedrive_worker_starts_total") == starts
    return started and now.total("remotedrive_workers") == 2


@pytest.mark.slow
@pytest.mark.once
def test_workers_count_together_and_a_killed_one_loses_nothing(
    store: object, tmp_path: Path
) -> None:
    with running(tmp_path, workers=2) as server:
        owner = server.client("owner")
        wait_until(server, lambda now: now.total("remotedrive_workers") == 2)
        for _ in range(40):
            assert owner.init(b"abc").status == 201
        wait_until(server, lambda now: now.total(STARTED) == 40)
        said = [scraped(server) for _ in range(4)]
        assert {each.total(STARTED) for each in said} == {40}
        assert {each.total(REQUESTS, route="/files/init-upload") for each in said} == {40}
        files = _files(server)
        for round_ in range(1, 4):
            victim = random.choice(server.worker_pids())
            os.kill(victim, signal.SIGKILL)
            wait_until(server, partial(_all_serve, starts=2 + round_))
            assert scraped(server).total(STARTED) == 40 + 10 * (round_ - 1)
            for _ in range(10):
                assert owner.init(b"abc").status == 201
        assert scraped(server).total(STARTED) == 70
        assert _files(server) == files
        assert server.stop() == 0
    assert not files[0].parent.exists()


@pytest.mark.once
def test_a_folder_that_a_killed_process_left_is_removed_and_one_in_use_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    left = tmp_path / "remotedrive-metrics-left"
    left.mkdir()
    (left / "counter_1.db").touch()
    with metric_files.shared_folder():
        used = metric_files.folder()
        assert used is not None
        assert left.exists(), "it may have been made just now"
        for folder in (left, used):
            os.utime(folder, (0, 0))
        with metric_files.shared_folder():
            assert not left.exists()
            assert used.exists()
    assert not used.exists()


@pytest.mark.once
def test_a_number_is_taken_again_when_its_process_ended(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    first = metric_files.take_number(tmp_path)
    with context.Pool(1) as pool:
        other = pool.apply(metric_files.take_number, [tmp_path])
    assert {first, other} == {"1", "2"}
    gauge = tmp_path / "gauge_livesum_2.db"
    assert gauge.exists()
    metric_files.forget_dead(tmp_path)
    assert not gauge.exists()
    assert (tmp_path / "gauge_livesum_1.db").exists()
    with context.Pool(1) as pool:
        assert pool.apply(metric_files.take_number, [tmp_path]) == "2"
    metric_files._held.pop().close()


@pytest.mark.once
@pytest.mark.parametrize("files", [None, [], ["counter_1.db"]], ids=["none", "gone", "empty"])
def test_a_worker_that_cannot_count_with_the_others_gives_no_figures(
    files: list[str] | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = None if files is None else tmp_path / "folder"
    if folder is not None and files:
        folder.mkdir()
        for name in files:
            (folder / name).touch()
    monkeypatch.setenv(metric_files.VARIABLE, str(folder or ""))
    monkeypatch.setattr(metrics, "_folder", folder)
    monkeypatch.setattr(metrics, "_text_made", metrics._Text())
    answer = metrics_response(None)
    assert answer.status_code == 503
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert json.loads(answer.content)["code"] == "unavailable"
    monkeypatch.delenv(metric_files.VARIABLE)
    assert metrics_response(None).status_code == 200


@pytest.mark.once
def test_without_a_folder_for_temporary_files_the_workers_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "none"))
    with metric_files.shared_folder():
        assert metric_files.is_one_of_several()
        assert metric_files.folder() is None
    assert not metric_files.is_one_of_several()
    assert "no folder can be made" in caplog.text


_TAKES_A_NUMBER = """
import resource, sys
from pathlib import Path
from remotedrive import metric_files
size = int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
print(metric_files.take_number(Path(sys.argv[1])))
"""


@pytest.mark.once
def test_a_file_of_counts_is_whole_or_not_there(tmp_path: Path) -> None:
    def take(room: int) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-B", "-c", _TAKES_A_NUMBER, str(tmp_path), str(room)]
        return subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
        )

    assert "OSError: [Errno 27] File too large" in take(300_000).stderr
    assert [each.name for each in tmp_path.glob("*_1.*")] == ["counter_1.db"]
    assert take(10_000_000).stdout == "1\n"
    sizes = {each.name: each.stat().st_size for each in tmp_path.glob("*_1.*")}
    assert sizes == {f"{kind}_1.db": size for kind, size in metric_files._BYTES.items()}


_WRITES_LINES = """
import logging, sys
from django.conf import settings
settings.configure(SECRET_PATHS=[])
from remotedrive.http import log_setup, logs
handler = log_setup.LineHandler()
handler.setFormatter(logs.TextFormatter())
logging.getLogger().addHandler(handler)
for _ in range(100):
    logging.warning("%s", sys.argv[1] * 1999 + ".")
    logging.warning("%s", sys.argv[1] + ".")
"""


@pytest.mark.once
def test_workers_do_not_cut_into_each_others_lines(tmp_path: Path) -> None:
    environment = os.environ | {metric_files.VARIABLE: str(tmp_path)}
    reading, writing = os.pipe()
    processes = [
        Process(
            [sys.executable, "-c", _WRITES_LINES, each], environment=environment, stderr=writing
        )
        for each in "€é"
    ]
    os.close(writing)
    written = b""
    with open(reading, "rb", buffering=0) as pipe:
        while part := pipe.read(1500):
            written += part
    assert [process.wait(timeout=20) for process in processes] == [0, 0]
    lines = written.decode().splitlines()
    assert len(lines) == 400
    wrong = [line for line in lines if not re.fullmatch(r".*\[-\] (€+|é+)\.", line)]
    assert wrong == []
