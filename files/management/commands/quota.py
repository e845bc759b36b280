"""`manage.py quota SUBJECT SIZE`: say how many bytes a user may have in the store."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from files.exceptions import BusyError
from files.models import User
from files.services import quotas
from remotedrive.sizes import parse_size, written_size


def _size(text: str) -> int | None:
    if text == "none":
        return None
    try:
        return parse_size(text)
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from error


class Command(BaseCommand):
    help = (
        "Set a user's quota, count the user's bytes again, and print both. Serving processes "
        "know of it after AUTH_CACHE_SECONDS at the latest."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("subject", help="the user's subject, the `sub` of its tokens")
        parser.add_argument(
            "size",
            type=_size,
            metavar="SIZE|none",
            help="bytes, 500MB or 20GiB; none: DEFAULT_QUOTA, which may be no limit",
        )

    def handle(self, *args: Any, subject: str, size: int | None, **options: Any) -> None:
        user = User.objects.filter(subject=subject).first()
        if user is None:
            raise CommandError(f"there is no user {subject!r}")
        try:
            user = quotas.set_quota(user_id=user.pk, quota_bytes=size)
        except BusyError as error:
            raise CommandError(f"{error} Run it again.") from error
        quota, usage = quotas.quota_of(user), quotas.usage(user=user)
        self.stdout.write(
            f"{subject}: quota {'none' if quota is None else _both(quota)}, "
            f"used {_both(usage.bytes_used)}, reserved {_both(usage.bytes_reserved)}"
        )


def _both(size: int) -> str:
    return str(size) if size < 1024 else f"{size} ({written_size(size)})"
