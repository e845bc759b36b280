"""Prepares the database and the bucket, and prints a token.

Runs in `.venv`. Prints the data folder when the settings are valid, then a token of the user given
as argument when the database is ready, then how that user signs in. Then a line on standard input
makes the bucket; the end of the input skips it.
"""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[2])
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "remotedrive.settings")

from scripts.lib import local_environment  # noqa: E402


def main() -> str:
    """Return an error message, or an empty string."""
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
        _tell(_sign_in(sys.argv[1]) if settings.WEB else "nowhere")
        if sys.stdin.readline():
            call_command("bootstrap_store", stdout=said)
    except (ImproperlyConfigured, CommandError) as error:
        return str(error)
    except DatabaseError as error:
        return f"Database error: {error}".strip()
    return ""


def _sign_in(subject: str) -> str:
    """Give the user the password in the environment; one that was set by hand is left alone.

    Returns `generated` or `own`, whichever the user signs in with.
    """
    from files.models import User

    password = os.environ[local_environment.PASSWORD]
    user = User.objects.get(subject=subject)
    if not user.has_usable_password():
        user.set_password(password)
        user.save(update_fields=["password"])
        return "generated"
    return "generated" if user.check_password(password) else "own"


def _tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main() or 0)
