"""`manage.py set_password SUBJECT`: set the password that a user signs in with."""

from __future__ import annotations

import getpass
import sys
from argparse import ArgumentParser
from typing import Any

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError

from files.models import User


class Command(BaseCommand):
    help = (
        "Set the password that a user signs in with, in a browser. It is asked for twice, or is "
        "the first line of standard input. Whoever is signed in is signed out."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("subject", help="the user's `sub`")
        parser.add_argument(
            "--remove",
            action="store_true",
            help="take the password away; the user then signs in at the OpenID provider only",
        )

    def handle(self, *args: Any, subject: str, remove: bool, **options: Any) -> None:
        user = User.objects.filter(subject=subject).first()
        if user is None:
            raise CommandError(f"there is no user {subject!r}; mint_jwt --create creates one")
        if remove:
            user.set_unusable_password()
            user.save(update_fields=["password"])
            self.stdout.write(f"{user.username} has no password any more.")
            return
        if not user.is_active:
            raise CommandError(f"the user {subject!r} is not active; it cannot sign in")
        password = _asked_twice() if sys.stdin.isatty() else sys.stdin.readline().rstrip("\r\n")
        try:
            validate_password(password, user)
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from error
        user.set_password(password)
        user.save(update_fields=["password"])
        self.stdout.write(f"{user.username} can sign in with the new password.")


def _asked_twice() -> str:
    password = getpass.getpass("New password: ")
    if getpass.getpass("The same again: ") != password:
        raise CommandError("the two passwords differ; nothing was changed")
    return password
