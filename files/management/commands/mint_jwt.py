"""`manage.py mint_jwt SUBJECT`: print a bearer token."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from files.models import User
from files.services.tokens import NoSecretError, mint


class Command(BaseCommand):
    help = "Print a bearer token for a user, and nothing else."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("subject", help="the token's `sub`: 1 to 255 printable characters")
        parser.add_argument("--create", action="store_true", help="create the user if missing")
        parser.add_argument(
            "--ttl", type=int, default=3600, help="seconds until it expires (default: 3600)"
        )

    def handle(self, *args: Any, subject: str, create: bool, ttl: int, **options: Any) -> None:
        if not 1 <= len(subject) <= 255 or not subject.isprintable() or subject != subject.strip():
            raise CommandError(
                "SUBJECT must be 1 to 255 printable characters, no leading or trailing space"
            )
        if not 1 <= ttl <= 315_360_000:
            raise CommandError("--ttl must be from 1 second to 10 years")
        try:
            token = mint(subject=subject, ttl=ttl)
        except NoSecretError:
            raise CommandError(
                "there is no JWT_SECRET to sign with: tokens come from the issuer of JWT_JWKS_URL"
            ) from None
        if create:
            User.of_subject(subject)
        user = User.objects.filter(subject=subject).first()
        if user is None:
            raise CommandError(f"there is no user {subject!r}; --create creates one")
        if not user.is_active:
            raise CommandError(f"the user {subject!r} is not active; its tokens are refused")
        self.stdout.write(token)
