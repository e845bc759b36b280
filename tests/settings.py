"""The service's settings for a test run, and for mypy, which loads them too.

What the environment says is kept: `MINIO_*` names another store, `DATABASE_URL` another database.
Otherwise the embedded store runs on a free port, and SQLite in a folder of the run's own.
"""

import atexit
import os
import shutil
import sys
import tempfile
from pathlib import Path

from tests.support.ports import free_port

if "mypy" in sys.modules:
    # It ends without running what is registered for the end, and needs no folder of its own.
    os.environ["DATA_DIR"] = str(Path(__file__).parent.parent / ".mypy_cache" / "data")
else:
    os.environ["DATA_DIR"] = tempfile.mkdtemp(prefix="remotedrive-test-")
    atexit.register(shutil.rmtree, os.environ["DATA_DIR"], ignore_errors=True)
os.environ.setdefault("SECRET_KEY", "only-for-tests-" * 3)
os.environ.setdefault("JWT_SECRET", "also-only-for-tests-" * 2)
EMBEDDED_STORE_PORT = None
# pytest-xdist's workers inherit what the controlling process has set here.
if not os.environ.get("MINIO_ENDPOINT") or os.environ.get("TEST_STORE") == "embedded":
    os.environ["TEST_STORE"] = "embedded"
    EMBEDDED_STORE_PORT = free_port()
    os.environ["MINIO_ENDPOINT"] = f"http://127.0.0.1:{EMBEDDED_STORE_PORT}"
    os.environ["MINIO_ACCESS_KEY"] = "test-access"
    os.environ["MINIO_SECRET_KEY"] = "test-secret-key"
WORKER = os.environ.get("PYTEST_XDIST_WORKER")
if WORKER and EMBEDDED_STORE_PORT is None:
    # Workers share the store: to each its own bucket, and its own upload key.
    os.environ["MINIO_BUCKET"] = f"remotedrive-{WORKER}"
    if os.environ.get("MINIO_UPLOAD_ACCESS_KEY"):
        os.environ["MINIO_UPLOAD_ACCESS_KEY"] += WORKER
os.environ.setdefault("STORE_TIMEOUT", "4")
os.environ.setdefault("LOG_FORMAT", "text")

from remotedrive.settings import *  # noqa: E402, F403
from remotedrive.settings import DATABASES  # noqa: E402

if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    # A file, as in production: what is held in memory locks in other ways.
    DATABASES["default"]["TEST"] = {"NAME": str(Path(os.environ["DATA_DIR"]) / "test.sqlite3")}
AUTH_CACHE_SECONDS = 0
"""Tests change users behind the service's back, and go on with the next step at once."""
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
