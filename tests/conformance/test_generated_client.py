"""Clients that openapi-python-client makes of the schema: they compile, and move a file."""

from __future__ import annotations

import compileall
import hashlib
import importlib
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from tests.support import documents, server
from tests.support.client import fetch, put
from tests.support.schema import DOCUMENT_FILE

pytestmark = [pytest.mark.slow, pytest.mark.once]

CONTENT = b"some bytes"
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def generated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The package that is generated from docx/openapi.yaml."""
    package = tmp_path / "generated_client"
    programs = Path(sys.executable).parent
    arguments = ("--path", str(DOCUMENT_FILE), "--output-path", str(package), "--meta", "none")
    done = subprocess.run(
        [str(programs / "openapi-python-client"), "generate", *arguments, "--fail-on-warning"],
        # It formats with ruff what it has written.
        env=os.environ | {"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert compileall.compile_dir(package, quiet=1)
    monkeypatch.syspath_prepend(str(tmp_path))
    return importlib.import_module(package.name)


def test_the_generated_client_uploads_a_file_and_gets_it_back(
    generated: ModuleType, store: object, tmp_path_factory: pytest.TempPathFactory
) -> None:
    from generated_client.api.files import download_file  # type: ignore[import-not-found]
    from generated_client.api.uploads import (  # type: ignore[import-not-found]
        commit_upload,
        init_upload,
    )
    from generated_client.models import (  # type: ignore[import-not-found]
        CommitRequest,
        InitUploadRequest,
        Problem,
    )

    with server.running(tmp_path_factory.mktemp("service")) as service:
        client = generated.AuthenticatedClient(service.url, service.token("owner"))
        wanted = InitUploadRequest(filename="plan.txt", size=len(CONTENT), checksum=SHA256)
        begun = init_upload.sync(client=client, body=wanted)
        sent = put(begun.presigned_put_url, CONTENT, begun.headers.to_dict())
        assert sent.status_code == 200
        committing = CommitRequest(key=begun.key, size=len(CONTENT), checksum=SHA256)
        commit = commit_upload.sync(client=client, body=committing)
        assert (commit.name, commit.version, commit.checksum) == (
            "plan.txt",
            1,
            f"sha256:{SHA256}",
        )
        signed = download_file.sync(commit.file_id, client=client)
        assert fetch(signed.presigned_get_url).content == CONTENT

        wrong = CommitRequest(key=begun.key, size=len(CONTENT) + 1, checksum=SHA256)
        problem = commit_upload.sync(client=client, body=wrong)
        assert isinstance(problem, Problem)
        assert problem.code == "commit-conflict"


def test_the_readmes_commands_generate_a_client_that_lists_files(
    store: object, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    typed = documents.commands("README.md", "Generate a client in your language")
    with server.running(tmp_path_factory.mktemp("service")) as service:
        file_id = service.client("alice").upload(CONTENT)["fileId"]
        done = subprocess.run(
            ["sh", "-eu", "-c", typed],
            cwd=tmp_path,
            env=os.environ | {"API": service.url, "TOKEN": service.token("alice")},
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
    assert done.returncode == 0, done.stderr[-2000:]
    assert file_id in done.stdout
