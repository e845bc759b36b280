"""A running service against its own schema: whatever the schema allows or forbids, by Schemathesis.

All its checks: status codes, content types, headers and bodies as described; what the schema allows
is taken and what it forbids refused; unsupported methods, authorization that is left out, what was
deleted; and the document's links, from init-upload over the PUT and the commit to the download.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import server
from tests.support.process import ROOT
from tests.support.schema import DOCUMENT_FILE

pytestmark = pytest.mark.slow

CONFIGURATION = Path(__file__).parent / "schemathesis.toml"
LINKS_FOLLOWED_MIN = 20


def test_the_service_does_what_its_schema_says(
    store: object, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with server.running(tmp_path_factory.mktemp("service")) as service:
        command = ("--config-file", str(CONFIGURATION), "run", str(DOCUMENT_FILE), "--no-color")
        done = subprocess.run(
            [str(Path(sys.executable).with_name("schemathesis")), *command],
            cwd=ROOT,
            env=os.environ
            | {"SERVICE_URL": service.url, "SERVICE_TOKEN": service.token("owner")}
            | {"PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    followed = re.search(r"API Links: +(\d+) covered", done.stdout)
    assert followed is not None
    assert int(followed[1]) >= LINKS_FOLLOWED_MIN, done.stdout
