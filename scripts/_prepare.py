"""Makes the database and the bucket ready, and prints a token; one process of `scripts/run`.

Runs in `.venv`. It has the database ready first, and then waits for a line on standard input,
which says that the store is there: both start at the same time.
"""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parent.parent)
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "remotedrive.settings")


def main() -> str:
    """Return the reason why it cannot be, or an empty string."""
    import django
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import CommandError, call_command
    from django.db import DatabaseError, connection
    from django.db.migrations.executor import MigrationExecutor

    said, token = io.StringIO(), io.StringIO()
    try:
        django.setup()
        executor = MigrationExecutor(connection)
        if executor.migration_plan(executor.loader.graph.leaf_nodes()):
            call_command("migrate", verbosity=0, interactive=False, skip_checks=True)
        sys.stdin.readline()
        call_command("bootstrap_store", stdout=said, skip_checks=True)
        call_command("mint_jwt", sys.argv[1], create=True, stdout=token, skip_checks=True)
    except (ImproperlyConfigured, CommandError) as error:
        return f"{said.getvalue()}{error}"
    except DatabaseError as error:
        return f"The database cannot be used: {error}".strip()
    sys.stdout.write(token.getvalue())
    return ""


if __name__ == "__main__":
    sys.exit(main() or 0)
