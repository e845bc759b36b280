"""Makes the database and the bucket ready, and prints a token; one process of `scripts/run`.

Runs in `.venv`. Prints two lines: the data folder, once the settings are known to be right; and a
token of the user named as argument, once the database is ready. A line on standard input then asks
for the bucket; the end of the input asks for nothing more.
"""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[2])
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "remotedrive.settings")


def main() -> str:
    """Return the reason why it cannot be, or an empty string."""
    import django
    from django.conf import settings
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import CommandError, call_command
    from django.db import DatabaseError, connection
    from django.db.migrations.executor import MigrationExecutor

    said = io.StringIO()
    try:
        _tell(str(settings.DATA_DIR))
        django.setup()
        executor = MigrationExecutor(connection)
        if executor.migration_plan(executor.loader.graph.leaf_nodes()):
            call_command("migrate", verbosity=0, interactive=False)
        call_command("mint_jwt", sys.argv[1], create=True, stdout=said)
        _tell(said.getvalue().strip())
        if sys.stdin.readline():
            call_command("bootstrap_store", stdout=said)
    except (ImproperlyConfigured, CommandError) as error:
        return str(error)
    except DatabaseError as error:
        return f"The database cannot be used: {error}".strip()
    return ""


def _tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main() or 0)
