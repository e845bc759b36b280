"""`scripts/run` on a database and a store that are there already: those of the test run."""

from __future__ import annotations

import os

import pytest

from remotedrive.environment import read_env_file
from tests import settings as test_settings
from tests.support.run_script import SECONDS, Run, run

__all__ = ["run"]


@pytest.mark.skipif(
    "DATABASE_URL" not in os.environ or test_settings.EMBEDDED_STORE_PORT is not None,
    reason="needs another database and another store",
)
def test_it_uses_the_database_and_the_store_that_the_environment_names(run: Run) -> None:
    names = ("DATABASE_URL", "MINIO_ENDPOINT", "MINIO_ACCESS_KEY", "MINIO_SECRET_KEY")
    named = {name: os.environ[name] for name in names}
    smoke = run.start("--with-smoke", **named)
    said, complaints = smoke.communicate(timeout=SECONDS)
    assert "every byte the same" in said, complaints
    assert smoke.returncode == 0
    written = read_env_file(run.data / "env")
    assert named.items() <= written.items()
    assert {path.name for path in run.data.iterdir()} == {"env", "secrets"}
