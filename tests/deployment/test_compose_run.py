"""docker-compose.yml run on this host: it starts, serves, and keeps what was committed.

It has a database and a store of its own, so one run is enough, whatever the other tests run on.
"""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.compose import SECONDS, Compose, compose
from tests.support.ports import free_port
from tests.support.process import ROOT, Process, wait_for

SMOKE = ROOT / "scripts" / "smoke.sh"
SMOKE_WITH_NEW_TOKEN = (
    f"TOKEN=$(docker compose exec -T api python manage.py mint_jwt alice --create) '{SMOKE}'"
)

pytestmark = [pytest.mark.slow, pytest.mark.once]


@pytest.fixture(scope="module")
def project() -> Iterator[Compose]:
    with compose() as project:
        project.do("docker compose up -d --wait")
        yield project


def files_of_alice(project: Compose) -> list[str]:
    token = project.do("docker compose exec -T api python manage.py mint_jwt alice").strip()
    request = urllib.request.Request(
        f"{project.url}/files", headers={"Authorization": f"Bearer {token}"}
    )
    with urllib.request.urlopen(request) as answer:
        return [each["id"] for each in json.load(answer)["results"]]


def pids(project: Compose) -> dict[str, int]:
    """Return the process id of each service that runs."""
    lines = re.findall(r"^(\w+)\tpid (\d+)\t", project.do("docker compose ps"), re.MULTILINE)
    return {name: int(pid) for name, pid in lines}


def test_it_passes_the_smoke_script_and_again_after_all_of_it_was_killed(project: Compose) -> None:
    said = project.do(SMOKE_WITH_NEW_TOKEN, BASE_URL=project.url)
    assert "every byte the same" in said
    (first,) = files_of_alice(project)
    assert set(pids(project)) == {"postgres", "minio", "redis", "api", "collector"}

    project.do("docker compose kill")
    assert pids(project) == {}
    project.do("docker compose up -d --wait")
    said = project.do(SMOKE_WITH_NEW_TOKEN, BASE_URL=project.url)
    assert "every byte the same" in said
    files = files_of_alice(project)
    assert len(files) == 2
    assert first in files


def test_the_uploads_are_signed_with_the_narrow_key(project: Compose) -> None:
    said = project.do("docker compose logs setup")
    assert re.search(r"upload key \w+: policy \S+ made, user made", said)


def test_tools_reach_database_store_and_the_folder_for_backups(project: Compose) -> None:
    project.do(
        """
        mkdir -p backup
        docker compose exec -T postgres pg_dump -U remotedrive -Fc remotedrive > backup/dump
        docker compose run --rm tools python manage.py showmigrations --plan > backup/plan
        docker compose run --rm tools sh -c 'echo here > "$0"' /backup/from-tools
        docker compose exec -T postgres pg_restore --list < backup/dump > backup/list
        """
    )
    backup = project.folder / "backup"
    assert "[X]  files.0001_initial" in (backup / "plan").read_text()
    assert (backup / "from-tools").read_text() == "here\n"
    assert " TABLE DATA public files remotedrive" in (backup / "list").read_text()


def test_a_new_setting_reaches_what_it_concerns_and_restarts_nothing_else(
    project: Compose,
) -> None:
    project.do("docker compose up -d --wait")
    before = pids(project)
    project.configure("WEB_CONCURRENCY=3")
    project.do("docker compose up -d --wait")
    after = pids(project)
    assert {name for name in after if after[name] != before[name]} == {"api", "collector"}
    children = Path(f"/proc/{after['api']}/task/{after['api']}/children").read_text().split()
    assert len(children) >= 3


def test_a_migration_that_fails_leaves_what_serves_alone(project: Compose) -> None:
    project.do("docker compose up -d --wait")
    before = pids(project)
    wrong = "DATABASE_URL=postgresql://remotedrive:wrong@postgres:5432/remotedrive"
    failed = project.shell(f"docker compose run --rm -e {wrong} setup")
    assert failed.returncode != 0
    assert "password authentication failed" in failed.stderr
    assert pids(project) == before
    project.do("docker compose run --rm setup")
    assert pids(project) == before
    with urllib.request.urlopen(f"{project.url}/readyz") as answer:
        assert answer.status == 200


@pytest.mark.skipif(shutil.which("caddy") is None, reason="needs Caddy")
def test_both_names_are_served_by_the_proxy_with_tls_and_its_log_tells_no_secret() -> None:
    with compose("COMPOSE_PROFILES=proxy", "TRUSTED_PROXIES=172.30.77.2") as project:
        http, https = free_port(), free_port()
        drive, store = f"https://drive.localhost:{https}", f"https://store.localhost:{https}"
        project.configure(f"HTTP_PORT={http}", f"HTTPS_PORT={https}", "PROXY_ADDRESS=127.0.0.1")
        project.configure(f"PUBLIC_URL={drive}", f"MINIO_PUBLIC_ENDPOINT={store}")
        project.configure("ALLOWED_HOSTS=drive.localhost")
        project.do("docker compose up -d --wait")
        (root,) = project.folder.glob(
            "var/*/volumes/caddy-data/caddy/pki/authorities/local/root.crt"
        )
        said = project.do(SMOKE_WITH_NEW_TOKEN, BASE_URL=drive, CURL_CA_BUNDLE=str(root))
        assert "every byte the same" in said

        ask = "curl -sS -o answer -w '%{http_code}'"
        ca = {"CURL_CA_BUNDLE": str(root)}
        assert project.do(f"{ask} {store}/minio/health/ready", **ca) == "404"
        project.do("docker compose stop api minio")
        assert project.do(f"{ask} {drive}/s/a-token-of-a-share", **ca) == "502"
        assert project.do(f"{ask} '{store}/b/k?X-Amz-Signature=secret'", **ca) == "502"
        log = project.do("docker compose logs proxy")
        assert log.count('"status":502') == 2
        assert "a-token-of-a-share" not in log
        assert "X-Amz-Signature" not in log


def test_in_the_foreground_sigterm_ends_all_of_it() -> None:
    with compose() as project:
        up = Process(
            ["docker", "compose", "up"],
            executable=project.folder / "bin" / "docker",
            cwd=project.folder,
            environment=project.environment,
            stderr=subprocess.PIPE,
        )
        assert up.stderr is not None
        said = []
        for line in up.stderr:
            said.append(line)
            if line == "api: healthy\n":
                break
        running = pids(project)
        assert set(running) == {"postgres", "minio", "redis", "api", "collector"}, "".join(said)
        up.send_signal(signal.SIGTERM)
        up.communicate(timeout=SECONDS)
        assert up.returncode == 0
        assert pids(project) == {}
        wait_for(lambda: not any(_is_alive(pid) for pid in running.values()), seconds=30)


def _is_alive(pid: int) -> bool:
    """Say whether there is such a process; one that only waits to be reaped does not count."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False
