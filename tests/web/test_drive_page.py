"""The page of the drive as it is sent: what it lets a browser do, and what it loads."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.test import Client as Browser
from pytest_django.fixtures import Settings

from tests.support.client import Client
from tests.support.process import ROOT

STATIC = ROOT / "files" / "static" / "files"
VENDOR = STATIC / "vendor"
OWN = [path for path in STATIC.rglob("*.*") if path.suffix in (".js", ".css")]
OWN = [path for path in OWN if VENDOR not in path.parents]


@pytest.fixture
def browser(owner: Client) -> Browser:
    browser = Browser(raise_request_exception=False)
    browser.force_login(owner.user)
    return browser


def test_the_policy_allows_our_own_files_and_the_store_and_nothing_inline(
    browser: Browser, settings: Settings
) -> None:
    settings.MINIO_PUBLIC_ENDPOINT = "https://store.example:9000"
    policy = browser.get("/").headers["Content-Security-Policy"]
    assert dict(directive.split(" ", 1) for directive in policy.split("; ")) == {
        "default-src": "'none'",
        "style-src": "'self'",
        "script-src": "'self'",
        "worker-src": "'self'",
        "img-src": "data: https://store.example:9000",
        "media-src": "https://store.example:9000",
        "frame-src": "https://store.example:9000",
        "connect-src": "'self' https://store.example:9000",
        "form-action": "'self'",
        "base-uri": "'none'",
        "frame-ancestors": "'none'",
        "require-trusted-types-for": "'script'",
        "trusted-types": "hashing",
    }


def test_the_policy_names_the_bucket_where_it_is(browser: Browser, settings: Settings) -> None:
    settings.MINIO_PUBLIC_ENDPOINT = "https://gw.example/s3"
    assert "connect-src 'self' https://gw.example/s3/; " in policy_of(browser, "/")
    settings.MINIO_ADDRESSING, settings.MINIO_BUCKET = "virtual", "drive"
    assert "connect-src 'self' https://drive.gw.example/s3/; " in policy_of(browser, "/")
    settings.MINIO_PUBLIC_ENDPOINT = "https://s3.example"
    for page in ("/", "/docs"):
        assert "connect-src 'self' https://drive.s3.example; " in policy_of(browser, page)


def policy_of(browser: Browser, page: str) -> str:
    return str(browser.get(page).headers["Content-Security-Policy"])


def test_the_worker_alone_may_compile_webassembly(browser: Browser) -> None:
    worker = browser.get("/static/files/common/hashing-worker.js")
    assert worker.status_code == 200
    policy = worker.headers["Content-Security-Policy"]
    assert "'wasm-unsafe-eval'" in policy
    assert "require-trusted-types-for 'script'" in policy
    assert "Content-Security-Policy" not in browser.get("/static/files/drive/main.js").headers


def test_scripts_and_styles_of_our_own_are_small() -> None:
    assert sum(path.stat().st_size for path in OWN) < 150_000
    assert not [path for path in OWN if len(path.read_text().splitlines()) > 400]


def test_what_is_vendored_is_what_was_recorded() -> None:
    packages = json.loads((VENDOR / "vendored.json").read_text())
    recorded = {file["to"]: file["sha256"] for package in packages for file in package["files"]}
    found = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in VENDOR.iterdir()}
    del found["vendored.json"]
    assert found == recorded


def test_without_the_web_there_is_no_page_and_no_token(tmp_path: Path) -> None:
    script = (
        "import django; django.setup();"
        "from django.test import Client; client = Client(headers={'Host': 'localhost'});"
        "paths = ('/', '/sign-in', '/sign-out', '/token');"
        "print([f(path).status_code for path in paths for f in (client.get, client.post)])"
    )
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "remotedrive.settings",
        "DATA_DIR": str(tmp_path),
        "WEB": "false",
    }
    command = [sys.executable, "-c", script]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == str([404] * 8)
